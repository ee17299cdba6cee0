/** Promise: a run that goes round in circles is noticed before the next call, at the same place by whichever worker, and a person says what then. */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createProducer } from "../../src/producer.ts";
import { createGate, setup } from "../support/process-bundle.ts";
import type { fleet } from "../support/fleets/circles-fleet.ts";
import { commandLine } from "../unit/cli/cli-process.ts";

const FLEET = fileURLToPath(new URL("../support/fleets/circles-fleet.ts", import.meta.url));

test("loops: the same call again and again suspends the run, over a SIGKILL, as an event; a person lets it go on from the command line", {
  tags: ["processes", "slow"],
}, async () => {
  const gate = createGate();
  let isHeld = false;
  await using bundle = await setup(async ({ toolResults }) => {
    if (toolResults.length === 2 && !isHeld) {
      isHeld = true;
      await gate.wait();
    }
    return toolResults.length < 4 ? { toolCalls: [{ name: "look", arguments: {} }] } : { text: "seen enough" };
  });
  await using producer = createProducer<typeof fleet>({ redis: bundle.env.REDIS_URL, prefix: bundle.prefix });
  const first = await bundle.worker({ fleet: FLEET });
  const run = await producer.submit("looker", "go");
  await gate.reached;
  await first.kill("SIGKILL");
  gate.open();
  await bundle.worker({ fleet: FLEET });

  for await (const event of run.events()) {
    if (event.type === "loop.detected") expect(event.loop).toEqual({ id: "loop:0:m:0:2", kind: "calls", cycle: ["look"], rounds: 2 });
    if (event.type === "run.suspended") break;
  }
  expect(await run.status()).toMatchObject({ status: "suspended", suspension: "loop", error: { code: "LOOP_DETECTED" } });
  expect(bundle.effects()).toEqual(["look", "look"]);
  const { run: flotilla } = commandLine(bundle.env);
  expect((await flotilla(["runs", "show", run.id])).out).toContain(`flotilla runs resolve ${run.id} --continue`);
  expect(await flotilla(["runs", "resolve", run.id, "--continue"])).toMatchObject({ code: 0 });
  expect(await run.result()).toMatchObject({ status: "completed", output: "seen enough" });
  expect(bundle.effects()).toEqual(["look", "look", "look", "look"]);
  // Five answers, and the one that was in flight at the kill.
  expect(bundle.provider.calls).toHaveLength(6);
});
