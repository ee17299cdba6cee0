/** Conversations as people and sessions change them: only while nobody has the turn, each change once, and gone when nobody uses them. */
import { describe, expect, test } from "vitest";
import { LIMITS } from "../../src/protocol/limits.ts";
import { begin, completed, DAY_MS, end, policy, submission } from "./run-store-fixture.ts";
import type { OpenStore } from "./run-store-fixture.ts";
import { change, idsOf, key, submitted, turn } from "./run-store-suite-conversations.ts";

export function conversationChangesSuite(setup: OpenStore): void {
  describe("changes from outside", () => {
    test("I12 a change that is sent twice is made once", async () => {
      const { store } = await setup();
      const add = change("c1", { append: [turn("t1"), turn("t2"), turn("t3")], isNew: true });
      expect(await store.conversations.change(key, add)).toEqual({ status: "changed" });
      expect(await store.conversations.change(key, add)).toEqual({ status: "changed" });
      const drop = change("c2", { dropNewest: "t3" });
      expect(await store.conversations.change(key, drop)).toEqual({ status: "changed" });
      expect(await store.conversations.change(key, drop)).toEqual({ status: "changed" });
      expect(idsOf(await store.conversations.turns(key))).toEqual(["t1", "t2"]);
      expect(await store.conversations.change(key, change("c3", { dropNewest: "t3" }))).toEqual({ status: "moved" });
      expect(await store.conversations.change(key, change("c4", { isNew: true }))).toEqual({ status: "moved" });
      expect(await store.conversations.change(key, change("c5", { keep: 1 }))).toEqual({ status: "changed" });
      expect(idsOf(await store.conversations.turns(key))).toEqual(["t2"]);
      expect(await store.conversations.change(key, change("c6", { keep: 0 }))).toEqual({ status: "changed" });
      expect(await store.conversations.turns(key)).toEqual([]);
    });

    test("I1 while a run has the turn nothing is changed and nothing deleted", async () => {
      const { store } = await setup();
      const runId = await submitted(store);
      const busy = { status: "busy", runId };
      expect(await store.conversations.change(key, change("c1", { append: [turn("t1")] }))).toEqual(busy);
      expect(await store.conversations.change(key, change("c2", { keep: 0 }))).toEqual(busy);
      expect(await store.conversations.remove(key)).toEqual(busy);
      await store.cancel(runId, policy.retentionMs);
      expect(await store.conversations.remove(key)).toEqual({ status: "removed" });
      expect(await store.conversations.remove(key)).toEqual({ status: "unknown" });
      expect(await store.conversations.get(key)).toBeUndefined();
      expect(await store.conversations.list({ tenant: key.tenant, limit: 10 })).toEqual([]);
    });

    test("I9 its size is counted whoever writes and drops, and nothing is written from outside beyond the limit", async () => {
      const { store } = await setup();
      const bytes = async () => (await store.conversations.get(key))?.bytes ?? 0;
      await store.conversations.change(key, change("c1", { append: [turn("t1")] }));
      const one = await bytes();
      expect(one).toBeGreaterThan(50);
      await store.conversations.change(key, change("c2", { append: [turn("t2", { itemsJson: '["é"]' }), turn("t3")] }));
      const three = await bytes();
      await store.conversations.change(key, change("c3", { dropNewest: "t3" }));
      expect(three - (await bytes())).toBe(one);
      const runId = await submitted(store);
      await begin(store, runId, "a");
      const summary = turn("s1", { type: "run" });
      await end(store, runId, "a", { ...completed, conversation: { ...key, turn: turn("t4"), drop: 2, summary } });
      expect(await bytes()).toBe(2 * one);
      const large = turn("t5", { itemsJson: JSON.stringify(["x".repeat(LIMITS.conversationBytes)]) });
      expect(await store.conversations.change(key, change("c4", { append: [large] }))).toEqual({ status: "full" });
      expect(await bytes()).toBe(2 * one);
      await store.conversations.change(key, change("c5", { keep: 1 }));
      expect(await bytes()).toBe(one);
      await store.conversations.change(key, change("c6", { keep: 0 }));
      expect(await bytes()).toBe(0);
    });

    test("the list shows the last used first, page by page", async () => {
      const { store } = await setup();
      for (const id of ["a", "b", "c"]) await store.conversations.change({ ...key, id }, change(id));
      const all = await store.conversations.list({ tenant: key.tenant, limit: 10 });
      expect(all.map(({ id }) => id).toSorted()).toEqual(["a", "b", "c"]);
      const [first, ...rest] = all.map(({ id }) => id);
      const page = await store.conversations.list({ tenant: key.tenant, limit: 10, before: first ?? "" });
      expect(page.map(({ id }) => id)).toEqual(rest);
      expect(await store.conversations.list({ tenant: key.tenant, limit: 1 })).toEqual(all.slice(0, 1));
      expect(await store.conversations.list({ tenant: key.tenant, limit: 1, before: "gone" })).toEqual([]);
    });

    test.each([
      [90, {}],
      [400, { conversationKeepMs: 400 * DAY_MS }],
    ])("I9 a conversation that nobody uses goes by itself, %i days after its last use", async (days, options) => {
      const { store, advance } = await setup(options);
      const listed = async () => (await store.conversations.list({ tenant: key.tenant, limit: 10 })).map(({ id }) => id);
      await store.submit(submission({ tenant: key.tenant, conversation: "used before" }));
      await advance(DAY_MS);
      await store.conversations.change(key, change("c1", { append: [turn("t1")] }));
      await advance(days * DAY_MS - 60_000);
      expect([idsOf(await store.conversations.turns(key)), await listed()]).toEqual([["t1"], [key.id]]);
      await advance(60_000);
      expect([await store.conversations.turns(key), await listed()]).toEqual([[], []]);
      expect(await store.conversations.get(key)).toBeUndefined();
    });
  });
}
