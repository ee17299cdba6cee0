/** What second chances need of a store: runs that begin with what another one left, hops as they began, and failures by reason. */
import { describe, expect, test } from "vitest";
import type { Seed } from "../../src/protocol/seed.ts";
import type { RunStore } from "../../src/protocol/run-store.ts";
import type { OpenStore } from "./run-store-fixture.ts";
import { begin, beginOf, completed, DAY_MS, end, fact, handedOff, intent, newRunId, running, submission } from "./run-store-fixture.ts";

const failed = { type: "failed", error: { code: "AGENT_FAILED", message: "x" } } as const;

const seedOf = (source: string, overrides: Partial<Seed> = {}): Seed => ({
  origin: { runId: source, kind: "retry", hop: 0, turn: 2 },
  root: source,
  tools: "live",
  entryAgent: "triage",
  turnsBefore: 0,
  journal: new Map([["m:0:0", '{"v":1,"a":"é"}']]),
  intents: [intent("c1")],
  decisions: new Map([["c2", { callId: "c2", tool: "refund", agent: "triage", atMs: 5, approve: false, reason: "no", by: "ann" }]]),
  recordings: [],
  ...overrides,
});

async function failedRun(store: RunStore, overrides: Parameters<typeof running>[2] = {}, code = "AGENT_FAILED"): Promise<string> {
  const runId = await running(store, "a", overrides);
  await end(store, runId, "a", { type: "failed", error: { code, message: "x" } });
  return runId;
}

const again = (store: RunStore, seed: Seed, overrides: Parameters<typeof submission>[0] = {}) => {
  const wanted = submission({ ...overrides, seed });
  return { runId: wanted.runId, send: () => store.submit(wanted) };
};

