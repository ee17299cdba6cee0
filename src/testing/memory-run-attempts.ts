/** What an attempt does with its run, in memory: begin, record, open an intent, end, and hold on. */
import type { WakeJob } from "../protocol/job.ts";
import type { Attempt, BeginCommand, BeginReply, EndCommand, EndReply, Fact, RenewReply, StepReply } from "../protocol/attempt.ts";
import type { RunStore } from "../protocol/run-store.ts";
import { addUsage } from "../protocol/run.ts";
import { conversationOf } from "./memory-conversations.ts";
import { settleOutcome } from "./memory-run-outcomes.ts";
import { addUp } from "./memory-run-totals.ts";
import {
  appendEvent,
  BEGIN_RETENTION_MS,
  copy,
  decidedIn,
  GRACE_MS,
  isCurrent,
  isFinalRun,
  journalOf,
  loseAttempt,
  type MemoryRun,
  type MemoryWorld,
  move,
  park,
  pauseOf,
  queueAgain,
  stamp,
  stopReason,
  stopRun,
} from "./memory-run-state.ts";

type Attempts = Pick<RunStore, "begin" | "journal" | "recordings" | "record" | "openIntent" | "end" | "renew">;

export function createMemoryAttempts(world: MemoryWorld): Attempts {
  return {
    begin: async (command) => begin(world, command),
    recordings: async (runId) => [...(world.runs.get(runId)?.recordings ?? [])],
    journal: async (runId, hop) => new Map(world.runs.get(runId)?.journals.get(hop)),
    record: async (fact) => record(world, fact),
    async openIntent(runId, token, intent) {
      const run = world.runs.get(runId);
      if (run === undefined || !isCurrent(run, token)) return { status: "superseded" };
      if (run.intents.get(intent.callId)?.token === token) return { status: "opened" };
      const stop = stopReason(world, run);
      if (stop !== undefined) return { status: "stop", stop };
      run.intents.set(intent.callId, { token, intent: copy(intent) });
      appendEvent(world, run, { type: "tool.started", ...stamp(world, run), callId: intent.callId, tool: intent.tool });
      return { status: "opened" };
    },
    end: async (command) => end(world, command),
    async renew(held, leaseMs) {
      const lost: string[] = [];
      const stopped: Array<RenewReply["stopped"][number]> = [];
      for (const { runId, token } of held) {
        const run = world.runs.get(runId);
        if (run === undefined || !isCurrent(run, token)) {
          lost.push(runId);
          continue;
        }
        run.lookAtMs = world.clock.nowMs() + leaseMs + GRACE_MS;
        if (run.stop !== undefined) stopped.push({ runId, reason: run.stop });
      }
      return { lost, stopped };
    },
  };
}

function begin(world: MemoryWorld, command: BeginCommand): BeginReply {
  const { token, maxDeaths } = command;
  const run = world.runs.get(command.runId);
  if (run === undefined) return { status: "stale", why: "gone" };
  if (run.begunEnded?.token === token) return run.begunEnded.reply;
  if (isFinalRun(run)) return { status: "stale", why: "final" };
  if (isCurrent(run, token)) return begun(world, run, token);
  const stop = stopReason(world, run);
  const why = staleReason(world, run, command);
  const stale = why === "not-before" && stop !== undefined ? undefined : why;
  if (stale !== undefined) return { status: "stale", why: stale };

  const crashed = run.info.status === "running" && loseAttempt(world, run, maxDeaths, BEGIN_RETENTION_MS);
  if (stop !== undefined && !crashed) stopRun(world, run, stop, BEGIN_RETENTION_MS);
  const { status } = run.info;
  if (status === "failed" || status === "cancelled" || status === "expired") {
    const reply: BeginReply = { status: "ended", as: status };
    run.begunEnded = { token, reply };
    return reply;
  }
  const paused = pauseOf(world, run);
  if (paused !== undefined) {
    park(world, run, paused);
    return { status: "stale", why: "paused" };
  }
  take(world, run, command);
  return begun(world, run, token);
}

function staleReason(
  world: MemoryWorld,
  run: MemoryRun,
  { wake, token }: BeginCommand,
): Exclude<Extract<BeginReply, { status: "stale" }>["why"], "gone" | "final"> | undefined {
  if (run.info.wake !== wake || run.ended?.token === token) return "wake";
  if (run.info.status === "suspended" || run.info.status === "paused") return run.info.status;
  if (run.info.status === "running" && (run.lookAtMs ?? 0) > world.clock.nowMs()) return "held";
  if (run.info.status === "queued" && (run.info.notBeforeMs ?? 0) > world.clock.nowMs()) return "not-before";
  return undefined;
}

