/** The store as the monitor watches it: each command's answer is held against the state before and after it, and against the account. */
import type { BeginCommand, BeginReply, EndCommand, EndReply, Fact, StepReply } from "../../src/protocol/attempt.ts";
import type { RunStore } from "../../src/protocol/run-store.ts";
import type { Submission, SubmitReply } from "../../src/protocol/submission.ts";
import { addUsage } from "../../src/protocol/run.ts";
import { isHeldBack } from "./pauses.ts";
import { type Account, type Monitor, snapshotOf } from "./monitor.ts";
import type { Actor } from "./scheduler.ts";

/** Questions that an actor asked its model and has not recorded an answer for. */
export interface Asking {
  question: string | undefined;
}

export function observedStore(store: RunStore, monitor: Monitor, actor: Actor, asking: Asking): RunStore {
  const { world, checker } = monitor;
  const { check } = checker;
  const snapshot = (runId: string): string => snapshotOf(world.runs.get(runId));
  return {
    ...store,
    async submit(submission) {
      monitor.commands += 1;
      return checkSubmit(monitor, submission, await store.submit(submission));
    },
    async begin(command) {
      monitor.commands += 1;
      const before = snapshot(command.runId);
      const { status, wake, attempts, notBeforeMs } = world.runs.get(command.runId)?.info ?? {};
      const run = world.runs.get(command.runId);
      // A command that comes twice finds its own attempt, which may have been paused in between.
      const isAgain = run?.token === command.token;
      const isHeld = run !== undefined && isHeldBack(monitor, run);
      const reply = await store.begin(command);
      check(
        "paused-runs-make-no-progress",
        reply.status !== "begun" || !isHeld || isAgain,
        () => `${actor.name} began run ${command.runId}, which is paused`,
      );
      // The job of a run that was paused meanwhile parks it.
      if (reply.status === "stale" && (reply.why !== "paused" || status === "paused"))
        check("stale-jobs-change-nothing", snapshot(command.runId) === before, () => `a ${reply.why} job changed run ${command.runId}`);
      // Events first: a lost attempt is judged by the lease that it had, not by its successor's.
      monitor.look();
      if (reply.status === "begun") begun(monitor, actor, command, reply, { status, wake, attempts, notBeforeMs });
      return reply;
    },
    async record(fact) {
      monitor.commands += 1;
      const reply = await store.record(fact);
      recorded(monitor, asking, fact, reply);
      return reply;
    },
    async openIntent(runId, token, intent) {
      monitor.commands += 1;
      const { current } = monitor.account(runId);
      const run = world.runs.get(runId);
      const stopped = run?.stop !== undefined || (run?.info.deadlineAtMs ?? 0) <= world.clock.nowMs();
      const known = run?.intents.get(intent.callId)?.token === token;
      const reply = await store.openIntent(runId, token, intent);
      if (reply.status !== "opened") return reply;
      monitor.account(runId).opened.add(`${actor.name} ${intent.callId}`);
      check("superseded-open-nothing", current?.token === token, () => `run ${runId}: ${intent.callId} by ${actor.name}`);
      check("no-intent-after-a-stop", known || !stopped, () => `run ${runId}: ${intent.callId} was opened after a stop`);
      return reply;
    },
    async end(command) {
      monitor.commands += 1;
      const before = snapshot(command.runId);
      const counts = countsOf(monitor, command.runId);
      const reply = await store.end(command);
      ended(monitor, command, reply, { before, counts });
      return reply;
    },
    async renew(held, leaseMs) {
      monitor.commands += 1;
      const reply = await store.renew(held, leaseMs);
      for (const { runId, token } of held) {
        const account = monitor.account(runId);
        if (!reply.lost.includes(runId) && account.current?.token === token) account.leaseUntilMs = world.clock.nowMs() + leaseMs;
      }
      return reply;
    },
    async takeBack(held, policy) {
      // Whoever calls it knows that the process is dead: its lease is over.
      for (const { runId, token } of held) {
        const account = monitor.account(runId);
        if (account.current?.token === token) account.leaseUntilMs = Math.min(account.leaseUntilMs, world.clock.nowMs());
      }
      return store.takeBack(held, policy);
    },
    async cancel(runId, retentionMs) {
      monitor.outside.cancelAsked.add(runId);
      const reply = await store.cancel(runId, retentionMs);
      if (reply.status === "cancelled" || reply.status === "requested") monitor.account(runId).cancelAnswered = true;
      return reply;
    },
    async decide(runId, callId, command) {
      const reply = await store.decide(runId, callId, command);
      if (reply.status !== "resolved") return reply;
      const stored = world.runs.get(runId)?.decisions.get(callId);
      check("decisions-are-write-once", stored?.id === command.id, () => `run ${runId}: ${callId} was decided twice, or is forgotten`);
      monitor.account(runId).decisions.set(callId, JSON.stringify(stored));
      return reply;
    },
    async resolve(runId, callId, resolution, retentionMs) {
      const reply = await store.resolve(runId, callId, resolution, retentionMs);
      if (reply.status !== "resolved") return reply;
      if (resolution.type === "not-run") monitor.outside.saidNotRun.push(`${runId} ${callId}`);
      if (resolution.type === "ran") {
        const { journal } = monitor.account(runId);
        const key = `${world.runs.get(runId)?.info.hop} t:${callId}`;
        if (!journal.has(key)) journal.set(key, `{"v":1,"output":${resolution.resultJson}}`);
      }
      return reply;
    },
  };
}

