/** A worker may be killed at any instant: nothing is lost, no finished model call is paid twice, no effect is silently repeated. */
import { expect, test } from "vitest";
import { createGate, setup, usualReply } from "../support/process-bundle.ts";

/** The first call of a model waits at the gate. */
async function setupHeldAt(model: string) {
  const gate = createGate();
  let held = false;
  const bundle = await setup(async (call) => {
    if (call.model === model && !held) {
      held = true;
      await gate.wait();
    }
    return usualReply(call);
  });
  return { gate, bundle };
}

test("I1 I3 I4: a run whose worker is SIGKILLed in a model call is finished by another worker", { tags: ["processes"] }, async () => {
  const { gate, bundle } = await setupHeldAt("closer-model");
  await using _ = bundle;
  const first = await bundle.worker();
  const run = await bundle.producer.submit("opener", "hello");
  await gate.reached;
  await first.kill("SIGKILL");
  gate.open();
  await bundle.worker();
  const result = await run.result();
  expect(result).toMatchObject({ status: "completed", agent: "closer" });
  const info = await run.status();
  expect(info.deaths).toBe(0);
  expect(info.attempts).toBe(3);
  // Four turns, and the one call that was in flight at the kill is the only one made twice.
  expect(info.turns).toBe(4);
  expect(bundle.provider.calls).toHaveLength(5);
  expect(bundle.effects()).toHaveLength(2);
  expect(new Set(bundle.effects()).size).toBe(2);
});

test("I8: followers see every turn once, and no text twice, across a SIGKILL in the middle of a streamed answer", {
  tags: ["processes"],
}, async () => {
  await using bundle = await setup(async (call) => {
    const reply = usualReply(call);
    return reply.text === undefined ? reply : { ...reply, chunk: 8, chunkDelayMs: 40 };
  });
  await using worker = await bundle.worker();
  const run = await bundle.producer.submit("opener", "hello");
  const texts = new Map<number, string>();
  let restarts = 0;
  let killed = false;
  const turns: number[] = [];
  for await (const event of run.events()) {
    if (event.type === "turn.restarted") {
      restarts += 1;
      texts.set(event.turn, "");
    }
    if (event.type === "text.delta") {
      texts.set(event.turn, (texts.get(event.turn) ?? "") + event.text);
      if (!killed) {
        killed = true;
        await worker.kill("SIGKILL");
        await bundle.worker();
      }
    }
    if (event.type === "turn.completed") {
      turns.push(event.turn);
      expect(texts.get(event.turn) ?? "").toBe(event.text);
    }
  }
  expect(turns).toEqual([1, 2, 3, 4]);
  expect(restarts).toBeLessThanOrEqual(1);
  expect(await run.result()).toMatchObject({ status: "completed" });
});

test("shutdown: SIGTERM finishes the model call that is in flight and releases the run unharmed", { tags: ["processes"] }, async () => {
  const { gate, bundle } = await setupHeldAt("opener-model");
  await using _ = bundle;
  const first = await bundle.worker();
  const run = await bundle.producer.submit("opener", "hello");
  await gate.reached;
  const ended = first.kill("SIGTERM");
  gate.open();
  expect(await ended).toBe(0);
  expect((await run.status()).status).toBe("queued");
  await bundle.worker();
  expect(await run.result()).toMatchObject({ status: "completed" });
  expect(bundle.provider.calls).toHaveLength(4);
  expect(await run.status()).toMatchObject({ deaths: 0, retries: 0 });
});