function take(world: MemoryWorld, run: MemoryRun, { token, workerId, leaseMs, build }: BeginCommand): void {
  const nowMs = world.clock.nowMs();
  run.info.attempts += 1;
  move(world, run, "running");
  delete run.info.notBeforeMs;
  run.info.startedAtMs ??= nowMs;
  run.token = token;
  run.info.worker = workerId;
  run.lookAtMs = nowMs + leaseMs + GRACE_MS;
  const { attempts: attempt, wake } = run.info;
  const known = build?.agent === run.info.agent ? { version: build.version, fingerprint: build.fingerprint } : undefined;
  if (known !== undefined) {
    run.info.build = known;
    run.hopBuild ??= known;
  }
  appendEvent(world, run, { type: "attempt.started", ...stamp(world, run), attempt, wake, worker: workerId, ...known });
}

function begun(world: MemoryWorld, run: MemoryRun, token: string): BeginReply {
  const { runId, wake, attempts, hop, agent, entryAgent, tenant, queue, priority, retries, deadlineAtMs, conversation } = run.info;
  const { recentAgents = [], tags = [], origin, model } = run.info;
  const { maxHops, contextJson, conversationJson, settingsJson, metadataJson, resamples, misplaced, turnsBefore } = run;
  const attempt: Attempt = {
    runId,
    token,
    wake,
    attempt: attempts,
    hop,
    maxHops,
    agent,
    entryAgent,
    recentAgents,
    tenant,
    queue,
    priority,
    contextJson,
    settingsJson,
    metadataJson,
    tags,
    retries,
    resamples,
    misplaced,
    turnsBefore,
    deadlineAtMs,
    ...(origin === undefined ? {} : { origin }),
    root: run.root,
    tools: run.info.tools ?? "live",
    ...(model === undefined ? {} : { model }),
    ...(run.hopBuild === undefined ? {} : { hopBuild: run.hopBuild }),
    hasJournal: run.journals.has(hop),
    openIntents: [...run.intents.values()].map(({ intent }) => copy(intent)),
    decisions: decidedIn(run),
    ...(conversation === undefined ? {} : { conversation }),
    ...(conversationJson === undefined ? {} : { conversationJson }),
  };
  const turns = conversation === undefined ? [] : (conversationOf(world, tenant, conversation)?.turns ?? []);
  return { status: "begun", attempt, itemsJson: [...run.items], turns: copy(turns) };
}

function record(world: MemoryWorld, fact: Fact): StepReply {
  const run = world.runs.get(fact.runId);
  if (run === undefined) return { status: "gone" };
  const current = isCurrent(run, fact.token);
  const paused = current && pauseOf(world, run) !== undefined;
  const { status } = run.info;
  const stop = !isFinalRun(run) ? stopReason(world, run) : status === "cancelled" || status === "expired" ? status : undefined;
  const journal = journalOf(run, fact.hop);
  const earlier = journal.get(fact.key);
  if (earlier === undefined) {
    journal.set(fact.key, fact.valueJson);
    count(run, fact);
    addUp(world, fact.tally);
  }
  closeIntent(world, run, fact.closesIntent);
  if (earlier === undefined && fact.event !== undefined && !isFinalRun(run)) appendEvent(world, run, fact.event);
  return { status: "recorded", valueJson: earlier ?? fact.valueJson, current, stop, paused };
}

function count(run: MemoryRun, { usage, turns }: Fact): void {
  run.info.usage = addUsage(run.info.usage, usage);
  run.info.turns += turns;
}

/** The late result of a superseded attempt may answer what a person was asked. */
function closeIntent(world: MemoryWorld, run: MemoryRun, callId: string | undefined): void {
  if (callId === undefined || !run.intents.delete(callId)) return;
  if (run.info.suspension !== "effect-unknown" || run.intents.size > 0) return;
  appendEvent(world, run, { type: "run.resumed", ...stamp(world, run), because: "answered" });
  queueAgain(world, run, world.clock.nowMs());
}

function end(world: MemoryWorld, command: EndCommand): EndReply {
  const run = world.runs.get(command.runId);
  if (run?.ended?.token === command.token) return run.ended.reply;
  if (run === undefined || !isCurrent(run, command.token)) return { status: "superseded" };
  let next: WakeJob | undefined;
  if (run.stop !== undefined) stopRun(world, run, run.stop, command.retentionMs);
  else next = settleOutcome(world, run, command);
  const { follower } = run;
  const reply: EndReply = { status: "settled", as: run.info.status, next, ...(follower === undefined ? {} : { follower }) };
  run.info.deaths = 0;
  run.ended = { token: command.token, reply };
  return reply;
}