export function sourcesSuite(setup: OpenStore): void {
  describe("a run that begins with what another one left", () => {
    test("I12 is there whole with the submit, and the same submit finds it again", async () => {
      const { store } = await setup();
      const source = await failedRun(store);
      const recordings = [0, 1, 2].map((n) => ({ tool: "pay", arguments: `{"n":${n}}`, valueJson: `{"v":1,"output":${n}}` }));
      const seed = seedOf(source, { origin: { runId: source, kind: "retry", hop: 2, turn: 4 }, turnsBefore: 2, model: "m", recordings });
      const { runId, send } = again(store, { ...seed, tools: "recorded" });
      expect(await send()).toMatchObject({ status: "created", wake: { runId, wake: 0 } });
      expect(await send()).toEqual({ status: "duplicate", runId });
      const attempt = await begin(store, runId, "t");
      expect(attempt).toMatchObject({ hop: 2, turnsBefore: 2, root: source, tools: "recorded", model: "m", hasJournal: true });
      expect(attempt.origin).toEqual({ runId: source, kind: "retry", hop: 2, turn: 4 });
      expect(attempt.openIntents).toEqual([intent("c1")]);
      expect(attempt.decisions).toEqual(seed.decisions);
      expect(await store.journal(runId, 2)).toEqual(seed.journal);
      expect(await store.recordings(runId)).toEqual(recordings);
      expect(await store.get(runId)).toMatchObject({ origin: seed.origin, tools: "recorded", model: "m", turns: 3, hop: 2 });
      const [first] = await store.events(runId, "0-0", 1);
      expect(first?.event).toMatchObject({ type: "run.queued", origin: seed.origin });
    });

    test("I8 its source names it, a retry is made once, and the source stays as it ended", async () => {
      const { store } = await setup();
      const source = await failedRun(store);
      const fork = again(store, seedOf(source, { origin: { runId: source, kind: "fork", hop: 0, turn: 1 } }));
      await fork.send();
      const first = again(store, seedOf(source));
      await first.send();
      expect(await again(store, seedOf(source)).send()).toEqual({ status: "duplicate", runId: first.runId });
      expect(await store.get(source)).toMatchObject({
        status: "failed",
        continuedAs: first.runId,
        children: [
          { kind: "retry", runId: first.runId },
          { kind: "fork", runId: fork.runId },
        ],
      });
      expect(await store.list({ limit: 10 })).toHaveLength(3);
    });

    test("I8 I11 only a run of the same tenant that ended without an output is retried", async () => {
      const { store } = await setup();
      const held = await running(store);
      const done = await running(store);
      await end(store, done, "a", completed);
      const source = await failedRun(store);
      expect(await again(store, seedOf(held)).send()).toEqual({ status: "source-open", as: "running" });
      expect(await again(store, seedOf(done)).send()).toEqual({ status: "source-open", as: "completed" });
      expect(await again(store, seedOf(source), { tenant: "other" }).send()).toEqual({ status: "source-gone" });
      expect(await again(store, seedOf(newRunId())).send()).toEqual({ status: "source-gone" });
      const copy = again(store, seedOf(done, { origin: { runId: done, kind: "replay", hop: 0, turn: 1 } }));
      expect(await copy.send()).toMatchObject({ status: "created" });
    });

    test("I9 goes with all that it took over", async () => {
      const { store } = await setup();
      const source = await failedRun(store);
      const recordings = [{ tool: "pay", arguments: "{}", valueJson: "{}" }];
      const { runId, send } = again(store, seedOf(source, { recordings }));
      await send();
      await store.cancel(runId, DAY_MS);
      expect(await store.remove(runId)).toMatchObject({ status: "removed" });
      expect(await store.recordings(runId)).toEqual([]);
      expect(await store.journal(runId, 0)).toEqual(new Map());
    });
  });

  describe("a hop as it began", () => {
    test("is kept when it ends, filtered transcripts and changed contexts included", async () => {
      const { store } = await setup();
      const runId = await running(store);
      await store.record(fact(runId, { key: "m:0:0" }));
      await end(store, runId, "a", handedOff({ itemsJson: "[1]" }));
      await begin(store, runId, "b", 1);
      await end(store, runId, "b", handedOff({ to: "closer", itemsJson: "[2]", replacesTranscript: true, contextJson: '{"y":2}' }));
      const third = await store.begin({ runId, wake: 2, token: "c", workerId: "w", leaseMs: DAY_MS, maxDeaths: 2 });
      expect(third).toMatchObject({ status: "begun", itemsJson: ["[2]"] });
      await end(store, runId, "c", { type: "completed", output: 1, itemsJson: "[3]", contextJson: '{"z":3}' });
      expect(await store.items(runId)).toEqual(["[2]", "[3]"]);

      const { itemsJson, contextJson } = submission();
      const at = async (hop?: number) => {
        const reply = await store.snapshot(runId, hop);
        return reply.status === "found" ? reply.snapshot : undefined;
      };
      expect(await at(0)).toMatchObject({ hop: 0, agent: "triage", turnsBefore: 0, itemsJson: [itemsJson], contextJson });
      expect((await at(0))?.journal).toEqual(new Map([["m:0:0", '{"v":1}']]));
      expect(await at(1)).toMatchObject({ agent: "refunds", turnsBefore: 1, itemsJson: [itemsJson, "[1]"], contextJson });
      expect(await at()).toMatchObject({ hop: 2, agent: "closer", turnsBefore: 1, itemsJson: ["[2]"], contextJson: '{"y":2}' });
      expect(await store.snapshot(newRunId())).toEqual({ status: "unknown" });
    });

    test("is not known of what was before the run began", async () => {
      const { store } = await setup();
      const source = await failedRun(store);
      const { runId, send } = again(store, seedOf(source, { origin: { runId: source, kind: "retry", hop: 2, turn: 4 }, turnsBefore: 2 }));
      await send();
      expect(await store.snapshot(runId, 1)).toEqual({ status: "unrecorded" });
      expect(await store.snapshot(runId, 2)).toMatchObject({ status: "found", snapshot: { hop: 2 } });
    });

    test("is the present one of a run that is live or failed, with what made it fail", async () => {
      const { store } = await setup();
      const live = await running(store);
      const { itemsJson, contextJson } = submission();
      expect(await store.snapshot(live)).toMatchObject({
        status: "found",
        snapshot: { hop: 0, itemsJson: [itemsJson], contextJson, root: live },
      });
      await store.openIntent(live, "a", intent("c1"));
      await end(store, live, "a", { ...failed, rejectKey: "m:0:3" });
      const reply = await store.snapshot(live);
      expect(reply).toMatchObject({ status: "found", snapshot: { rejectedKey: "m:0:3", info: { openIntents: [intent("c1")] } } });
    });
  });

  describe("versions", () => {
    test("I12 an attempt says its agent's version, the hop remembers the one it began under, and a retry takes that over", async () => {
      const { store } = await setup();
      const wanted = submission();
      await store.submit(wanted);
      const { runId } = wanted;
      const beginAs = async (token: string, wake: number, version: string, agent = "triage") => {
        const reply = await store.begin({ ...beginOf(runId, token, wake), build: { agent, version, fingerprint: "f" } });
        return reply.status === "begun" ? reply.attempt.hopBuild?.version : reply.status;
      };
      expect(await beginAs("a", 0, "v1")).toBe("v1");
      await end(store, runId, "a", { type: "released" });
      expect(await beginAs("b", 1, "v2")).toBe("v1");
      expect(await beginAs("b", 1, "v2")).toBe("v1");
      expect(await store.get(runId)).toMatchObject({ build: { version: "v2", fingerprint: "f" } });
      await end(store, runId, "b", handedOff());
      expect((await store.get(runId))?.build).toBeUndefined();
      // Another agent's code says nothing of this one's.
      expect(await beginAs("c", 2, "v3")).toBeUndefined();
      await end(store, runId, "c", { type: "released" });
      expect(await beginAs("d", 3, "v4", "refunds")).toBe("v4");
      await end(store, runId, "d", { type: "suspended", suspension: "replay-diverged" });
      expect(await store.get(runId)).toMatchObject({ divergences: 1 });
      await store.resolve(runId, undefined, { type: "fail" }, DAY_MS);
      const reply = await store.snapshot(runId);
      expect(reply).toMatchObject({ snapshot: { hopBuild: { version: "v4", fingerprint: "f" } } });
      const retry = again(store, seedOf(runId, { hopBuild: { version: "v4", fingerprint: "f" }, intents: [] }));
      await retry.send();
      expect((await begin(store, retry.runId, "e")).hopBuild).toEqual({ version: "v4", fingerprint: "f" });
    });
  });

  describe("a submission without a source", () => {
    test("I5 may switch tools off and name a model, and its attempts are told so", async () => {
      const { store } = await setup();
      const plain = await running(store);
      expect(await store.get(plain)).not.toHaveProperty("tools");
      const denied = submission({ tools: "deny", model: "other", idempotencyKey: "k" });
      await store.submit(denied);
      expect(await begin(store, denied.runId, "a")).toMatchObject({ tools: "deny", model: "other", root: denied.runId });
      expect(await store.get(denied.runId)).toMatchObject({ tools: "deny", model: "other" });
    });
  });

  describe("failures", () => {
    test("I8 are counted by code and agent without reading each, per tenant, until they are retried or gone", async () => {
      const { store, advance } = await setup();
      const [one, two] = [await failedRun(store), await failedRun(store, { tenant: "other" })];
      const odd = await failedRun(store, { agent: "a/b:c %" });
      const limit = await failedRun(store, {}, "TURN_LIMIT");
      const counts = async (query = {}) => (await store.failures(query)).map(({ code, agent, count }) => `${code} ${agent} ${count}`);
      expect(await counts()).toEqual(["AGENT_FAILED a/b:c % 1", "AGENT_FAILED triage 2", "TURN_LIMIT triage 1"]);
      expect(await counts({ tenant: "other" })).toEqual(["AGENT_FAILED triage 1"]);
      expect(await counts({ code: "AGENT_FAILED", agent: "triage" })).toEqual(["AGENT_FAILED triage 2"]);
      expect(await counts({ code: "AGENT" })).toEqual([]);
      const listed = async (agent: string): Promise<string[]> =>
        (await store.list({ failure: { code: "AGENT_FAILED", agent }, limit: 10 })).map(({ runId }) => runId);
      expect(await listed("triage")).toEqual([one, two].toSorted().toReversed());
      expect(await listed("a/b:c %")).toEqual([odd]);
      await again(store, seedOf(one)).send();
      expect(await listed("triage")).toEqual([two]);
      await store.remove(odd);
      expect(await counts()).toEqual(["AGENT_FAILED triage 1", "TURN_LIMIT triage 1"]);
      await advance(DAY_MS + 1);
      await store.sweep(10);
      expect(await counts()).toEqual([]);
      expect(await store.get(limit)).toBeUndefined();
    });
  });
}
