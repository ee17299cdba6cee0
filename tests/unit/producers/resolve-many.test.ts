/** After a deploy that changed what agents ask, one word settles all runs that it stopped, and no others. */
import { Agent } from "@openai/agents";
import { ScriptedModel } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { createFleet } from "../../../src/index.ts";
import type { ManyResolution } from "../../../src/producers/resolve-many.ts";
import { createRunProducer } from "../../../src/producers/run-producer.ts";
import type { RunInfo } from "../../../src/protocol/run.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";
import { begin, end } from "../../support/run-store-fixture.ts";
import { say } from "../../support/script.ts";

type Why = Extract<NonNullable<RunInfo["suspension"]>, "replay-diverged" | "loop" | "effect-unknown">;

function setup(...answers: string[]) {
  const made = createFleet({ agents: { a: new Agent({ name: "a", model: "m" }), b: new Agent({ name: "b", model: "m" }) } });
  const fleet = testFleet(made, { models: { m: new ScriptedModel(answers.map(say)) } });
  /** A run whose first attempt left it waiting for a person. */
  const waiting = async (agent: "a" | "b", tenant: string, suspension: Why) => {
    const run = await fleet.submit(agent, "go", { tenant });
    await begin(fleet.store, run.id, run.id);
    if (suspension === "effect-unknown")
      await fleet.store.openIntent(run.id, run.id, { callId: "c", tool: "pay", agent, hop: 0, arguments: "{}", openedAtMs: 1 });
    await end(fleet.store, run.id, run.id, { type: "suspended", suspension });
    return run;
  };
  const { store, live, queue, clock } = fleet;
  const bound = createRunProducer({ store, live, queue, clock, agents: made.catalog, defaults: { tenant: "acme" } });
  return { fleet, waiting, bound };
}

const RESAMPLE: ManyResolution = { type: "resample" };

test("I5 I8: resolveMany has the diverged runs that match sampled anew, and leaves the others as they are", async () => {
  const { fleet, waiting } = setup("one", "two");
  const meant = [await waiting("a", "acme", "replay-diverged"), await waiting("a", "acme", "replay-diverged")];
  const spared = [
    await waiting("b", "acme", "replay-diverged"),
    await waiting("a", "other", "replay-diverged"),
    await waiting("a", "acme", "effect-unknown"),
    await waiting("a", "acme", "loop"),
  ];
  const filter = { suspension: "replay-diverged", agent: "a", tenant: "acme" } as const;
  expect(await fleet.countResolvable(filter, RESAMPLE)).toBe(2);
  expect(await fleet.resolveMany(filter, RESAMPLE)).toEqual({ resolved: 2, notOpen: 0 });
  await fleet.settle();
  expect(new Set(await Promise.all(meant.map((run) => run.output())))).toEqual(new Set(["one", "two"]));
  for (const run of spared) expect(await run.status()).toMatchObject({ status: "suspended" });
  expect(await fleet.resolveMany(filter, RESAMPLE)).toEqual({ resolved: 0, notOpen: 0 });
});

test("I8: resolveMany ends runs of every kind that it may, each with its code", async () => {
  const { fleet, waiting } = setup();
  const codes = { "replay-diverged": "REPLAY_DIVERGED", loop: "LOOP_DETECTED", "effect-unknown": "TOOL_FAILED" } as const;
  for (const suspension of ["replay-diverged", "loop", "effect-unknown"] as const) {
    const run = await waiting("a", "acme", suspension);
    expect(await fleet.resolveMany({ suspension }, { type: "fail" })).toEqual({ resolved: 1, notOpen: 0 });
    expect(await run.status()).toMatchObject({ status: "failed", error: { code: codes[suspension] } });
  }
});

test("a run that somebody else resolved meanwhile is counted apart, and stops nobody", async () => {
  const { fleet, waiting } = setup("again", "other");
  const [first, second] = [await waiting("a", "acme", "replay-diverged"), await waiting("a", "acme", "replay-diverged")];
  const { store, live, queue, clock } = fleet;
  const raced: typeof store = {
    ...store,
    async resolve(runId, ...word) {
      if (runId === first.id) await store.resolve(runId, ...word);
      return store.resolve(runId, ...word);
    },
  };
  const producer = createRunProducer({ store: raced, live, queue, clock });
  expect(await producer.resolveMany({ suspension: "replay-diverged" }, RESAMPLE)).toEqual({ resolved: 1, notOpen: 1 });
  await fleet.settle();
  for (const run of [first, second]) expect(await run.status()).toMatchObject({ status: "completed" });
});

test("I11: resolveMany stays with the producer's tenant, unless another is named", async () => {
  const { waiting, bound } = setup();
  const [own, other] = [await waiting("a", "acme", "loop"), await waiting("a", "other", "loop")];
  const goOn: ManyResolution = { type: "continue" };
  expect(await bound.countResolvable({ suspension: "loop" }, goOn)).toBe(1);
  expect(await bound.resolveMany({ suspension: "loop" }, goOn)).toEqual({ resolved: 1, notOpen: 0 });
  expect(await own.status()).toMatchObject({ status: "queued" });
  expect(await other.status()).toMatchObject({ status: "suspended" });
  expect(await bound.resolveMany({ suspension: "loop", tenant: "other" }, goOn)).toEqual({ resolved: 1, notOpen: 0 });
});

test("a word that does not fit what the runs wait for is refused before anything is resolved", async () => {
  const { fleet, waiting } = setup();
  const run = await waiting("a", "acme", "effect-unknown");
  const invalid = (at: string) => ({ code: "INPUT_INVALID", at });
  await expect(fleet.resolveMany({ suspension: "effect-unknown" }, RESAMPLE)).rejects.toMatchObject(invalid("resolution"));
  await expect(fleet.resolveMany({ suspension: "loop" }, RESAMPLE)).rejects.toMatchObject(invalid("resolution"));
  await expect(fleet.countResolvable({ suspension: "approval" as never }, RESAMPLE)).rejects.toMatchObject(invalid("suspension"));
  await expect(fleet.resolveMany({} as never, RESAMPLE)).rejects.toMatchObject(invalid("suspension"));
  expect(await run.status()).toMatchObject({ status: "suspended" });
});