function checkSubmit({ checker, world }: Monitor, submission: Submission, reply: SubmitReply): SubmitReply {
  const { check } = checker;
  const { idempotencyKey, tenant, inputHash, agent } = submission;
  if (!("runId" in reply)) return reply;
  check("a-submit-that-was-answered-is-stored", world.runs.has(reply.runId), () => `run ${reply.runId} of agent ${agent} is not there`);
  if (idempotencyKey === undefined) return reply;
  const same = [...world.runs.values()].filter(({ info }) => info.tenant === tenant && info.idempotencyKey === idempotencyKey);
  const [first] = same;
  check("one-run-per-idempotency-key", same.length <= 1, () => `${same.length} runs of key ${idempotencyKey}`);
  check(
    "same-key-finds-the-first-run",
    first?.info.runId === reply.runId,
    () => `key ${idempotencyKey} was answered ${reply.runId}; it made ${first?.info.runId}`,
  );
  const firstHash = [...world.idem.values()].find(({ runId }) => runId === reply.runId)?.inputHash;
  const conflicting = firstHash !== undefined && firstHash !== inputHash;
  check(
    "other-input-is-a-conflict",
    conflicting === (reply.status === "conflict"),
    () => `key ${idempotencyKey} with another input was answered ${reply.status}`,
  );
  return reply;
}

interface Before {
  readonly status: string | undefined;
  readonly wake: number | undefined;
  readonly attempts: number | undefined;
  readonly notBeforeMs: number | undefined;
}

function begun(
  { checker, accounts, account: accountOf, commands, world, limits }: Monitor,
  actor: Actor,
  command: BeginCommand,
  { attempt, turns }: Extract<BeginReply, { status: "begun" }>,
  before: Before,
): void {
  const { check } = checker;
  const account: Account = accounts.get(command.runId) ?? accountOf(command.runId);
  if (account.attempts.has(command.token)) return;
  const at = `run ${command.runId}, wake ${command.wake}`;
  const nowMs = world.clock.nowMs();
  const held = account.current !== undefined && nowMs < account.leaseUntilMs;
  check(
    "lease-is-respected",
    !held,
    () => `${at}: ${actor.name} began while ${account.current?.actor} holds it for ${account.leaseUntilMs - nowMs} ms`,
  );
  check("not-before-is-respected", (before.notBeforeMs ?? 0) <= nowMs, () => `${at} began ${(before.notBeforeMs ?? 0) - nowMs} ms early`);
  const due = before.wake === command.wake && (before.status === "queued" || before.status === "running");
  check("only-the-due-wake-begins", due, () => `${at} began while the run was ${before.status} at wake ${before.wake}`);
  check(
    "attempt-numbers-increase",
    attempt.attempt === (before.attempts ?? 0) + 1,
    () => `${at}: attempt ${attempt.attempt} after ${before.attempts}`,
  );
  const stored = [...world.conversations.values()].find(({ id }) => id === attempt.conversation)?.turns ?? [];
  check(
    "earlier-turns-are-shown",
    turns.map(({ id }) => id).join() === stored.map(({ id }) => id).join(),
    () => `${at} was shown ${turns.length} turns of ${stored.length}`,
  );
  account.current = { token: command.token, wake: command.wake, hop: attempt.hop, beganAt: commands, actor: actor.name };
  account.attempts.set(command.token, account.current);
  account.leaseUntilMs = nowMs + limits.leaseMs;
}

