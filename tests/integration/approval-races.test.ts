/** Tool calls that wait for a person, on a real Redis, where several workers and people are at it at once or one of them dies in between. */
import { expect, test } from "vitest";
import { createProducer, type RunHandle } from "../../src/producer.ts";
import type { FakeCall, FakeReply } from "../../src/testing/fake-provider.ts";
import type { fleet } from "../support/fleets/approval-fleet.ts";
import { createGate, setup } from "../support/process-bundle.ts";
import { APPROVAL_FLEET } from "../support/processes.ts";

const asks = (name: string, args: Record<string, unknown> = {}): FakeReply => ({ toolCalls: [{ name, arguments: args }] });

/** `script`: what each model answers, in its order. */
async function setupApprovals(
  script: Readonly<Record<string, readonly FakeReply[]>>,
  before?: (call: FakeCall) => Promise<void> | undefined,
) {
  const made: Record<string, number> = {};
  const bundle = await setup(async (call) => {
    const nth = made[call.model] ?? 0;
    made[call.model] = nth + 1;
    await before?.(call);
    return script[call.model]?.[nth] ?? { text: `done by ${call.model}` };
  });
  const producer = createProducer<typeof fleet>({ redis: bundle.env.REDIS_URL, prefix: bundle.prefix });
  return {
    producer,
    made,
    worker: () => bundle.worker({ fleet: APPROVAL_FLEET }),
    written: (word: string): string[] => bundle.effects().filter((line) => line.startsWith(`${word} `)),
    async [Symbol.asyncDispose]() {
      await producer.close();
      await bundle[Symbol.asyncDispose]();
    },
  };
}

/** Resolves with the calls that wait, when the run has been suspended for the n-th time. */
async function waiting(run: Pick<RunHandle, "events">, nth = 1): Promise<string[]> {
  let seen = 0;
  for await (const event of run.events()) {
    if (event.type !== "run.suspended") continue;
    seen += 1;
    if (seen === nth) return (event.approvals ?? []).map(({ callId }) => callId);
  }
  return [];
}

test("I5: a worker that is SIGKILLed behind an approved effect leaves the decision applied once, and the effect once", {
  tags: ["processes"],
}, async () => {
  const gate = createGate();
  let calls = 0;
  await using bundle = await setupApprovals({ "desk-model": [asks("refund", { amount: 500 })] }, () => {
    calls += 1;
    return calls === 2 ? gate.wait() : undefined;
  });
  const first = await bundle.worker();
  const run = await bundle.producer.submit("desk", "go");
  const [callId = ""] = await waiting(run);
  await run.approve(callId, { by: "ann" });
  await gate.reached;
  await first.kill("SIGKILL");
  gate.open();
  await bundle.worker();
  expect(await run.result()).toMatchObject({ status: "completed" });
  expect(bundle.written("refund")).toHaveLength(1);
  const events = (await bundle.producer.store.events(run.id, "0-0", 1_000)).map(({ event }) => event);
  expect(events.filter(({ type }) => type === "approval.decided")).toHaveLength(1);
});

test("of many people who decide at once one does; several calls of one answer are announced and decided one by one; two workers run the rest once", {
  tags: ["processes"],
}, async () => {
  const three = [1, 2, 3].map((amount) => ({ name: "refund", arguments: { amount } }));
  await using bundle = await setupApprovals({ "desk-model": [{ toolCalls: three }] });
  await Promise.all([bundle.worker(), bundle.worker()]);
  const run = await bundle.producer.submit("desk", "go");
  const [one = "", two = "", last = ""] = await waiting(run);
  // At least once each.
  await expect
    .poll(() => new Set(bundle.written("asked")))
    .toEqual(new Set([one, two, last].map((callId) => `asked for refund ${callId}`)));
  await run.reject(one, { reason: "not this one" });
  expect((await run.status()).approvals.map(({ callId }) => callId)).toEqual([two, last]);
  await run.approve(two);
  const at = (n: number) => bundle.producer.run(run.id).approve(last, { by: `person ${n}` });
  const said = await Promise.allSettled(Array.from({ length: 10 }, (_, n) => at(n)));
  expect(said.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  for (const answer of said) {
    if (answer.status === "rejected") expect(answer.reason).toMatchObject({ code: "DECISION_NOT_OPEN" });
  }
  expect(await run.result()).toMatchObject({ status: "completed" });
  expect(bundle.written("refund").toSorted()).toEqual(["refund 2", "refund 3"]);
  expect(bundle.made).toEqual({ "desk-model": 2 });
  await expect(run.approve(last)).rejects.toMatchObject({ code: "DECISION_NOT_OPEN" });
});

test("what is approved for always stands behind a handoff, on a worker that was not there when it was said", {
  tags: ["processes"],
}, async () => {
  await using bundle = await setupApprovals({
    "desk-model": [asks("refund", { amount: 1 }), asks("transfer_to_back")],
    "back-model": [asks("refund", { amount: 2 })],
  });
  const first = await bundle.worker();
  const run = await bundle.producer.submit("desk", "go");
  const [callId = ""] = await waiting(run);
  await first.kill("SIGTERM");
  await run.approve(callId, { by: "ann", always: true });
  await bundle.worker();
  expect(await run.result()).toMatchObject({ status: "completed", agent: "back" });
  expect(bundle.written("refund")).toEqual(["refund 1", "refund 2"]);
  expect(bundle.made).toEqual({ "desk-model": 2, "back-model": 2 });
  const events = (await bundle.producer.store.events(run.id, "0-0", 1_000)).map(({ event }) => event);
  expect(events.filter(({ type }) => type === "approval.decided")).toMatchObject([
    { callId, by: "ann", always: true, agent: "desk" },
    { standing: callId, by: "ann", agent: "back" },
  ]);
});

test("nobody decides in time: a worker tells the model so, apart from a rejection", {
  tags: ["processes"],
}, async () => {
  await using bundle = await setupApprovals({ "desk-model": [asks("hurried", { amount: 5 })] });
  await bundle.worker();
  const run = await bundle.producer.submit("desk", "go");
  const [callId = ""] = await waiting(run);
  expect(await run.result()).toMatchObject({ status: "completed" });
  expect(bundle.written("refund")).toEqual([]);
  expect((await run.status()).decisions).toMatchObject([{ callId, approve: false, timedOut: true }]);
  expect((await bundle.producer.store.items(run.id)).join("")).toContain("Nobody decided on this call in time");
  await expect(run.approve(callId)).rejects.toMatchObject({ message: expect.stringContaining("Nobody decided on call") });
});
