/** Takes new runs in, in memory. It mirrors `src/redis/scripts/submit.lua`. */
import type { RunStore } from "../protocol/run-store.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { Submission, SubmitReply } from "../protocol/submission.ts";
import { NO_USAGE } from "../protocol/run.ts";
import { conversationOf, useConversation } from "./memory-conversations.ts";
import { mannerFields, noteChild, originFields, refusedSource } from "./memory-run-sources.ts";
import { appendEvent, copy, LOOK_MS, type MemoryRun, type MemoryWorld, move, stamp, wakeJob } from "./memory-run-state.ts";

export function createMemorySubmits(world: MemoryWorld): Pick<RunStore, "submit" | "submitMany"> {
  return {
    submit: async (submission) => submit(world, submission),
    submitMany: async (submissions) => submissions.map((submission) => submit(world, submission)),
  };
}

function submit(world: MemoryWorld, submission: Submission): SubmitReply {
  const { runId, tenant, idempotencyKey, inputHash } = submission;
  if (world.runs.has(runId)) return { status: "duplicate", runId };
  const idemKey = `${tenant} ${idempotencyKey}`;
  const earlier = idempotencyKey === undefined ? undefined : world.idem.get(idemKey);
  if (earlier !== undefined) return { status: earlier.inputHash === inputHash ? "duplicate" : "conflict", runId: earlier.runId };
  const refused = submission.seed === undefined ? undefined : refusedSource(world, submission.seed, tenant);
  if (refused !== undefined) return refused;
  const entry = world.agents.get(submission.agent);
  const queue = submission.queue ?? entry?.queue;
  if (queue === undefined) return { status: "unknown-agent", known: [...world.agents.keys()] };
  const { conversation: id } = submission;
  const ahead = id === undefined ? 0 : (conversationOf(world, tenant, id)?.queue.length ?? 0);
  if (ahead >= LIMITS.runsPerConversation) return { status: "conversation-full" };
  const run = newRun(world, submission, queue);
  world.runs.set(runId, run);
  if (submission.seed !== undefined) noteChild(world, submission.seed, runId);
  if (idempotencyKey !== undefined) world.idem.set(idemKey, { runId, inputHash });
  const origin = submission.seed === undefined ? {} : { origin: submission.seed.origin };
  appendEvent(world, run, { type: "run.queued", ...stamp(world, run), queue, ...origin });
  if (id !== undefined) useConversation(world, tenant, id).queue.push(runId);
  if (ahead > 0) waitForTurn(world, run);
  return { status: "created", runId, wake: ahead > 0 ? undefined : wakeJob(run), agentSeenAtMs: entry?.seenAtMs };
}

function waitForTurn(world: MemoryWorld, run: MemoryRun): void {
  run.lookAtMs = undefined;
  move(world, run, "suspended");
  run.info.suspension = "conversation";
  appendEvent(world, run, { type: "run.suspended", ...stamp(world, run), suspension: "conversation" });
}

function newRun(world: MemoryWorld, submission: Submission, queue: string): MemoryRun {
  const { runId, agent, tenant, priority, idempotencyKey, delayMs, deadlineMs, maxHops, contextJson, settingsJson, metadataJson, seed } =
    submission;
  const { conversation } = submission;
  const nowMs = world.clock.nowMs();
  const deadlineAtMs = nowMs + deadlineMs;
  return {
    info: {
      v: 1,
      runId,
      status: "queued",
      tenant,
      agent,
      entryAgent: seed?.entryAgent ?? agent,
      queue,
      priority,
      metadata: JSON.parse(metadataJson),
      ...(submission.tags === undefined ? {} : { tags: submission.tags.slice() }),
      ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
      ...(conversation === undefined ? {} : { conversation }),
      hop: seed?.origin.hop ?? 0,
      wake: 0,
      attempts: 0,
      retries: 0,
      deaths: 0,
      turns: (seed?.origin.turn ?? 1) - 1,
      usage: NO_USAGE,
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
      deadlineAtMs,
      ...(delayMs > 0 ? { notBeforeMs: nowMs + delayMs } : {}),
      ...(seed === undefined ? mannerFields(submission) : originFields(seed)),
    },
    maxHops,
    contextJson,
    conversationJson: seed?.conversationJson,
    follower: undefined,
    settingsJson,
    metadataJson,
    items: [submission.itemsJson],
    journals: new Map(seed === undefined || seed.journal.size === 0 ? [] : [[seed.origin.hop, new Map(seed.journal)]]),
    intents: new Map(seed?.intents.map((intent) => [intent.callId, { token: "seed", intent: copy(intent) }])),
    approvals: new Map(),
    decisions: new Map([...(seed?.decisions ?? [])].map(([callId, decided]) => [callId, { id: undefined, decided }])),
    refused: [],
    events: [],
    outputJson: undefined,
    resamples: 0,
    misplaced: 0,
    turnsBefore: seed?.turnsBefore ?? 0,
    starts: new Map(),
    isFiltered: false,
    root: seed?.root ?? runId,
    recordings: copy(seed?.recordings ?? []),
    rejectedKey: undefined,
    hopBuild: seed?.hopBuild,
    token: undefined,
    loopId: undefined,
    pause: undefined,
    parked: undefined,
    stop: undefined,
    ended: undefined,
    begunEnded: undefined,
    takenBack: undefined,
    lookDelayMs: LOOK_MS,
    lookAtMs: nowMs + (delayMs > 0 ? delayMs : LOOK_MS),
    timerAtMs: deadlineAtMs,
    deleteAtMs: undefined,
  };
}
