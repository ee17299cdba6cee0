/** I11: a producer that was made for one tenant reaches no other's runs or conversations unless that one is named. */
import { Agent, type AgentInputItem } from "@openai/agents";
import { expect, test } from "vitest";
import { NO_KEYS, payloadCodec } from "../../../src/codec/payload-codec.ts";
import { createSealedRunStore } from "../../../src/codec/sealed-run-store.ts";
import { createFleet, createSession } from "../../../src/index.ts";
import { createRunProducer } from "../../../src/producers/run-producer.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";
import { submission } from "../../support/run-store-fixture.ts";
import { newKey } from "../../support/sealed-store.ts";

const INVALID = { code: "INPUT_INVALID" };

function setup() {
  const made = createFleet({ agents: { a: new Agent({ name: "a", model: "m" }) } });
  const fleet = testFleet(made, {
    models: {
      m: { getResponse: () => Promise.reject(Object.assign(new Error("no"), { status: 401 })), getStreamedResponse: () => fail() },
    },
  });
  const { store, live, clock } = fleet;
  const queue = { add: async () => undefined, remove: async () => undefined, close: async () => undefined };
  const bound = createRunProducer({ store, live, queue, clock, agents: made.catalog, defaults: { tenant: "acme" } });
  return { fleet, store, bound };
}
const fail = (): never => {
  throw Object.assign(new Error("no"), { status: 401 });
};

test("I11: cancelling many, failures and their retries stay with the producer's tenant", async () => {
  const { fleet, bound } = setup();
  const [own, other] = [await fleet.submit("a", "go", { tenant: "acme" }), await fleet.submit("a", "go", { tenant: "other" })];
  await fleet.settle();
  expect((await bound.list({ limit: 9 })).map(({ runId }) => runId)).toEqual([own.id]);
  expect(await bound.failures()).toMatchObject([{ count: 1, newest: own.id }]);
  expect(await bound.failures({ tenant: "other" })).toMatchObject([{ count: 1, newest: other.id }]);
  const answers = [];
  for await (const answer of bound.retryMany({ code: "MODEL_KEY_REJECTED" })) answers.push(answer);
  expect(answers).toEqual([{ runId: own.id, continuedAs: expect.stringContaining("r0-") }]);
  const waiting = await fleet.submit("a", "go", { tenant: "other" });
  expect(await bound.countCancellable({ agent: "a" })).toBe(1);
  expect(await bound.cancelMany({ agent: "a" })).toMatchObject({ cancelled: 1 });
  expect((await waiting.status()).status).toBe("queued");
  await expect(bound.cancelMany({})).rejects.toMatchObject(INVALID);
  await expect(bound.countCancellable({})).rejects.toMatchObject(INVALID);
});

test("I11: a session speaks in the conversation of the producer's tenant", async () => {
  const { bound, store } = setup();
  const item: AgentInputItem = { type: "message", role: "user", content: "hello" };
  await createSession({ producer: { ...bound, store }, conversation: "talk" }).addItems([item]);
  expect(await bound.conversations.items("talk")).toEqual([item]);
  expect(await store.conversations.get({ tenant: "default", id: "talk" })).toBeUndefined();
});

test("I11: a decision is the producer's tenant's own, unless it names another", async () => {
  const { fleet, bound } = setup();
  const other = await fleet.submit("a", "go", { tenant: "other" });
  await expect(bound.run(other.id).approve("call")).rejects.toMatchObject({ code: "RUN_UNKNOWN" });
  await expect(bound.run(other.id).reject("call")).rejects.toMatchObject({ code: "RUN_UNKNOWN" });
  await expect(bound.run(other.id).approve("call", { tenant: "other" })).rejects.toMatchObject({ code: "DECISION_NOT_OPEN" });
});

type Handle = ReturnType<ReturnType<typeof setup>["bound"]["run"]>;

