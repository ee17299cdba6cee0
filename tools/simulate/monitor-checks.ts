/** What the monitor looks at in a run's new events, and in what the store holds for it to be found again. */
import { isFinalEvent, type RunEvent } from "../../src/protocol/events.ts";
import { isFinal } from "../../src/protocol/run.ts";
import type { MemoryRun } from "../../src/testing/memory-run-state.ts";
import { isHeldBack } from "./pauses.ts";
import type { Account, Monitor } from "./monitor.ts";

export function checkEvents(monitor: Monitor, account: Account, run: MemoryRun): void {
  const { check } = monitor.checker;
  for (; account.eventsSeen < run.events.length; account.eventsSeen++) {
    const stored = run.events[account.eventsSeen];
    if (stored === undefined) return;
    const { id, event } = stored;
    check("event-ids-increase", isAfter(id, account.lastEventId), () => `run ${account.runId}: ${id} stands behind ${account.lastEventId}`);
    account.lastEventId = id;
    check("no-event-after-the-final-one", account.finalEvents === 0, () => `run ${account.runId}: ${event.type} behind the final event`);
    if (isFinalEvent(event)) {
      account.finalEvents += 1;
      const { status } = run.info;
      check(
        "final-event-names-the-state",
        event.type === `run.${status}`,
        () => `run ${account.runId} is ${status}, its event ${event.type}`,
      );
    }
    checkEvent(monitor, account, event);
  }
}

function checkEvent(monitor: Monitor, account: Account, event: RunEvent): void {
  const { check } = monitor.checker;
  const nowMs = monitor.world.clock.nowMs();
  switch (event.type) {
    case "turn.completed":
      check(
        "turn-is-journaled-once",
        event.turn >= account.nextTurn,
        () => `run ${account.runId}: turn ${event.turn} again; next is ${account.nextTurn}`,
      );
      check(
        "turns-increase-without-gaps",
        event.turn <= account.nextTurn,
        () => `run ${account.runId}: turn ${event.turn}; next is ${account.nextTurn}`,
      );
      account.nextTurn = event.turn + 1;
      return;
    case "attempt.lost":
      check(
        "deaths-are-real",
        nowMs >= account.leaseUntilMs && account.status === "running",
        () => `run ${account.runId}: an attempt that held its lease was lost`,
      );
      account.deaths += 1;
      account.deathsInARow += 1;
      return;
    case "run.retrying":
      account.retriesOfHop += 1;
      return;
    case "run.handed-off":
      account.retriesOfHop = 0;
      account.resamplesOfHop = 0;
      return;
    case "run.suspended":
      for (const { callId } of event.approvals ?? []) account.asked.add(callId);
      return;
    case "run.expired": {
      const deadlineAtMs = monitor.world.runs.get(account.runId)?.info.deadlineAtMs ?? 0;
      check(
        "expiry-is-after-the-deadline",
        nowMs >= deadlineAtMs,
        () => `run ${account.runId} expired ${deadlineAtMs - nowMs} ms before its deadline`,
      );
      return;
    }
    case "run.cancelled":
      check("cancel-has-a-cause", monitor.outside.cancelAsked.has(account.runId), () => `run ${account.runId}: nobody asked`);
      return;
    case "run.failed":
      checkFailure(monitor, account, event.error.code, event.error.message);
      return;
    default:
      return;
  }
}

/** A failure must follow from what was really done to the run. */
function checkFailure(
  { checker, outside, limits }: Monitor,
  { runId, deathsInARow, retriesOfHop }: Account,
  code: string,
  message: string,
): void {
  const causes: Readonly<Record<string, boolean>> = {
    RUN_CRASHED: deathsInARow > limits.maxDeaths,
    MODEL_OUTPUT_INVALID: (outside.badAnswers.get(runId) ?? 0) >= 3,
    TOOL_FAILED: outside.failedByPerson.has(runId),
  };
  const real = causes[code] === true || (code !== "RUN_CRASHED" && retriesOfHop >= 8);
  checker.check(
    "failures-have-a-cause",
    real,
    () => `run ${runId} failed with ${code} (${message}) after ${deathsInARow} deaths, ${retriesOfHop} retries`,
  );
}

