import { describe, expect, test } from "vitest";
import { NO_KEYS, payloadCodec } from "../../../src/codec/payload-codec.ts";
import { createSealedLiveText } from "../../../src/codec/sealed-live-text.ts";
import { createSealedRunStore } from "../../../src/codec/sealed-run-store.ts";
import { createMemoryLiveText } from "../../../src/testing/memory-live-text.ts";
import {
  approval,
  begin,
  beginOf,
  completed,
  effectUnknown,
  end,
  fact,
  intent,
  newRunId,
  running,
  submission,
} from "../../support/run-store-fixture.ts";
import { openMemoryStore } from "../../support/memory-store.ts";
import { runStoreSuite } from "../../support/run-store-suite.ts";
import { newKey, sealedStore } from "../../support/sealed-store.ts";

runStoreSuite("memory run store, sealed", async (options) => sealedStore(openMemoryStore(options)));
runStoreSuite("memory run store, without keys", async (options) => sealedStore(openMemoryStore(options), NO_KEYS));

const [k1, k2] = [newKey(), newKey()];
const old = payloadCodec({ keys: { k1 }, current: "k1" });
const rotated = payloadCodec({ keys: { k1, k2 }, current: "k2" });
const onlyNew = payloadCodec({ keys: { k2 }, current: "k2" });

describe("a fleet that begins to seal", () => {
  test("reads what it had before, and goes on sealed", async () => {
    const { store } = openMemoryStore();
    const runId = await running(store, "a", { idempotencyKey: "k" });
    await store.record(fact(runId));
    const sealed = createSealedRunStore(store, old);
    expect(await sealed.journal(runId, 0)).toEqual(new Map([["m:0", '{"v":1}']]));
    await end(sealed, runId, "a", { type: "completed", output: "secret", itemsJson: "[1]" });
    expect(await sealed.items(runId)).toEqual([submission().itemsJson, "[1]"]);
    expect(await sealed.output(runId)).toBe("secret");
    expect(JSON.stringify([await store.items(runId), await store.output(runId), await store.events(runId, "0-0", 100)])).not.toContain(
      "secret",
    );
    expect(await sealed.submit(submission({ idempotencyKey: "k" }))).toEqual({ status: "duplicate", runId });
  });

  test("with requireSealed refuses what is not", async () => {
    const { store } = openMemoryStore();
    const { runId } = submission();
    await store.submit(submission({ runId }));
    const strict = createSealedRunStore(store, payloadCodec({ keys: { k1 }, current: "k1", requireSealed: true }));
    await expect(strict.begin(beginOf(runId, "a", 0))).rejects.toMatchObject({ code: "PAYLOAD_NOT_SEALED" });
    await expect(strict.get(runId)).rejects.toMatchObject({ code: "PAYLOAD_NOT_SEALED" });
  });
});

describe("keys", () => {
  test("a run that began under the old key goes on under the new one, and the same input finds it", async () => {
    const { store } = openMemoryStore();
    const wanted = submission({ idempotencyKey: "k" });
    await createSealedRunStore(store, old).submit(wanted);
    const now = createSealedRunStore(store, rotated);
    expect(await begin(now, wanted.runId, "a")).toMatchObject({ contextJson: wanted.contextJson });
    const again = { ...wanted, runId: newRunId() };
    expect(await now.submit(again)).toEqual({ status: "duplicate", runId: wanted.runId });
    expect(await now.submitMany([again, { ...again, inputHash: "other" }])).toEqual([
      { status: "duplicate", runId: wanted.runId },
      { status: "conflict", runId: wanted.runId },
    ]);
    // Without the old key nobody can tell that it is the same input.
    expect(
      await createSealedRunStore(store, payloadCodec({ keys: { k2 }, current: "k2", requireSealed: true })).submit(again),
    ).toMatchObject({
      status: "conflict",
    });
  });

  test.each([
    ["with other keys", onlyNew],
    ["without keys", NO_KEYS],
  ])("a process %s is told which key it lacks; an overview shows the run all the same", async (_name, codec) => {
    const { store } = openMemoryStore();
    const runId = await running(createSealedRunStore(store, old));
    await createSealedRunStore(store, old).record(fact(runId));
    await end(createSealedRunStore(store, old), runId, "a", completed);
    const blind = createSealedRunStore(store, codec);
    const lacks = { code: "PAYLOAD_KEY_MISSING", message: expect.stringContaining("key k1") };
    await expect(blind.get(runId)).rejects.toMatchObject(lacks);
    await expect(blind.output(runId)).rejects.toMatchObject(lacks);
    await expect(blind.items(runId)).rejects.toMatchObject(lacks);
    await expect(blind.journal(runId, 0)).rejects.toMatchObject(lacks);
    await expect(blind.events(runId, "0-0", 100)).rejects.toMatchObject(lacks);
    expect(await blind.list({ limit: 10 })).toMatchObject([{ runId, status: "completed" }]);
    expect(await blind.remove(runId)).toMatchObject({ status: "removed" });
  });
});

