import { expect, test } from "vitest";
import { createConversations } from "../../../src/producers/conversations.ts";
import type { ConversationTurn } from "../../../src/protocol/conversation.ts";
import { createMemoryRunStore } from "../../../src/testing/memory-run-store.ts";
import { createVirtualClock } from "../../../src/testing/virtual-clock.ts";
import { submission } from "../../support/run-store-fixture.ts";

const turn = (id: string): ConversationTurn => ({
  v: 1,
  id,
  type: "run",
  atMs: 1,
  contextTokens: 0,
  itemsJson: JSON.stringify([id, `${id}!`]),
});

async function setup(...ids: string[]) {
  const store = createMemoryRunStore({ clock: createVirtualClock() });
  const key = { tenant: "acme", id: "talk" };
  await store.conversations.change(key, { changeId: "c", keep: 0, append: ids.map(turn) });
  return { store, conversations: createConversations(store, "acme") };
}

test("items are those of all turns, or the newest of them", async () => {
  const { conversations } = await setup("a", "b");
  expect(await conversations.items("talk")).toEqual(["a", "a!", "b", "b!"]);
  expect(await conversations.items("talk", { limit: 3 })).toEqual(["a!", "b", "b!"]);
  expect(await conversations.items("talk", { limit: 0 })).toEqual([]);
});

test("a fork holds the turns up to the one that is named, and goes its own way from there", async () => {
  const { conversations } = await setup("a", "b", "c");
  await conversations.fork("talk", "early", { atTurn: 2 });
  await conversations.fork("talk", "whole");
  await conversations.trim("talk", { keepTurns: 1 });
  expect(await conversations.items("early")).toEqual(["a", "a!", "b", "b!"]);
  expect(await conversations.get("whole")).toMatchObject({ turns: 3 });
  expect(await conversations.items("talk")).toEqual(["c", "c!"]);
  await expect(conversations.fork("talk", "early")).rejects.toMatchObject({ code: "CONVERSATION_EXISTS" });
  await expect(conversations.fork("early", "late", { atTurn: 3 })).rejects.toMatchObject({ code: "INPUT_INVALID", at: "atTurn" });
});

test("I1 while runs of it are not over a conversation may be read and forked, and nothing else", async () => {
  const { store, conversations } = await setup("a");
  const { runId } = submission();
  await store.submit(submission({ runId, conversation: "talk" }));
  const busy = { code: "CONVERSATION_BUSY", message: expect.stringContaining(runId) };
  await expect(conversations.trim("talk", { keepTurns: 0 })).rejects.toMatchObject(busy);
  await expect(conversations.delete("talk")).rejects.toMatchObject(busy);
  await conversations.fork("talk", "other");
  expect(await conversations.get("talk")).toMatchObject({ turns: 1, runs: [runId] });
  expect(await conversations.get("other")).toMatchObject({ turns: 1, runs: [] });
});

test("I11 what another tenant has, or nobody, is unknown", async () => {
  const { conversations } = await setup("a");
  const unknown = { code: "CONVERSATION_UNKNOWN" };
  const other = { tenant: "acme.b" };
  for (const [id, options] of [["talk", other] as const, ["none", {}] as const]) {
    await expect(conversations.get(id, options)).rejects.toMatchObject(unknown);
    await expect(conversations.items(id, options)).rejects.toMatchObject(unknown);
    await expect(conversations.trim(id, { ...options, keepTurns: 1 })).rejects.toMatchObject(unknown);
    await expect(conversations.fork(id, "new", options)).rejects.toMatchObject(unknown);
    await expect(conversations.delete(id, options)).rejects.toMatchObject(unknown);
  }
  expect(await conversations.list({ ...other, limit: 10 })).toEqual([]);
  await expect(conversations.get("a:b")).rejects.toMatchObject({ code: "INPUT_INVALID" });
  await expect(conversations.list({ tenant: "a:b", limit: 1 })).rejects.toMatchObject({ code: "INPUT_INVALID", at: "tenant" });
});
