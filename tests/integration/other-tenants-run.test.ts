/** Promise: whoever works for one tenant at the command line reaches no run of another by its id (I11). */
import { Agent } from "@openai/agents";
import { expect, onTestFinished, test } from "vitest";
import { runCli } from "../../src/cli/program.ts";
import { setupInProcess } from "../support/in-process-fleet.ts";
import { fakeContext } from "../unit/cli/fake-context.ts";

const NOBODYS = "r0-01jd3xk2v7w8y9z0a1b2c3d4e5";

/** How each command is told what to do with a run. */
const COMMANDS: Readonly<Record<string, (run: string) => readonly string[]>> = {
  "runs show": (run) => ["runs", "show", run],
  "runs tail": (run) => ["runs", "tail", run],
  "runs cancel": (run) => ["runs", "cancel", run],
  "runs pause": (run) => ["runs", "pause", run],
  "runs resume": (run) => ["runs", "resume", run],
  "runs resolve": (run) => ["runs", "resolve", run, "--fail"],
  "runs retry": (run) => ["runs", "retry", run],
  "runs replay": (run) => ["runs", "replay", run, "--edit"],
  "runs fork": (run) => ["runs", "fork", run, "--turn", "1"],
  "runs delete": (run) => ["runs", "delete", run],
  "approvals approve": (run) => ["approvals", "approve", run, "c1"],
  "approvals reject": (run) => ["approvals", "reject", run, "c1"],
};

async function setup() {
  const bundle = await setupInProcess(() => ({ text: "fine" }));
  onTestFinished(() => bundle[Symbol.asyncDispose]());
  const fleet = bundle.fleet({ a: new Agent({ name: "a", model: "m" }) });
  const cli = async (...argv: string[]) => {
    const context = fakeContext({ env: { REDIS_URL: bundle.redisUrl, FLOTILLA_PREFIX: bundle.prefix } });
    return { code: await runCli(argv, context), out: context.stdout.join("\n"), talk: context.stderr.join("\n") };
  };
  return { fleet, cli };
}

test("the command lines below are all that take a run", async () => {
  const { cli } = await setup();
  const takers: string[] = [];
  for (const group of ["runs", "approvals"]) {
    const { out } = await cli(group, "--help");
    for (const [, name = ""] of out.matchAll(/^ {2}(\w+) \[options\] [<[]run[>\]]/gm)) takers.push(`${group} ${name}`);
  }
  expect(takers.toSorted()).toEqual(Object.keys(COMMANDS).toSorted());
});

test.each(Object.entries(COMMANDS))(
  "I11: %s answers for another tenant's run as for one that is not there",
  { tags: ["redis"] },
  async (_name, line) => {
    const { fleet, cli } = await setup();
    const run = await fleet.submit("a", "a secret question", { tenant: "acme", delayMs: 60_000 });
    const before = await run.status();

    const asOther = await cli(...line(run.id), "--tenant", "other");
    const ofNobody = await cli(...line(NOBODYS), "--tenant", "other");
    expect(asOther).toMatchObject({ code: 2, out: "" });
    expect(asOther.talk).toContain("RUN_UNKNOWN");
    expect(asOther.talk.replaceAll(run.id, NOBODYS)).toBe(ofNobody.talk);
    expect(await run.status()).toEqual(before);
  },
);

test("a tenant's own run is reached", { tags: ["redis"] }, async () => {
  const { fleet, cli } = await setup();
  const run = await fleet.submit("a", "hello", { tenant: "acme", delayMs: 60_000 });
  expect(JSON.parse((await cli("runs", "show", run.id, "--tenant", "acme", "--json")).out)).toMatchObject({ run: { tenant: "acme" } });
  expect(await cli("runs", "cancel", run.id, "--tenant", "acme")).toMatchObject({ code: 0, out: `${run.id} cancelled` });
  expect(await cli("runs", "delete", run.id, "--tenant", "acme")).toMatchObject({ code: 0, out: `${run.id} deleted` });
});
