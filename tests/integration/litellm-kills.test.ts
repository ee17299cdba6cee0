/** Promise: a worker may be killed over each of the doors; what a model answered is not asked again, and its thinking is still there. */
import { describe, expect, test } from "vitest";
import { createProducer } from "../../src/producer.ts";
import type { FakeCall } from "../../src/testing/fake-provider.ts";
import { ANSWER, CALLS, DOOR_NAMES, DOORS, type DoorName, doorScript } from "../support/doors.ts";
import type { fleet } from "../support/fleets/doors-fleet.ts";
import { MASTER_KEY, useProxyBench } from "../support/litellm.ts";
import { createGate, setup } from "../support/process-bundle.ts";
import { DOORS_FLEET } from "../support/processes.ts";
import { breachesOf } from "../support/upstream-rules.ts";

const isExpert = ({ instructions }: FakeCall): boolean => instructions.startsWith("Expert");
const isLast = ({ instructions, toolResults }: FakeCall): boolean =>
  instructions.startsWith("Specialist") && toolResults.some(({ name }) => name === "ask_expert");

/**
 * Sealed thoughts in the last request, which another process had journaled: OpenAI takes those of the hop, Anthropic all four, and Chat
 * Completions has no place for them.
 */
const THOUGHTS: Readonly<Record<DoorName, number>> = { responses: 2, chat: 0, anthropic: 4, "litellm chat": 0, "litellm messages": 4 };

describe("a worker that is killed", { tags: ["litellm", "redis", "processes", "slow"] }, () => {
  const bench = useProxyBench();

  async function open(name: DoorName) {
    const { fake, proxy } = bench();
    const { model, env } = DOORS[name]({ fake, proxyUrl: proxy.url, proxyKey: MASTER_KEY });
    const bundle = await setup();
    const producer = createProducer<typeof fleet>({ redis: bundle.env.REDIS_URL, prefix: bundle.prefix });
    const before = fake.calls.length;
    return {
      producer,
      effects: () => bundle.effects().map((line) => line.slice(0, line.lastIndexOf(" "))),
      calls: () => fake.calls.slice(before),
      worker: () => bundle.worker({ fleet: DOORS_FLEET, env: { DOOR_MODEL: model, ...env } }),
      async [Symbol.asyncDispose]() {
        await producer.close();
        await bundle[Symbol.asyncDispose]();
      },
    };
  }

  test.each(DOOR_NAMES)(
    "F4: by %s, in a nested agent's call and in the middle of a streamed answer, it loses and repeats nothing",
    async (name) => {
      const gate = createGate();
      // The first of each is held, for as long as it takes to be killed.
      const held = new Set<string>();
      const isFirst = (what: string): boolean => !held.has(what) && held.add(what).has(what);
      bench().fake.setReply(async (call) => {
        if (isExpert(call) && isFirst("nested")) await gate.wait();
        return isLast(call) && isFirst("streamed") ? { ...doorScript(call), chunk: 4, chunkDelayMs: 300 } : doorScript(call);
      });
      await using local = await open(name);
      const worker = await local.worker();
      const nested = await local.producer.submit("triage", "Where is my parcel?");
      await gate.reached;
      const streamed = await local.producer.submit("triage", "And mine?");
      for await (const event of streamed.events()) if (event.type === "text.delta" && event.turn === CALLS - 1) break;
      await worker.kill("SIGKILL");
      gate.open();
      await local.worker();
      for (const run of [nested, streamed]) {
        expect(await run.result()).toMatchObject({ status: "completed", output: ANSWER, usage: { requests: CALLS } });
      }
      const calls = local.calls();
      // The two calls in flight, and no others, are made again.
      expect(calls).toHaveLength(2 * (CALLS + 1));
      expect(local.effects().toSorted()).toEqual(["customer", "customer", "order.of it", "order.of it", "topic", "topic"]);
      expect(breachesOf(calls)).toEqual([]);
      const lasts = calls.map(({ body }) => JSON.stringify(body)).filter((body) => body.includes("the pass is closed"));
      const thoughts = lasts.map((body) => (body.match(/"signature":"sig_|"id":"rs_/g) ?? []).length);
      expect(thoughts).toEqual(Array.from({ length: 3 }, () => THOUGHTS[name]));
    },
  );
});
