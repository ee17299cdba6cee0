/** Conversations: turns in the order of submission, and whole turns or none. */
import { describe, expect, test } from "vitest";
import type { ConversationChange, ConversationTurn } from "../../src/protocol/conversation.ts";
import { LIMITS } from "../../src/protocol/limits.ts";
import type { RunStore } from "../../src/protocol/run-store.ts";
import type { Submission } from "../../src/protocol/submission.ts";
import { awaitingApproval, begin, completed, end, eventTypes, handedOff, LEASE_MS, policy, submission } from "./run-store-fixture.ts";
import type { OpenStore } from "./run-store-fixture.ts";

export const key = { tenant: "acme", id: "talk.1" };

export const turn = (id: string, overrides: Partial<ConversationTurn> = {}): ConversationTurn => ({
  v: 1,
  id,
  type: "run",
  atMs: 1,
  agent: "triage",
  contextTokens: 12,
  itemsJson: `[{"role":"user","content":"said by ${id}"}]`,
  ...overrides,
});

const left = (id: string) => ({ ...completed, conversation: { ...key, turn: turn(id), drop: 0 } }) as const;
export const idsOf = (turns: readonly ConversationTurn[]): string[] => turns.map(({ id }) => id);

export async function submitted(store: RunStore, overrides: Partial<Submission> = {}): Promise<string> {
  const wanted = submission({ conversation: key.id, ...overrides });
  await store.submit(wanted);
  return wanted.runId;
}

export const change = (changeId: string, overrides: Partial<ConversationChange> = {}): ConversationChange => ({
  changeId,
  keep: LIMITS.runsPerConversation,
  append: [],
  ...overrides,
});

