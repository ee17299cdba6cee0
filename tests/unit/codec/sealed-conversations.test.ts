import { expect, test } from "vitest";
import { payloadCodec } from "../../../src/codec/payload-codec.ts";
import { createSealedRunStore } from "../../../src/codec/sealed-run-store.ts";
import type { ConversationTurn } from "../../../src/protocol/conversation.ts";
import { createMemoryRunStore } from "../../../src/testing/memory-run-store.ts";
import { createVirtualClock } from "../../../src/testing/virtual-clock.ts";
import { begin, completed, end, handedOff, submission } from "../../support/run-store-fixture.ts";
import { newKey } from "../../support/sealed-store.ts";

const key = { tenant: "acme", id: "talk" };
const turn: ConversationTurn = { v: 1, id: "t1", type: "items", atMs: 1, contextTokens: 0, itemsJson: '["secret"]' };

function setup() {
  const plain = createMemoryRunStore({ clock: createVirtualClock() });
  const codec = payloadCodec({ keys: { k1: newKey() }, current: "k1", requireSealed: true });
  return { plain, sealed: createSealedRunStore(plain, codec) };
}

test("I11 a turn that is moved to another conversation, tenant or id does not open", async () => {
  const { plain, sealed } = setup();
  await sealed.conversations.change(key, { changeId: "c", keep: 0, append: [turn] });
  const [stored] = await plain.conversations.turns(key);
  if (stored === undefined) throw new Error("expected one turn");
  expect(JSON.stringify(stored)).not.toContain("secret");
  const moved = [
    { to: { ...key, id: "other" }, as: stored },
    { to: { ...key, tenant: "acme.b" }, as: stored },
    { to: { ...key, id: "again" }, as: { ...stored, id: "t2" } },
  ];
  for (const { to, as } of moved) {
    await plain.conversations.change(to, { changeId: "m", keep: 0, append: [as] });
    await expect(sealed.conversations.turns(to)).rejects.toMatchObject({
      code: "PAYLOAD_KEY_MISSING",
      message: expect.stringContaining(to.id),
    });
  }
  expect(await sealed.conversations.turns(key)).toEqual([turn]);
});

test("what a run leaves, sums up and notes for its later hops is sealed", async () => {
  const { plain, sealed } = setup();
  const wanted = submission({ conversation: key.id });
  await sealed.submit(wanted);
  await begin(sealed, wanted.runId, "a");
  await end(sealed, wanted.runId, "a", handedOff({ conversationJson: '"secret"' }));
  const reply = await plain.begin({ runId: wanted.runId, wake: 1, token: "b", workerId: "w", leaseMs: 1_000, maxDeaths: 1 });
  expect(JSON.stringify(reply)).not.toContain("secret");
  expect(await begin(sealed, wanted.runId, "b", 1)).toMatchObject({ conversationJson: '"secret"' });
  const summary: ConversationTurn = { ...turn, id: "s", type: "summary" };
  await end(sealed, wanted.runId, "b", { ...completed, conversation: { ...key, turn, drop: 0, summary } });
  expect(JSON.stringify(await plain.conversations.turns(key))).not.toContain("secret");
  expect(await sealed.conversations.turns(key)).toEqual([summary, turn]);
});
