/** Promise: runs of a conversation take turns in the order of their submission, on whichever worker, whatever dies meanwhile. */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { runCli } from "../../src/cli/program.ts";
import { createProducer } from "../../src/producer.ts";
import type { FakeCall } from "../../src/testing/fake-provider.ts";
import { setup } from "../support/process-bundle.ts";
import type { fleet } from "../support/fleets/talk-fleet.ts";
import { fakeContext } from "../unit/cli/fake-context.ts";

const TALK_FLEET = fileURLToPath(new URL("../support/fleets/talk-fleet.ts", import.meta.url));
const CONVERSATIONS = 20;
const RUNS = 10;

const question = (talk: number, index: number): string => `question ${index} of talk ${talk}`;
const answerTo = (text: string): string => `answer to ${text}`;
const textsOf = ({ messages }: FakeCall): string[] => messages.map(({ text }) => text);

/** What a conversation says up to and with question `last`. */
const talkUntil = (talk: number, last: number): string[] =>
  Array.from({ length: last + 1 }, (_, index) => question(talk, index)).flatMap((asked, index) =>
    index === last ? [asked] : [asked, answerTo(asked)],
  );

async function setupTalk(onCall: (call: FakeCall) => void = () => undefined) {
  const bundle = await setup((call) => {
    onCall(call);
    return { text: answerTo(textsOf(call).at(-1) ?? "") };
  });
  const producer = createProducer<typeof fleet>({ redis: bundle.env.REDIS_URL, prefix: bundle.prefix });
  return { bundle, producer, worker: () => bundle.worker({ fleet: TALK_FLEET }) };
}

test("twenty conversations of ten runs on three processes, one of which is SIGKILLed: every run sees all that went before, once and in order", {
  tags: ["processes", "slow"],
}, async () => {
  const middle = Promise.withResolvers<void>();
  const shown: string[][] = [];
  const { bundle, producer, worker } = await setupTalk((call) => {
    shown.push(textsOf(call));
    if (shown.length === (CONVERSATIONS * RUNS) / 2) middle.resolve();
  });
  await using _ = bundle;
  await using __ = producer;
  const [victim] = await Promise.all([worker(), worker(), worker()]);
  const requests = Array.from({ length: RUNS }, (_run, index) =>
    Array.from({ length: CONVERSATIONS }, (_talk, talk) => ({
      agent: "talker" as const,
      input: question(talk, index),
      conversation: `talk-${talk}`,
      idempotencyKey: `${talk}/${index}`,
    })),
  ).flat();
  const runs = [];
  for await (const answer of producer.submitMany(requests)) if ("run" in answer) runs.push(answer.run);
  expect(runs).toHaveLength(CONVERSATIONS * RUNS);
  await middle.promise;
  await victim?.kill("SIGKILL");

  for (const run of runs) expect(await run.result()).toMatchObject({ status: "completed" });
  for (let talk = 0; talk < CONVERSATIONS; talk++) {
    const items = await producer.conversations.items(`talk-${talk}`);
    const last = RUNS - 1;
    expect(JSON.stringify(items).match(/(?:answer to )?question \d of talk \d+/g)).toEqual([
      ...talkUntil(talk, last),
      answerTo(question(talk, last)),
    ]);
    expect((await producer.conversations.get(`talk-${talk}`)).runs).toEqual([]);
  }
  // Counted from outside: what the provider was shown at each call, repeated ones included.
  for (const texts of shown) {
    const [, index, talk] = /question (\d) of talk (\d+)/.exec(texts.at(-1) ?? "") ?? [];
    expect(texts).toEqual(talkUntil(Number(talk), Number(index)));
  }
  const repeated = shown.length - CONVERSATIONS * RUNS;
  expect(repeated).toBeGreaterThanOrEqual(0);
  expect(repeated).toBeLessThanOrEqual(CONVERSATIONS);
});

test("the command line lists, shows, trims, forks and deletes conversations", { tags: ["processes"] }, async () => {
  const { bundle, producer, worker } = await setupTalk();
  await using _ = bundle;
  await using __ = producer;
  await worker();
  const cli = async (...argv: string[]) => {
    const context = fakeContext({ env: { REDIS_URL: bundle.env.REDIS_URL, FLOTILLA_PREFIX: bundle.prefix } });
    return { code: await runCli(argv, context), out: context.stdout.join("\n"), talk: context.stderr.join("\n") };
  };
  expect(await cli("conversations", "ls")).toMatchObject({ code: 0, out: "", talk: expect.stringContaining("No conversations") });
  for (const index of [0, 1, 2])
    expect(await cli("submit", "talker", question(1, index), "--conversation", "talk", "--wait")).toMatchObject({
      code: 0,
      out: answerTo(question(1, index)),
    });
  expect((await cli("conversations", "ls")).out).toMatch(/^CONVERSATION +TURNS .*\ntalk +3 +\d+ +0 /);
  const shown = await cli("conversations", "show", "talk");
  expect(shown.out).toContain("user: question 2 of talk 1");
  expect(shown.out).toContain("assistant: answer to question 2 of talk 1");
  expect(await cli("conversations", "fork", "talk", "other", "--at-turn", "2")).toMatchObject({ code: 0, out: "other forked from talk" });
  expect(await cli("conversations", "fork", "talk", "other")).toMatchObject({
    code: 2,
    talk: expect.stringContaining("CONVERSATION_EXISTS"),
  });
  expect(await cli("conversations", "trim", "talk", "--keep-turns", "1", "--json")).toMatchObject({ code: 0 });
  const [trimmed, forked] = [await cli("conversations", "show", "talk", "--json"), await cli("conversations", "show", "other", "--json")];
  expect(JSON.parse(trimmed.out)).toMatchObject({ conversation: { turns: 1 }, turns: [{ type: "run", items: [{}, {}] }] });
  expect(JSON.parse(forked.out)).toMatchObject({ conversation: { turns: 2 } });
  expect(await cli("conversations", "delete", "talk")).toMatchObject({ code: 2, talk: expect.stringMatching(/with 1 turn\.\n[^]*--yes/) });
  expect(await cli("conversations", "delete", "talk", "--yes")).toMatchObject({ code: 0, out: "talk deleted" });
  expect(await cli("conversations", "show", "talk")).toMatchObject({ code: 2, talk: expect.stringContaining("CONVERSATION_UNKNOWN") });
  await cli("pause", "--tenant", "default");
  await cli("submit", "talker", "one", "--conversation", "busy");
  const { out: behind } = await cli("submit", "talker", "two", "--conversation", "busy");
  const hint = "waits for its turn behind earlier runs\n  flotilla conversations show busy --tenant default";
  expect((await cli("runs", "show", behind)).out).toContain(hint);
  expect(await cli("conversations", "show", "a:b")).toMatchObject({ code: 2, talk: expect.stringContaining("INPUT_INVALID") });
});
