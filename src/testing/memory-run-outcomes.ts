/** What each outcome of an attempt does to its run, in memory. It mirrors `src/redis/scripts/end.lua`. */
import type { WakeJob } from "../protocol/job.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { Retention } from "../protocol/retention.ts";
import { type RunErrorInfo, toldApproval } from "../protocol/run.ts";
import type { EndCommand, Outcome } from "../protocol/attempt.ts";
import { keepTurn } from "./memory-conversations.ts";
import { ask, awaitPeople, refuseDecisions } from "./memory-run-approvals.ts";
import {
  appendEvent,
  copy,
  failRun,
  finish,
  type HopStart,
  letGo,
  type MemoryRun,
  type MemoryWorld,
  move,
  queueAgain,
  stamp,
  stopRun,
} from "./memory-run-state.ts";

type Of<Type extends Outcome["type"]> = Extract<Outcome, { readonly type: Type }>;

/** Returns the wake that must be put into its queue, if any. */
export function settleOutcome(world: MemoryWorld, run: MemoryRun, { outcome, retentionMs }: EndCommand): WakeJob | undefined {
  if ("loop" in outcome && outcome.loop !== undefined)
    appendEvent(world, run, { type: "loop.detected", ...stamp(world, run), loop: outcome.loop });
  switch (outcome.type) {
    case "completed":
      run.starts.set(run.info.hop, startOf(run));
      keepResults(run, outcome);
      run.outputJson = JSON.stringify(outcome.output);
      if (outcome.conversation !== undefined) keepTurn(world, outcome.conversation);
      finish(world, run, "completed", { retentionMs, event: { type: "run.completed", ...stamp(world, run), output: outcome.output } });
      return undefined;
    case "handed-off":
      return handOff(world, run, outcome, retentionMs);
    case "suspended":
      return suspend(world, run, outcome);
    case "retry":
      return retry(world, run, outcome);
    case "released":
      appendEvent(world, run, { type: "attempt.released", ...stamp(world, run) });
      return queueAgain(world, run);
    case "failed":
    case "blocked":
    case "refused": {
      const { type, error, rejectKey } = outcome;
      run.rejectedKey = rejectKey;
      finish(world, run, type, { retentionMs, event: { type: `run.${type}`, ...stamp(world, run), error }, error });
      return undefined;
    }
    case "cancelled":
    case "expired":
      stopRun(world, run, outcome.type, retentionMs);
      return undefined;
  }
}

export const startOf = (run: MemoryRun): HopStart => ({
  agent: run.info.agent,
  items: [...run.items],
  isFiltered: run.isFiltered,
  contextJson: run.contextJson,
  turnsBefore: run.turnsBefore,
});

function keepResults(run: MemoryRun, { itemsJson, contextJson }: { readonly itemsJson?: string; readonly contextJson?: string }): void {
  if (itemsJson !== undefined) run.items.push(itemsJson);
  if (contextJson !== undefined) run.contextJson = contextJson;
}

function handOff(world: MemoryWorld, run: MemoryRun, outcome: Of<"handed-off">, retentionMs: Retention): WakeJob | undefined {
  const queue = outcome.queue ?? world.agents.get(outcome.to)?.queue;
  const hop = run.info.hop + 1;
  const refused = refusal(run, outcome.to, queue, hop);
  if (refused !== undefined || queue === undefined) {
    if (refused !== undefined) failRun(world, run, refused, retentionMs);
    return undefined;
  }
  run.starts.set(run.info.hop, startOf(run));
  if (outcome.replacesTranscript) {
    run.items = [];
    run.isFiltered = true;
  }
  keepResults(run, outcome);
  if (outcome.conversationJson !== undefined) run.conversationJson = outcome.conversationJson;
  const args = outcome.arguments === undefined ? {} : { arguments: outcome.arguments };
  run.info.recentAgents = [...(run.info.recentAgents ?? []), run.info.agent].slice(-LIMITS.recentAgents);
  appendEvent(world, run, { type: "run.handed-off", ...stamp(world, run), to: outcome.to, ...args });
  delete run.info.error;
  Object.assign(run.info, { hop, agent: outcome.to, queue, retries: 0 });
  run.resamples = 0;
  run.misplaced = 0;
  run.hopBuild = undefined;
  delete run.info.build;
  run.turnsBefore = run.info.turns;
  return queueAgain(world, run);
}

function refusal(run: MemoryRun, to: string, queue: string | undefined, hop: number): RunErrorInfo | undefined {
  if (queue === undefined) return { code: "AGENT_UNKNOWN", message: `No worker has ever announced the agent ${JSON.stringify(to)}.` };
  if (hop <= run.maxHops) return undefined;
  return { code: "HANDOFF_LIMIT", message: `Expected at most ${run.maxHops} handoffs; this was number ${hop}.` };
}

function suspend(world: MemoryWorld, run: MemoryRun, outcome: Of<"suspended">): WakeJob | undefined {
  const { type: _type, loop, approvals, refusals = [], announce, ...told } = outcome;
  refuseDecisions(world, run, refusals);
  const open = ask(world, run, approvals ?? [], refusals);
  if (outcome.suspension === "replay-diverged") run.info.divergences = (run.info.divergences ?? 0) + 1;
  delete run.info.error;
  if (outcome.error !== undefined) run.info.error = copy(outcome.error);
  const listed = approvals === undefined ? {} : { approvals: approvals.map(toldApproval) };
  appendEvent(world, run, { type: "run.suspended", ...stamp(world, run), ...told, ...listed });
  const answered = (outcome.suspension === "effect-unknown" && run.intents.size === 0) || (outcome.suspension === "approval" && !open);
  if (answered) {
    appendEvent(world, run, { type: "run.resumed", ...stamp(world, run), because: "answered" });
    return queueAgain(world, run);
  }
  letGo(run);
  move(world, run, "suspended");
  run.info.suspension = outcome.suspension;
  if (loop !== undefined) run.loopId = loop.id;
  run.lookAtMs = undefined;
  if (outcome.suspension === "approval") awaitPeople(world, run, announce === true);
  if (outcome.suspension === "lane") {
    run.lookAtMs = outcome.untilMs ?? world.clock.nowMs();
    run.info.notBeforeMs = run.lookAtMs;
  }
  return undefined;
}

function retry(world: MemoryWorld, run: MemoryRun, outcome: Of<"retry">): WakeJob | undefined {
  const { notBeforeMs, error, rejects, misplaced } = outcome;
  if (misplaced === true) run.misplaced += 1;
  else run.info.retries += 1;
  if (rejects !== undefined) {
    const journal = run.journals.get(run.info.hop);
    journal?.set(rejects.rejectionKey, rejects.rejectionJson);
    journal?.delete(rejects.key);
    run.resamples += 1;
  }
  run.info.error = copy(error);
  appendEvent(world, run, { type: "run.retrying", ...stamp(world, run), notBeforeMs, error });
  const later = notBeforeMs > world.clock.nowMs();
  const next = queueAgain(world, run, later ? notBeforeMs : undefined);
  if (!later) return next;
  run.info.notBeforeMs = notBeforeMs;
  return undefined;
}
