/** Promise: whatever goes wrong at a proxy or behind it, the run ends right, nothing that was done is lost or done again, and no key is told. */
import { inspect } from "node:util";
import { Agent, tool } from "@openai/agents";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { type RunEvent, toolPolicy } from "../../src/index.ts";
import type { FakeCall, FakeReply, Fault } from "../../src/testing/fake-provider.ts";
import { type InProcess, setupInProcess } from "../support/in-process-fleet.ts";
import { MASTER_KEY, UPSTREAM_KEY, useProxyBench } from "../support/litellm.ts";
import { keysHolding } from "../support/redis-contents.ts";
import { until } from "../support/redis-servers.ts";

const CLAUDE = "anthropic/claude-sonnet-4-6";
/** The proxy gives the provider a second. */
const HURRIED = "hurried/claude";
/** As litellm-keys.py knows it. */
const SPENT_KEY = "sk-broke";
const WRONG_KEY = "sk-a-key-that-nobody-knows";

const reply = ({ toolResults }: FakeCall): FakeReply =>
  toolResults.length === 0 ? { toolCalls: [{ name: "note", arguments: {} }] } : { text: "It is noted, and this is told in pieces." };

/** Four runs at once: by both doors, streamed and not. */
const WAYS = ["chat", "messages"].flatMap((api) =>
  [false, true].map((stream) => ({ api, stream, input: `by ${api}, streamed: ${stream}` })),
);

