/** Promise: the same team gives the same result by whichever door its models are reached, and a run may change doors in the middle. */
import { describe, expect, test } from "vitest";
import { openAICompatible } from "../../src/index.ts";
import {
  ANSWER,
  CALLS,
  DOOR_NAMES,
  DOORS,
  type DoorName,
  type DoorPlaces,
  doorScript,
  doorTeam,
  envOfTogether,
  TOGETHER,
  USAGE,
} from "../support/doors.ts";
import { setupInProcess } from "../support/in-process-fleet.ts";
import { MASTER_KEY, UPSTREAM_KEY, useProxyBench } from "../support/litellm.ts";
import { readRun } from "../support/run-in-plain.ts";
import { breachesOf } from "../support/upstream-rules.ts";

/** Each two different doors that one fleet can use together; two of them are the same with and without a proxy. */
const PAIRS = (Object.keys(TOGETHER) as (keyof typeof TOGETHER)[]).flatMap((together) =>
  Object.entries(TOGETHER[together]).flatMap(([first, firstModel]) =>
    Object.entries(TOGETHER[together]).flatMap(([second, secondModel]) =>
      first === second || (together !== "without a proxy" && !`${first} ${second}`.includes("litellm"))
        ? []
        : [{ together, first, second, models: [firstModel, secondModel] as const }],
    ),
  ),
);

describe("a team by five doors", { tags: ["litellm", "redis", "processes", "slow"] }, () => {
  const bench = useProxyBench({
    models: ({ url }) => ({ "proxied/gpt-x": { model: "openai/gpt-x", api_key: UPSTREAM_KEY, api_base: url } }),
  });
  const places = (): DoorPlaces => ({ fake: bench().fake, proxyUrl: bench().proxy.url, proxyKey: MASTER_KEY });

  interface Way {
    readonly models: readonly [string, string];
    readonly env: Readonly<Record<string, string>>;
    readonly stream: boolean;
    /** Done once more from its fourth turn on, the second agent's second, by this model. */
    readonly forkedTo?: string;
  }

  async function runBy({ models, env, stream, forkedTo }: Way) {
    const { fake } = bench();
    fake.setReply(doorScript);
    const before = fake.calls.length;
    await using local = await setupInProcess(doorScript);
    const effects: string[] = [];
    const team = doorTeam({ models, stream, onEffect: (tool) => effects.push(tool) });
    const servers = { local: openAICompatible({ baseURL: fake.url, apiKeyEnv: "LOCAL_KEY" }) };
    const fleet = local.fleet(team, { env, models: servers });
    await fleet.worker(local.workerOptions);
    const run = await fleet.submit("triage", "Where is my parcel?");
    const seen = await readRun(run, local.store());
    const own = fake.calls.slice(before);
    const fork = forkedTo === undefined ? undefined : await run.fork({ turn: 4, model: forkedTo });
    const forked = await fork?.result();
    return { seen, effects: effects.toSorted(), calls: own, forked, forkedCalls: fake.calls.slice(before + own.length) };
  }

  // The first one is what the others are compared with.
  let expected: Awaited<ReturnType<typeof runBy>>["seen"] | undefined;

  function check({ seen, effects, calls }: Awaited<ReturnType<typeof runBy>>): void {
    expect(breachesOf(calls)).toEqual([]);
    expected ??= seen;
    expect(seen).toEqual(expected);
    expect(seen).toMatchObject({ status: "completed", agent: "specialist", output: ANSWER });
    expect(seen.usage).toEqual({
      requests: CALLS,
      inputTokens: CALLS * USAGE.inputTokens,
      cachedInputTokens: CALLS * USAGE.cachedInputTokens,
      outputTokens: CALLS * USAGE.outputTokens,
    });
    expect(effects).toEqual(["customer", "order.of it", "topic"]);
    expect(calls).toHaveLength(CALLS);
  }

  test.each(DOOR_NAMES.flatMap((name): [DoorName, boolean][] => [false, true].map((stream) => [name, stream])))(
    "F7: output, usage, items, events and journal are the same by %s (streamed: %s), and it is sent nothing that it would refuse",
    async (name, stream) => {
      const { model, env } = DOORS[name](places());
      const ran = await runBy({ models: [model, model], env, stream });
      check(ran);
      expect(ran.calls.filter(({ streamed }) => streamed)).toHaveLength(stream ? CALLS - 1 : 0);
    },
  );

  test.each(PAIRS)(
    "F7: a handoff from $first to $second, $together, gives the same, and the second is sent nothing of the first's own",
    async ({ together, models }) => {
      for (const stream of [false, true]) {
        const ran = await runBy({ models, env: envOfTogether(together, places()), stream });
        check(ran);
        const [handedOver] = ran.calls.slice(2).map(({ body }) => JSON.stringify(body));
        for (const said of ["Where is my parcel?", "Let me see.", "topic of m-1", "I pass you on."]) expect(handedOver).toContain(said);
        expect(ran.calls.slice(2).filter(({ body }) => JSON.stringify(body).includes("A parcel."))).toEqual([]);
      }
    },
  );

  const FORKS = [
    ...PAIRS.filter(({ together }) => together === "without a proxy"),
    { first: "responses", second: "another of its models", models: ["gpt-x", "gpt-z"] },
  ];

  test.each(FORKS)(
    "F7: a fork in the middle of a hop from $first to $second is sent nothing of the first's own",
    async ({ models: [first = "", second = ""] }) => {
      for (const stream of [false, true]) {
        const env = envOfTogether("without a proxy", places());
        const ran = await runBy({ models: [first, first], env, stream, forkedTo: second });
        check(ran);
        expect(ran.forked).toMatchObject({ status: "completed", output: ANSWER });
        // Two turns of its own, and the nested agent, which keeps its model.
        expect(ran.forkedCalls).toHaveLength(3);
        expect(breachesOf([...ran.calls, ...ran.forkedCalls])).toEqual([]);
        const [asked] = ran.forkedCalls.map(({ body }) => JSON.stringify(body));
        for (const said of ["I look.", "order.of it of o-1", "customer of c-1"]) expect(asked).toContain(said);
        expect(asked).not.toContain("Look both up.");
      }
    },
  );
});