describe("values in their places", () => {
  test("a journal entry that was moved to another key or run does not open", async () => {
    const { store } = openMemoryStore();
    const sealed = createSealedRunStore(store, old);
    const [first, second] = [await running(sealed), await running(sealed)];
    await sealed.record(fact(first, { key: "t:c1" }));
    const stolen = (await store.journal(first, 0)).get("t:c1") ?? "";
    await store.record(fact(first, { key: "t:c2", valueJson: stolen }));
    await store.record(fact(second, { key: "t:c1", valueJson: stolen }));
    await expect(sealed.journal(first, 0)).rejects.toMatchObject({ code: "PAYLOAD_KEY_MISSING" });
    await expect(sealed.journal(second, 0)).rejects.toMatchObject({ code: "PAYLOAD_KEY_MISSING" });
  });

  test("what a person answered for a call is sealed, and the replay reads it as the tool's result", async () => {
    const { store } = openMemoryStore();
    const sealed = createSealedRunStore(store, rotated);
    const runId = await running(sealed);
    await sealed.openIntent(runId, "a", intent("c1"));
    await end(sealed, runId, "a", effectUnknown);
    await sealed.resolve(runId, "c1", { type: "ran", resultJson: '{"secret":[1]}' }, 1_000);
    expect((await store.journal(runId, 0)).get("t:c1")).not.toContain("secret");
    expect((await sealed.journal(runId, 0)).get("t:c1")).toBe('{"v":1,"output":{"secret":[1]}}');
    // A late result of the lost attempt is answered with what the person said.
    const late = await sealed.record(fact(runId, { key: "t:c1", valueJson: '{"v":1,"output":"late"}' }));
    expect(late).toMatchObject({ valueJson: '{"v":1,"output":{"secret":[1]}}' });
  });

  test("arguments, messages and answers are sealed below and whole above", async () => {
    const { store } = openMemoryStore();
    const sealed = createSealedRunStore(store, rotated);
    const runId = await running(sealed);
    await sealed.openIntent(runId, "a", { ...intent("c1"), arguments: "secret-1" });
    await end(sealed, runId, "a", {
      type: "suspended",
      suspension: "approval",
      approvals: [{ ...approval("c2"), arguments: "secret-2" }],
      error: { code: "X", message: "secret-3", answer: "secret-4" },
    });
    const whole = await sealed.get(runId);
    expect(whole).toMatchObject({
      openIntents: [{ arguments: "secret-1" }],
      approvals: [{ arguments: "secret-2" }],
      error: { code: "X", message: "secret-3", answer: "secret-4" },
    });
    await sealed.decide(runId, "c2", { id: "d1", decision: { approve: false, by: "secret-6", reason: "secret-5", arguments: "secret-7" } });
    const { decisions } = await begin(sealed, runId, "b", 1);
    expect(decisions.get("c2")).toMatchObject({ approve: false, by: "secret-6", reason: "secret-5", arguments: "secret-7" });
    await end(sealed, runId, "b", {
      type: "suspended",
      suspension: "approval",
      approvals: [{ ...approval("c2"), parametersJson: "secret-8" }],
      refusals: [{ callId: "c2", why: "secret-9" }],
    });
    expect(await sealed.get(runId)).toMatchObject({
      approvals: [{ parametersJson: "secret-8" }],
      decisions: [{ by: "secret-6", reason: "secret-5", arguments: "secret-7", refused: { why: "secret-9" } }],
    });
    const decisionsBelow = (await store.get(runId))?.decisions ?? [];
    const below = JSON.stringify([await store.get(runId), await store.events(runId, "0-0", 100), [...decisionsBelow]]);
    expect(below).not.toContain("secret");
    expect(await sealed.events(runId, "0-0", 100)).toMatchObject(
      expect.arrayContaining([
        expect.objectContaining({ event: expect.objectContaining({ error: { code: "X", message: "secret-3", answer: "secret-4" } }) }),
        expect.objectContaining({
          event: expect.objectContaining({ type: "approval.decided", by: "secret-6", reason: "secret-5", arguments: "secret-7" }),
        }),
        expect.objectContaining({ event: expect.objectContaining({ type: "approval.refused", by: "secret-6", why: "secret-9" }) }),
      ]),
    );
  });
});