describe("a fleet behind a proxy in trouble", { tags: ["litellm", "redis", "processes", "slow"] }, () => {
  const bench = useProxyBench({
    models: ({ origin }) => ({
      [HURRIED]: { model: CLAUDE, api_key: UPSTREAM_KEY, api_base: origin, timeout: 1, stream_timeout: 1 },
    }),
    general: { custom_auth: "litellm-keys.authenticate", custom_auth_run_common_checks: true },
    files: ["litellm-keys.py"],
  });

  /** Each run notes something, meets the fault at its second call, once, and answers. */
  async function runAll(plan: {
    readonly fault?: (stream: boolean) => Fault;
    readonly model?: string;
    readonly key?: string;
    readonly meanwhile?: () => Promise<void>;
  }) {
    const { fake, proxy } = bench();
    fake.setReply(reply);
    const met = new Set<string>();
    fake.setFaults((call) => {
      if (plan.fault === undefined || call.toolResults.length === 0 || met.has(call.lastUserText)) return undefined;
      met.add(call.lastUserText);
      return plan.fault(call.stream);
    });
    const before = fake.calls.length;
    const effects: string[] = [];
    await using stack = new AsyncDisposableStack();
    const key = plan.key ?? MASTER_KEY;
    const runs = await Promise.all(
      WAYS.map(async ({ api, stream, input }) => {
        const local = stack.use(await setupInProcess(reply));
        const note = tool({ name: "note", description: "Notes", parameters: z.object({}), execute: () => String(effects.push(input)) });
        const clerk = new Agent({ name: "clerk", model: plan.model ?? CLAUDE, tools: [toolPolicy(note, { onCrash: "ask" })] });
        const env = { LITELLM_BASE_URL: `${proxy.url}/v1`, LITELLM_API_KEY: key, FLOTILLA_LITELLM_API: api };
        const fleet = local.fleet({ clerk: { agent: clerk, stream } }, { env });
        await fleet.worker(local.workerOptions);
        return { local, run: await fleet.submit("clerk", input) };
      }),
    );
    await plan.meanwhile?.();
    const ended = await Promise.all(
      runs.map(async ({ local, run }) => {
        const events: RunEvent[] = [];
        for await (const event of run.events()) if (event.type !== "text.delta" && event.type !== "turn.restarted") events.push(event);
        const result = await run.result();
        expect(told(local, [result, events, await run.status()])).not.toMatch(new RegExp(`${key}|${UPSTREAM_KEY}`));
        return { result, events };
      }),
    );
    const [first] = runs;
    if (first !== undefined) expect(await keysHolding(first.local.redis(), [key, UPSTREAM_KEY])).toEqual([]);
    return { ended, effects: effects.toSorted(), calls: fake.calls.slice(before) };
  }

  /** All that a person could see, whatever hides in errors. */
  const told = ({ log }: InProcess, seen: unknown): string =>
    inspect([log.records, seen], { depth: null, showHidden: true, maxStringLength: null });

  const inputs = WAYS.map(({ input }) => input).toSorted();
  const retriesIn = (events: readonly RunEvent[]) => events.flatMap((event) => (event.type === "run.retrying" ? [event.error.code] : []));

  const PASSING: readonly [string, (stream: boolean) => Fault, string?][] = [
    ["a provider that fails (500)", () => ({ status: 500, errorMessage: `Key ${UPSTREAM_KEY}` })],
    ["a provider that is overloaded (529)", () => ({ status: 529, errorMessage: `Key ${UPSTREAM_KEY}` })],
    ["an answer that is cut off", () => ({ cut: 9 })],
    ["a connection that is reset", () => ({ reset: true })],
    ["a stream that says it cannot go on", (stream) => (stream ? { finishReason: "failed" } : { status: 529 })],
    ["a provider that never answers", () => ({ hang: true }), HURRIED],
  ];

  test.each(PASSING)("F8: %s is tried again: the run ends well, with nothing done twice", async (_name, fault, model = CLAUDE) => {
    const { ended, effects, calls } = await runAll({ fault, model });
    for (const { result, events } of ended) {
      expect(result).toMatchObject({
        status: "completed",
        output: reply({ toolResults: [{}] } as unknown as FakeCall).text,
        usage: { requests: 2 },
      });
      expect(retriesIn(events)).toEqual(["MODEL_UNAVAILABLE"]);
    }
    expect(effects).toEqual(inputs);
    // Two calls of each run, and the one that failed.
    expect(calls).toHaveLength(WAYS.length * 3);
  });

  test("F6: a short rate limit (429) is waited out in the slot, and is no retry", async () => {
    const { ended, effects, calls } = await runAll({ fault: () => ({ status: 429, headers: { "retry-after": "1" } }) });
    for (const { result, events } of ended) {
      expect(result).toMatchObject({ status: "completed", usage: { requests: 2 } });
      expect(events.map(({ type }) => type).filter((type) => type === "run.retrying" || type === "run.suspended")).toEqual([]);
    }
    expect(effects).toEqual(inputs);
    expect(calls).toHaveLength(WAYS.length * 3);
  });

  test("F6: a long rate limit (429) holds no slot by the chat door; the messages door does not tell how long, and five seconds are waited", async () => {
    const { ended, effects, calls } = await runAll({ fault: () => ({ status: 429, headers: { "retry-after": "6" } }) });
    for (const [index, { result, events }] of ended.entries()) {
      expect(result).toMatchObject({ status: "completed", usage: { requests: 2 } });
      expect(retriesIn(events)).toEqual([]);
      const waits = events.flatMap((event) => (event.type === "run.suspended" ? [event] : []));
      expect(waits.map(({ suspension }) => suspension)).toEqual(WAYS[index]?.api === "chat" ? ["lane"] : []);
      for (const { atMs, untilMs = 0 } of waits) expect(untilMs - atMs).toBeGreaterThanOrEqual(5_900);
    }
    expect(effects).toEqual(inputs);
    expect(calls).toHaveLength(WAYS.length * 3);
  });

  test.each([
    ["the proxy rejects the key", "MODEL_KEY_REJECTED", { key: WRONG_KEY }, 0],
    ["the key's budget at the proxy is spent", "MODEL_QUOTA_SPENT", { key: SPENT_KEY }, 0],
    [
      "the provider rejects the proxy's key",
      "MODEL_KEY_REJECTED",
      { fault: () => ({ status: 401, errorMessage: `Bad key ${UPSTREAM_KEY}` }) },
      2,
    ],
    [
      "the provider's account has no credit",
      "MODEL_QUOTA_SPENT",
      { fault: () => ({ status: 400, errorMessage: "Your credit balance is too low to access the Anthropic API." }) },
      2,
    ],
    [
      "the provider refuses the call",
      "MODEL_CALL_FAILED",
      { fault: () => ({ status: 400, errorMessage: `messages.0: for ${UPSTREAM_KEY}` }) },
      2,
    ],
  ] as const)("F5, F8: where %s the run ends at once, with %s", async (_name, code, plan, callsOfEach) => {
    const { ended, calls } = await runAll(plan);
    for (const { result, events } of ended) {
      expect(result).toMatchObject({ status: "failed", error: { code } });
      expect(retriesIn(events)).toEqual([]);
    }
    expect(calls).toHaveLength(WAYS.length * callsOfEach);
  });

  test("F4, F8: a proxy that is killed in the middle of its calls is waited for, and what was done before is not done again", async () => {
    const { fake, proxy } = bench();
    const secondCalls = (): number => fake.calls.filter(({ body }) => JSON.stringify(body).includes("tool_result")).length;
    const before = secondCalls();
    const { ended, effects, calls } = await runAll({
      fault: () => ({ hang: true }),
      meanwhile: async () => {
        await until("all runs wait for the provider", 20_000, async () => secondCalls() === before + WAYS.length);
        await proxy.kill();
        await proxy.restart();
      },
    });
    for (const { result, events } of ended) {
      expect(result).toMatchObject({ status: "completed", usage: { requests: 2 } });
      expect(new Set(retriesIn(events))).toEqual(new Set(["MODEL_UNAVAILABLE"]));
    }
    expect(effects).toEqual(inputs);
    // The hanging calls are made again; what a proxy that is away would have been asked, nobody was.
    expect(calls).toHaveLength(WAYS.length * 3);
  });
});