function recorded(monitor: Monitor, asking: Asking, fact: Fact, reply: StepReply): void {
  if (reply.status === "gone") return;
  const { check } = monitor.checker;
  const account = monitor.account(fact.runId);
  const key = `${fact.hop} ${fact.key}`;
  const stored = monitor.world.runs.get(fact.runId)?.journals.get(fact.hop)?.get(fact.key);
  check(
    "record-answers-what-is-stored",
    stored === reply.valueJson,
    () => `run ${fact.runId} ${key}: answered ${reply.valueJson.slice(0, 60)}, stored ${stored?.slice(0, 60)}`,
  );
  const earlier = account.journal.get(key);
  check("journal-is-write-once", earlier === undefined || earlier === reply.valueJson, () => `run ${fact.runId} ${key} changed`);
  if (earlier === undefined) {
    account.journal.set(key, fact.valueJson);
    account.usage = addUsage(account.usage, fact.usage);
    account.turns += fact.turns;
  }
  if (fact.key.startsWith("m:") && asking.question !== undefined) {
    account.answered.set(`${fact.hop} ${asking.question}`, { key, at: monitor.commands });
  }
}

const countsOf = ({ world }: Monitor, runId: string): string => {
  const run = world.runs.get(runId);
  return `${run?.info.retries} retries, ${run?.resamples} resamples`;
};

function ended(monitor: Monitor, command: EndCommand, reply: EndReply, { before, counts }: { before: string; counts: string }): void {
  const { check } = monitor.checker;
  const { runId, token, outcome } = command;
  const account = monitor.account(runId);
  const told = account.endReplies.get(token);
  const unchanged = (): boolean => snapshotOf(monitor.world.runs.get(runId)) === before;
  if (told !== undefined) {
    check(
      "same-end-same-answer",
      told === JSON.stringify(reply) && unchanged(),
      () => `run ${runId}: first ${told}, then ${JSON.stringify(reply)}`,
    );
    return;
  }
  const mayDecide = account.current?.token === token;
  if (!mayDecide)
    check(
      "superseded-decide-nothing",
      reply.status === "superseded" && unchanged(),
      () => `run ${runId}: ${outcome.type} was ${reply.status}`,
    );
  if (reply.status === "superseded") return;
  account.endReplies.clear();
  account.endReplies.set(token, JSON.stringify(reply));
  const wake = account.attempts.get(token)?.wake ?? -1;
  check("one-decision-per-wake", !account.settledWakes.has(wake), () => `run ${runId}: wake ${wake} was settled twice`);
  account.settledWakes.add(wake);
  account.deathsInARow = 0;
  const after = countsOf(monitor, runId);
  if (outcome.type === "released")
    check(
      "released-attempts-count-nothing",
      after === counts && monitor.world.runs.get(runId)?.info.deaths === 0,
      () => `run ${runId}: ${counts} became ${after}`,
    );
  if (outcome.type === "retry" && outcome.rejects !== undefined && (reply.as === "queued" || reply.as === "paused"))
    reject(account, outcome.rejects.key);
}

/** A rejected answer is forgotten: its call is made again, and its turn comes again. */
function reject(account: Account, rejectedKey: string): void {
  account.resamplesOfHop += 1;
  const hop = [...account.attempts.values()].at(-1)?.hop ?? 0;
  const key = `${hop} ${rejectedKey}`;
  if (account.journal.delete(key)) account.nextTurn -= 1;
  for (const [question, answered] of account.answered) if (answered.key === key) account.answered.delete(question);
}
