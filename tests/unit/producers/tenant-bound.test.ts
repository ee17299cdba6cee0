/** I11: a producer that was made for one tenant reaches no other's runs or conversations unless that one is named. */
import { Agent, type AgentInputItem } from "@openai/agents";
import { expect, test } from "vitest";
import { createFleet, createSession } from "../../../src/index.ts";
import { createRunProducer } from "../../../src/producers/run-producer.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";

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