/** The turn is handed on in the step in which a run ends, and nothing but completion leaves anything. */
export function checkConversations({ checker, world }: Monitor): void {
  const { check } = checker;
  const runs = [...world.runs.values()];
  for (const { tenant, id, queue, turns } of world.conversations.values()) {
    const mine = runs.filter(({ info }) => info.tenant === tenant && info.conversation === id);
    const open = mine.filter(({ info }) => !isFinal(info.status)).map(({ info }) => info.runId);
    check("turns-are-taken-in-order", queue.join() === open.join(), () => `${queue.join()} wait in ${id}; not over are ${open.join()}`);
    const waiting = mine.filter(({ info }) => info.suspension === "conversation");
    const early = mine.find(({ info }) => info.status === "running" && info.runId !== queue[0]);
    check("turns-are-taken-in-order", early === undefined, () => `run ${early?.info.runId} runs; the turn is ${queue[0]}'s`);
    const idle = waiting.find((run) => (run.lookAtMs !== undefined) !== (run.info.runId === queue[0]));
    check("runnable-runs-are-dispatched", idle === undefined, () => `run ${idle?.info.runId} waits; the turn is ${queue[0]}'s`);
    const completed = mine.filter(({ info }) => info.status === "completed");
    const kept = turns.map((turn) => turn.id).join();
    // They end in the order of their submits, because they take turns in it.
    const wanted = completed.map(({ info }) => info.runId).join();
    check("no-turn-is-lost-or-doubled", kept === wanted, () => `${id} holds turns of ${kept}; completed are ${wanted}`);
    for (const [index, turn] of turns.entries()) {
      const own = JSON.stringify((completed[index]?.items ?? []).flatMap((chunk) => JSON.parse(chunk) as unknown[]));
      check("turns-are-whole", turn.itemsJson === own, () => `the turn of ${turn.id} is ${turn.itemsJson}, its run's items are ${own}`);
    }
  }
}

export function checkDispatch({ checker, world }: Monitor, account: Account, run: MemoryRun): void {
  const { check } = checker;
  const { info, lookAtMs, timerAtMs, token } = run;
  const at = (): string => `run ${account.runId} is ${info.status} ${info.suspension ?? ""}`;
  if (isFinal(info.status)) {
    const holds = [lookAtMs !== undefined, timerAtMs !== undefined, token !== undefined, info.worker !== undefined, run.approvals.size > 0];
    check(
      "final-runs-hold-nothing",
      !holds.includes(true),
      () => `${at()} and holds ${holds.join(", ")} (dispatch, timer, token, worker, approvals)`,
    );
    return;
  }
  // Of who waits for a turn, `checkConversations` knows whether it has come.
  if (info.suspension === "conversation") return;
  if (info.status === "paused") {
    check("paused-runs-make-no-progress", isHeldBack({ world }, run) || world.resuming.size > 0, () => `${at()} without a pause`);
  }
  const waits = info.status === "paused" || (info.status === "suspended" && info.suspension !== "lane");
  const due = [info.announceAtMs, ...[...run.approvals.values()].map(({ deadlineAtMs }) => deadlineAtMs)].filter(
    (time) => time !== undefined,
  );
  const expectedAtMs = due.length === 0 ? undefined : Math.min(...due);
  if (waits)
    check(
      "waiting-runs-are-not-dispatched",
      lookAtMs === expectedAtMs && info.worker === undefined,
      () => `${at()} with the dispatch entry ${lookAtMs}; its questions say ${expectedAtMs}`,
    );
  else check("runnable-runs-are-dispatched", lookAtMs !== undefined, () => `${at()} without a dispatch entry`);
  check("only-running-runs-have-a-token", (info.status === "running") === (token !== undefined), () => `${at()} with token ${token}`);
  // A run that was told to stop needs none: nothing more can come of its deadline.
  const early = run.stop === undefined && world.clock.nowMs() < info.deadlineAtMs;
  check("live-runs-have-a-timer", !early || timerAtMs === info.deadlineAtMs, () => `${at()} without its deadline timer`);
}

function isAfter(id: string, earlier: string): boolean {
  const [time = 0, count = 0] = id.split("-").map(Number);
  const [earlierTime = 0, earlierCount = 0] = earlier.split("-").map(Number);
  return time > earlierTime || (time === earlierTime && count > earlierCount);
}