const first = async (values: AsyncIterable<unknown>): Promise<unknown> => (await values[Symbol.asyncIterator]().next()).value;

test.each<[string, (run: Handle) => Promise<unknown>]>([
  ["status", (run) => run.status()],
  ["events", (run) => first(run.events())],
  ["text", (run) => first(run.text())],
  ["result", (run) => run.result()],
  ["output", (run) => run.output()],
  ["cancel", (run) => run.cancel()],
  ["pause", (run) => run.pause({ by: "anna" })],
  ["resume", (run) => run.resume()],
  ["resolve", (run) => run.resolve(undefined, { type: "fail" })],
  ["retry", (run) => run.retry()],
  ["replay", (run) => run.replay()],
  ["fork", (run) => run.fork({ turn: 1 })],
])("I11: %s of a run is its tenant's own, unless another is named with the run's id", async (_method, ask) => {
  const { fleet, bound } = setup();
  const other = await fleet.submit("a", "go", { tenant: "other" });
  const before = await other.status();
  const unknown = expect.objectContaining({ code: "RUN_UNKNOWN" }) as unknown;
  await expect(ask(bound.run(other.id))).rejects.toEqual(unknown);
  expect(await other.status()).toEqual(before);
  await fleet.settle();
  // Whatever it answers where the run is meant, it is not that there is none.
  const meant = await ask(bound.run(other.id, { tenant: "other" })).catch((error: unknown) => error);
  expect(meant).not.toEqual(unknown);
});

test("I11: a run is deleted by its own tenant", async () => {
  const { fleet, bound } = setup();
  const other = await fleet.submit("a", "go", { tenant: "other" });
  await fleet.settle();
  await expect(bound.remove(other.id)).rejects.toMatchObject({ code: "RUN_UNKNOWN" });
  await bound.remove(other.id, { tenant: "other" });
  await expect(other.status()).rejects.toMatchObject({ code: "RUN_UNKNOWN" });
});

test("I11: the handle of a run that was submitted for another tenant reaches it", async () => {
  const { fleet, bound } = setup();
  const run = await bound.submit("a", "go", { tenant: "other" });
  expect(await run.status()).toMatchObject({ tenant: "other" });
  await fleet.settle();
  expect(await (await run.retry()).status()).toMatchObject({ tenant: "other" });
});

test("I11: what a second chance of another tenant's run made is reached by its handle, one by one and in bulk", async () => {
  const { fleet, bound } = setup();
  const [one, many] = [await fleet.submit("a", "go", { tenant: "other" }), await fleet.submit("a", "go", { tenant: "other" })];
  await fleet.settle();
  expect(await (await bound.run(one.id).retry({ tenant: "other" })).status()).toMatchObject({ tenant: "other" });
  const answers = [];
  for await (const answer of bound.retryMany({ code: "MODEL_KEY_REJECTED", tenant: "other" })) answers.push(answer);
  expect(answers).toEqual([{ runId: many.id, continuedAs: expect.stringContaining("r0-") as unknown }]);
});

test("I11: whose run it is can be told without the keys that open it: it is cancelled and deleted", async () => {
  const { fleet, store } = setup();
  const sealed = createSealedRunStore(store, payloadCodec({ keys: { k1: newKey() }, current: "k1" }));
  const run = submission({ tenant: "acme" });
  await sealed.submit(run);
  const keyless = createSealedRunStore(store, NO_KEYS);
  await expect(keyless.get(run.runId)).rejects.toMatchObject({ code: "PAYLOAD_KEY_MISSING" });
  const queue = { add: async () => undefined, remove: async () => undefined, close: async () => undefined };
  const { live, clock } = fleet;
  const bound = createRunProducer({ store: keyless, live, queue, clock, defaults: { tenant: "acme" } });
  expect(await bound.run(run.runId).cancel()).toEqual({ status: "cancelled" });
  await bound.remove(run.runId);
  expect(await store.tenantOf(run.runId)).toBeUndefined();
});
