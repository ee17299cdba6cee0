/** Promise: whatever goes wrong at a provider, at a proxy or behind it, the run ends right, nothing that was done is lost or done again, and no key is told. */
import { inspect } from "node:util";
import { Agent, tool } from "@openai/agents";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { type RunEvent, toolPolicy } from "../../src/index.ts";
import type { FakeCall, FakeReply, Fault } from "../../src/testing/fake-provider.ts";
import { DOOR_NAMES, DOORS, type DoorName, PROVIDER_KEY } from "../support/doors.ts";
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

const PROXIED: readonly DoorName[] = ["litellm chat", "litellm messages"];

describe("a fleet whose models are in trouble", { tags: ["litellm", "redis", "processes", "slow"] }, () => {
  const bench = useProxyBench({
    models: ({ origin }) => ({
      [HURRIED]: { model: CLAUDE, api_key: UPSTREAM_KEY, api_base: origin, timeout: 1, stream_timeout: 1 },
    }),
    general: { custom_auth: "litellm-keys.authenticate", custom_auth_run_common_checks: true },
    files: ["litellm-keys.py"],
  });

  /** Each run notes something, meets the fault at its second call, once, and answers. */
  async function runAll(plan: {
    readonly doors?: readonly DoorName[];
    readonly fault?: (call: FakeCall) => Fault;
    readonly model?: string | undefined;
    readonly timeoutMs?: number | undefined;
    /** The proxy's. */
    readonly key?: string;
    readonly meanwhile?: () => Promise<void>;
  }) {
    const { fake, proxy } = bench();
    const { doors = DOOR_NAMES, key = MASTER_KEY } = plan;
    const keys = [key, UPSTREAM_KEY, PROVIDER_KEY];
    fake.setReply(reply);
    const met = new Set<string>();
    fake.setFaults((call) => {
      if (plan.fault === undefined || call.toolResults.length === 0 || met.has(call.lastUserText)) return undefined;
      met.add(call.lastUserText);
      return plan.fault(call);
    });
    const before = fake.calls.length;
    const effects: string[] = [];
    await using stack = new AsyncDisposableStack();
    const modelSettings = plan.timeoutMs === undefined ? {} : { timeoutMs: plan.timeoutMs };
    const opened = await Promise.all(
      doors.map(async (door) => {
        const local = stack.use(await setupInProcess(reply));
        const { model, env } = DOORS[door]({ fake, proxyUrl: proxy.url, proxyKey: key });
        const clerkOf = (name: string, stream: boolean) => {
          const noted = (): string => String(effects.push(`by ${door}, streamed: ${stream}`));
          const note = tool({ name: "note", description: "Notes", parameters: z.object({}), execute: noted });
          const tools = [toolPolicy(note, { onCrash: "ask" })];
          return { agent: new Agent({ name, model: plan.model ?? model, modelSettings, tools }), stream };
        };
        const fleet = local.fleet({ whole: clerkOf("whole", false), streamed: clerkOf("streamed", true) }, { env });
        await fleet.worker(local.workerOptions);
        const submit = async (agent: "whole" | "streamed", input: string) => ({
          local,
          door,
          input,
          run: await fleet.submit(agent, input),
        });
        return [await submit("whole", `by ${door}, streamed: false`), await submit("streamed", `by ${door}, streamed: true`)];
      }),
    );
    const runs = opened.flat();
    await plan.meanwhile?.();
    const ended = await Promise.all(
      runs.map(async ({ local, door, run }) => {
        const events: RunEvent[] = [];
        for await (const event of run.events()) if (event.type !== "text.delta" && event.type !== "turn.restarted") events.push(event);
        const result = await run.result();
        expect(told(local, [result, events, await run.status()])).not.toMatch(new RegExp(keys.join("|")));
        return { door, result, events };
      }),
    );
    const [first] = runs;
    if (first !== undefined) expect(await keysHolding(first.local.redis(), keys)).toEqual([]);
    // What went well was done once.
    const isWhole = ended.every(({ result }) => result.status === "completed");
    if (isWhole) expect(effects.toSorted()).toEqual(runs.map(({ input }) => input).toSorted());
    return { ended, calls: fake.calls.slice(before) };
  }

  /** All that a person could see, whatever hides in errors. */
  const told = ({ log }: InProcess, seen: unknown): string =>
    inspect([log.records, seen], { depth: null, showHidden: true, maxStringLength: null });

  const retriesIn = (events: readonly RunEvent[]) => events.flatMap((event) => (event.type === "run.retrying" ? [event.error.code] : []));

  const failed = (): Fault => ({ status: 529, errorMessage: `Key ${UPSTREAM_KEY}, ${PROVIDER_KEY}` });
  const PASSING: readonly [string, (call: FakeCall) => Fault, Omit<Parameters<typeof runAll>[0], "fault">?][] = [
    ["a provider that fails (500)", () => ({ ...failed(), status: 500 }), { doors: PROXIED }],
    ["a provider that is overloaded (529)", failed],
    ["an answer that is cut off", () => ({ cut: 9 })],
    ["a connection that is reset", () => ({ reset: true }), { doors: PROXIED }],
    // Chat Completions has no word for it.
    ["a stream that says it cannot go on", ({ stream, api }) => (stream && api !== "chat" ? { finishReason: "failed" } : failed())],
    ["a provider that keeps the proxy waiting", () => ({ hang: true }), { doors: PROXIED, model: HURRIED }],
    ["an answer that takes longer than its agent waits", () => ({ hang: true }), { timeoutMs: 4_000 }],
  ];

  test.each(PASSING)("F8: %s is tried again: the run ends well, with nothing done twice", async (_name, fault, plan = {}) => {
    const { ended, calls } = await runAll({ ...plan, fault });
    for (const { result, events } of ended) {
      expect(result).toMatchObject({
        status: "completed",
        output: reply({ toolResults: [{}] } as unknown as FakeCall).text,
        usage: { requests: 2 },
      });
      // An attempt that a busy machine loses on its way stands for the retry.
      const lost = events.filter(({ type }) => type === "attempt.lost").map(() => "MODEL_UNAVAILABLE");
      expect([...retriesIn(events), ...lost], JSON.stringify(events)).toEqual(["MODEL_UNAVAILABLE"]);
    }
    // Two calls of each run, and the one that failed.
    expect(calls).toHaveLength(ended.length * 3);
  });

  test("F6: a short rate limit (429) is waited out in the slot, and is no retry", async () => {
    const { ended, calls } = await runAll({ doors: PROXIED, fault: () => ({ status: 429, headers: { "retry-after": "1" } }) });
    for (const { result, events } of ended) {
      expect(result).toMatchObject({ status: "completed", usage: { requests: 2 } });
      expect(events.map(({ type }) => type).filter((type) => type === "run.retrying" || type === "run.suspended")).toEqual([]);
    }
    expect(calls).toHaveLength(ended.length * 3);
  });

  test("F6: a long rate limit (429) holds no slot by any door but the proxy's messages, which does not tell how long: five seconds are waited", async () => {
    const { ended, calls } = await runAll({ fault: () => ({ status: 429, headers: { "retry-after": "6" } }) });
    for (const { door, result, events } of ended) {
      expect(result).toMatchObject({ status: "completed", usage: { requests: 2 } });
      expect(retriesIn(events)).toEqual([]);
      const waits = events.flatMap((event) => (event.type === "run.suspended" ? [event] : []));
      expect(waits.map(({ suspension }) => suspension)).toEqual(door === "litellm messages" ? [] : ["lane"]);
      for (const { atMs, untilMs = 0 } of waits) expect(untilMs - atMs).toBeGreaterThanOrEqual(5_900);
    }
    expect(calls).toHaveLength(ended.length * 3);
  });

  test.each([
    ["the proxy rejects the key", "MODEL_KEY_REJECTED", { doors: PROXIED, key: WRONG_KEY }, 0],
    ["the key's budget at the proxy is spent", "MODEL_QUOTA_SPENT", { doors: PROXIED, key: SPENT_KEY }, 0],
    [
      "the provider rejects the key",
      "MODEL_KEY_REJECTED",
      { fault: () => ({ status: 401, errorMessage: `Bad key ${UPSTREAM_KEY}, ${PROVIDER_KEY}` }) },
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
      { fault: () => ({ status: 400, errorMessage: `messages.0: for ${UPSTREAM_KEY}, ${PROVIDER_KEY}` }) },
      2,
    ],
  ] as const)("F5, F8: where %s the run ends at once, with %s", async (_name, code, plan, callsOfEach) => {
    const { ended, calls } = await runAll(plan);
    for (const { result, events } of ended) {
      expect(result).toMatchObject({ status: "failed", error: { code } });
      expect(retriesIn(events)).toEqual([]);
    }
    expect(calls).toHaveLength(ended.length * callsOfEach);
  });

  test("F4, F8: a proxy that is killed in the middle of its calls is waited for, and what was done before is not done again", async () => {
    const { fake, proxy } = bench();
    const secondCalls = (): number => fake.calls.filter(({ body }) => JSON.stringify(body).includes("tool_result")).length;
    const before = secondCalls();
    const { ended, calls } = await runAll({
      doors: PROXIED,
      fault: () => ({ hang: true }),
      meanwhile: async () => {
        await until("all runs wait for the provider", 20_000, async () => secondCalls() === before + 2 * PROXIED.length);
        await proxy.kill();
        await proxy.restart();
      },
    });
    for (const { result, events } of ended) {
      expect(result).toMatchObject({ status: "completed", usage: { requests: 2 } });
      expect(new Set(retriesIn(events))).toEqual(new Set(["MODEL_UNAVAILABLE"]));
    }
    // The hanging calls are made again; what a proxy that is away would have been asked, nobody was.
    expect(calls).toHaveLength(ended.length * 3);
  });
});