test("why a run, an agent or a tenant is paused is sealed below and whole above, in the run, its events and the list of pauses", async () => {
  const { store } = openMemoryStore();
  const sealed = createSealedRunStore(store, rotated);
  const [own, parked] = [submission(), submission()];
  for (const wanted of [own, parked]) await sealed.submit(wanted);
  await sealed.pause(own.runId, { by: "ann", reason: "secret-1" });
  await sealed.pauseScope({ tenant: "acme" }, { by: "ann", reason: "secret-2" });
  await sealed.begin(beginOf(parked.runId, "a", 0));
  expect(await sealed.get(own.runId)).toMatchObject({ pause: { reason: "secret-1" } });
  expect(await sealed.get(parked.runId)).toMatchObject({ pause: { reason: "secret-2" } });
  expect(await sealed.pauses()).toMatchObject([{ pause: { reason: "secret-2" } }]);
  expect(await sealed.pause(own.runId, { by: "bob" })).toMatchObject({ pause: { reason: "secret-1" } });
  expect(await sealed.pauseScope({ tenant: "acme" }, { by: "bob" })).toMatchObject({ pause: { reason: "secret-2" } });
  expect(await sealed.resume(parked.runId)).toMatchObject({ status: "held", pause: { reason: "secret-2" } });
  expect(JSON.stringify(await sealed.events(parked.runId, "0-0", 100))).toContain("secret-2");
  const below = await Promise.all([own.runId, parked.runId].map(async (id) => [await store.get(id), await store.events(id, "0-0", 100)]));
  expect(JSON.stringify([below, await store.pauses()])).not.toContain("secret");
});

test("live text is read from any offset, whole chunks or not, before and after sealing began", async () => {
  const plain = createMemoryLiveText();
  const live = createSealedLiveText(plain, old);
  await plain.append("r", 1, 1, { offset: 0, text: "before " });
  for (const [offset, text] of [
    [7, "hello"],
    [12, ", "],
    [14, "world"],
  ] as const)
    await live.append("r", 1, 1, { offset, text });
  expect(JSON.stringify(await plain.read("r", 1, 1, 7))).not.toContain("world");
  const whole = "before hello, world";
  for (let from = 0; from <= whole.length; from += 1) {
    const chunks = await live.read("r", 1, 1, from);
    expect(chunks.map(({ text }) => text).join("")).toBe(whole.slice(from));
    expect(chunks[0]?.offset ?? from).toBe(from);
  }
});

test("every part of the port was thought about: what carries a user's values is sealed, the rest passes", () => {
  const { store } = openMemoryStore();
  const sealed = createSealedRunStore(store, old);
  const changed = [
    "submit",
    "submitMany",
    "begin",
    "journal",
    "record",
    "openIntent",
    "end",
    "resolve",
    "decide",
    "pause",
    "resume",
    "pauseScope",
    "pauses",
    "get",
    "output",
    "items",
    "list",
    "events",
    "conversations",
    "recordings",
    "snapshot",
  ];
  const passed = [
    "renew",
    "cancel",
    "resumeScope",
    "unpark",
    "announced",
    "watch",
    "watchStops",
    "due",
    "look",
    "failures",
    "tenantOf",
    "takeBack",
    "totals",
    "remove",
    "forgetIdempotencyKeys",
    "forgetTotals",
    "sweep",
    "announce",
    "withdraw",
    "workers",
    "agents",
    "close",
    "notify",
  ];
  expect(Object.keys(sealed).toSorted()).toEqual([...changed, ...passed].toSorted());
});