export function conversationsSuite(setup: OpenStore): void {
  describe("turns in a conversation", () => {
    test("I3 I6 the first run is queued; who comes behind holds no dispatch entry and no wake until its turn has come", async () => {
      const { store } = await setup();
      const first = submission({ conversation: key.id });
      const second = submission({ conversation: key.id });
      expect(await store.submit(first)).toMatchObject({ status: "created", wake: { wake: 0 } });
      expect(await store.submit(second)).toEqual({ status: "created", runId: second.runId, wake: undefined, agentSeenAtMs: undefined });
      expect(await store.get(second.runId)).toMatchObject({ status: "suspended", suspension: "conversation", conversation: key.id });
      expect(await eventTypes(store, second.runId)).toEqual(["run.queued", "run.suspended"]);
      expect(await store.look(second.runId, policy)).toBeUndefined();
      expect(await store.begin({ runId: second.runId, wake: 0, token: "x", workerId: "w", leaseMs: 1, maxDeaths: 1 })).toEqual({
        status: "stale",
        why: "suspended",
      });
      await begin(store, first.runId, "a");
      expect(await store.look(second.runId, policy)).toBeUndefined();
      expect(await end(store, first.runId, "a", left(first.runId))).toMatchObject({ as: "completed", follower: second.runId });
      expect((await store.due(10)).runIds).toEqual([second.runId]);
      expect(await store.look(second.runId, policy)).toMatchObject({ runId: second.runId, wake: 1, continuation: false });
      // Whoever looks too is not told a second time.
      expect(await store.look(second.runId, policy)).toBeUndefined();
      expect(await eventTypes(store, second.runId)).toEqual(["run.queued", "run.suspended", "run.resumed"]);
    });

    test("I2 I12 an end that is sent twice leaves one turn, and passes the turn on once", async () => {
      const { store } = await setup();
      const [first, second, third] = [await submitted(store), await submitted(store), await submitted(store)];
      await begin(store, first, "a");
      const reply = await end(store, first, "a", left(first));
      expect(await end(store, first, "a", left(first))).toEqual(reply);
      expect(await end(store, first, "b", left("other"))).toEqual({ status: "superseded" });
      expect(idsOf(await store.conversations.turns(key))).toEqual([first]);
      expect((await store.conversations.get(key))?.runs).toEqual([second, third]);
      expect(await store.look(third, policy)).toBeUndefined();
    });

    test("a run is shown what earlier runs left, in every hop and attempt", async () => {
      const { store, advance } = await setup();
      const [first, second] = [await submitted(store), await submitted(store)];
      await begin(store, first, "a");
      await end(store, first, "a", left(first));
      await store.look(second, policy);
      const of = { runId: second, workerId: "w", leaseMs: LEASE_MS, maxDeaths: 2 };
      expect(await store.begin({ ...of, wake: 1, token: "b" })).toMatchObject({ turns: [turn(first)], attempt: { conversation: key.id } });
      await advance(2 * LEASE_MS);
      expect(await store.begin({ ...of, wake: 1, token: "c" })).toMatchObject({ turns: [turn(first)], attempt: { attempt: 2 } });
      await end(store, second, "c", handedOff({ conversationJson: '{"v":1}' }));
      expect(await store.begin({ ...of, wake: 2, token: "d" })).toMatchObject({
        turns: [turn(first)],
        attempt: { conversationJson: '{"v":1}' },
      });
    });

    test("a run that fails, is blocked, refused, cancelled or expires leaves nothing, and the next one goes on", async () => {
      const { store, advance } = await setup();
      const error = { code: "AGENT_FAILED", message: "x" };
      const endings = [
        (runId: string) => end(store, runId, "a", { type: "failed", error }),
        (runId: string) => end(store, runId, "a", { type: "blocked", error }),
        (runId: string) => end(store, runId, "a", { type: "refused", error }),
        (runId: string) => end(store, runId, "a", { type: "cancelled" }),
        async (runId: string) => {
          // Asked to stop while it completes: it is cancelled, and what it said is not kept.
          await store.cancel(runId, policy.retentionMs);
          await end(store, runId, "a", left(runId));
        },
        async (runId: string) => {
          await advance(2 * LEASE_MS);
          await store.look(runId, { ...policy, maxDeaths: 0 });
        },
      ];
      const last = submission({ conversation: key.id });
      const runs = [];
      for (const _ of endings) runs.push(await submitted(store));
      await store.submit(last);
      for (const [index, runId] of runs.entries()) {
        const wake = (await store.get(runId))?.wake ?? 0;
        await begin(store, runId, "a", wake);
        await endings[index]?.(runId);
        const next = runs[index + 1] ?? last.runId;
        expect((await store.due(10)).runIds).toEqual([next]);
        expect(await store.look(next, policy)).toMatchObject({ runId: next });
      }
      expect(await store.conversations.turns(key)).toEqual([]);
      expect((await store.conversations.get(key))?.runs).toEqual([last.runId]);
    });

    test("a waiting run that is cancelled or expires goes out of the queue without disturbing it", async () => {
      const { store, advance } = await setup();
      const first = await submitted(store);
      const cancelled = await submitted(store);
      const expired = await submitted(store, { deadlineMs: 10 * LEASE_MS });
      const next = await submitted(store);
      expect(await store.cancel(cancelled, policy.retentionMs)).toEqual({ status: "cancelled" });
      await advance(11 * LEASE_MS);
      await store.look(expired, policy);
      expect(await store.get(expired)).toMatchObject({ status: "expired" });
      expect((await store.conversations.get(key))?.runs).toEqual([first, next]);
      expect(await store.cancel(first, policy.retentionMs)).toEqual({ status: "cancelled", follower: next });
      expect(await store.look(next, policy)).toMatchObject({ runId: next });
    });

    test("a run that waits for a person keeps the turn", async () => {
      const { store } = await setup();
      const [first, second] = [await submitted(store), await submitted(store)];
      await begin(store, first, "a");
      expect(await end(store, first, "a", awaitingApproval("c1"))).toEqual({ status: "settled", as: "suspended", next: undefined });
      expect(await store.look(second, policy)).toBeUndefined();
      await store.decide(first, "c1", { id: "d1", decision: { approve: true } });
      await begin(store, first, "b", 1);
      expect(await end(store, first, "b", left(first))).toMatchObject({ follower: second });
    });

    test("a paused run keeps its place: nobody overtakes it, and it goes on when it is resumed", async () => {
      const { store } = await setup();
      const [first, second, third] = [await submitted(store), await submitted(store), await submitted(store)];
      expect(await store.pause(second, { by: "ann" })).toEqual({ status: "paused" });
      await begin(store, first, "a");
      expect(await end(store, first, "a", left(first))).toMatchObject({ follower: second });
      expect(await store.look(second, policy)).toBeUndefined();
      expect(await store.get(second)).toMatchObject({ status: "paused" });
      expect(await store.look(third, policy)).toBeUndefined();
      expect(await store.resume(second)).toMatchObject({ status: "resumed", next: { runId: second } });
      const wake = (await store.get(second))?.wake ?? 0;
      await begin(store, second, "b", wake);
      expect(await end(store, second, "b", left(second))).toMatchObject({ follower: third });
      // Resumed while it still waits, it goes on waiting.
      const fourth = await submitted(store);
      await store.pause(fourth, { by: "ann" });
      expect(await store.resume(fourth)).toMatchObject({ status: "resumed", next: undefined });
      expect(await store.get(fourth)).toMatchObject({ status: "suspended", suspension: "conversation" });
    });

    test("I11 the same id of two tenants are two conversations", async () => {
      const { store } = await setup();
      const [mine, other] = [await submitted(store), await submitted(store, { tenant: "acme.b" })];
      for (const runId of [mine, other]) await begin(store, runId, "a");
      await end(store, mine, "a", left(mine));
      expect(await store.conversations.turns({ ...key, tenant: "acme.b" })).toEqual([]);
      expect(await store.conversations.list({ tenant: "acme", limit: 10 })).toMatchObject([{ ...key, turns: 1, runs: [] }]);
      expect(await store.conversations.list({ tenant: "acme.b", limit: 10 })).toMatchObject([{ turns: 0, runs: [other] }]);
    });

    test("I9 no more runs than the limit wait for one conversation, and a repeated submit takes no second place", async () => {
      const { store } = await setup();
      const first = submission({ conversation: key.id, idempotencyKey: "k" });
      await store.submit(first);
      expect(await store.submit({ ...first, runId: submission().runId })).toMatchObject({ status: "duplicate" });
      await store.submitMany(Array.from({ length: LIMITS.runsPerConversation - 1 }, () => submission({ conversation: key.id })));
      expect(await store.submit(submission({ conversation: key.id }))).toEqual({ status: "conversation-full" });
      expect((await store.conversations.get(key))?.runs).toHaveLength(LIMITS.runsPerConversation);
    });

    test("older turns give way to a summary in the same step in which the turn is kept", async () => {
      const { store } = await setup();
      await store.conversations.change(key, change("c1", { append: [turn("t1"), turn("t2"), turn("t3")] }));
      const runId = await submitted(store);
      await begin(store, runId, "a");
      const summary = turn("s", { type: "summary" });
      await end(store, runId, "a", { ...completed, conversation: { ...key, turn: turn(runId), drop: 2, summary } });
      expect(idsOf(await store.conversations.turns(key))).toEqual(["s", "t3", runId]);
      expect(idsOf(await store.conversations.turns(key, 2))).toEqual(["t3", runId]);
    });
  });
}
