/**
 * Watches the state of every run after each step, and keeps its own account of what happened: leases, tokens, journal, decisions. It is
 * told of commands by `observed-store.ts` and reads the store's state directly; it never writes.
 */
import { isFinal, NO_USAGE, type RunStatus, type Usage } from "../../src/protocol/run.ts";
import type { MemoryRun, MemoryWorld } from "../../src/testing/memory-run-state.ts";
import type { Checker } from "./invariants.ts";
import type { Outside } from "./outside.ts";
import { checkConversations, checkDispatch, checkEvents } from "./monitor-checks.ts";

export interface AttemptAccount {
  readonly token: string;
  readonly wake: number;
  readonly hop: number;
  /** The monitor's own count of commands when it began. */
  readonly beganAt: number;
  readonly actor: string;
}

/** What the monitor itself knows of a run. */
export interface Account {
  readonly runId: string;
  status: RunStatus;
  wake: number;
  finalStatus: RunStatus | undefined;
  eventsSeen: number;
  lastEventId: string;
  finalEvents: number;
  nextTurn: number;
  current: AttemptAccount | undefined;
  leaseUntilMs: number;
  readonly attempts: Map<string, AttemptAccount>;
  readonly settledWakes: Set<number>;
  readonly endReplies: Map<string, string>;
  /** `<hop> <key>` → value. */
  readonly journal: Map<string, string>;
  /** `<hop> <question>` → the journal key, and the command count of the write. */
  readonly answered: Map<string, { readonly key: string; readonly at: number }>;
  readonly decisions: Map<string, string>;
  readonly asked: Set<string>;
  /** `<actor> <callId>` of intents that were opened. */
  readonly opened: Set<string>;
  usage: Usage;
  turns: number;
  deaths: number;
  deathsInARow: number;
  retriesOfHop: number;
  resamplesOfHop: number;
  cancelAnswered: boolean;
}

export interface Limits {
  readonly leaseMs: number;
  readonly maxDeaths: number;
}

export interface Monitor {
  readonly checker: Checker;
  readonly world: MemoryWorld;
  readonly outside: Outside;
  readonly limits: Limits;
  readonly accounts: ReadonlyMap<string, Account>;
  /** How many commands there were. */
  commands: number;
  account(runId: string): Account;
  /** Looks at every run. */
  look(): void;
}

export function createMonitor(parts: Pick<Monitor, "checker" | "world" | "outside" | "limits">): Monitor {
  const accounts = new Map<string, Account>();
  const monitor: Monitor = {
    ...parts,
    accounts,
    commands: 0,
    account(runId) {
      const known = accounts.get(runId);
      if (known !== undefined) return known;
      const account = newAccount(runId);
      accounts.set(runId, account);
      return account;
    },
    look() {
      for (const [runId, run] of parts.world.runs) lookAt(monitor, monitor.account(runId), run);
      checkConversations(monitor);
    },
  };
  return monitor;
}

const newAccount = (runId: string): Account => ({
  runId,
  status: "queued",
  wake: 0,
  finalStatus: undefined,
  eventsSeen: 0,
  lastEventId: "0-0",
  finalEvents: 0,
  nextTurn: 1,
  current: undefined,
  leaseUntilMs: 0,
  attempts: new Map(),
  settledWakes: new Set(),
  endReplies: new Map(),
  journal: new Map(),
  answered: new Map(),
  decisions: new Map(),
  asked: new Set(),
  opened: new Set(),
  usage: NO_USAGE,
  turns: 0,
  deaths: 0,
  deathsInARow: 0,
  retriesOfHop: 0,
  resamplesOfHop: 0,
  cancelAnswered: false,
});

function lookAt(monitor: Monitor, account: Account, run: MemoryRun): void {
  const { info } = run;
  const { check } = monitor.checker;
  const at = (): string => `run ${info.runId}`;
  check(
    "final-state-sticks",
    account.finalStatus === undefined || account.finalStatus === info.status,
    () => `${at()}: ${account.finalStatus} became ${info.status}`,
  );
  check(
    "wake-numbers-increase",
    info.wake === account.wake || info.wake === account.wake + 1,
    () => `${at()}: wake ${account.wake} became ${info.wake}`,
  );
  // A new wake is a new occasion: whoever ran before is superseded.
  const requeued = info.status === "queued" && account.status === "running";
  check(
    "wake-numbers-increase",
    !requeued || info.wake === account.wake + 1,
    () => `${at()}: queued again under the same wake ${info.wake}`,
  );
  checkEvents(monitor, account, run);
  checkDispatch(monitor, account, run);
  checkBounds(monitor, account, run);
  checkAnswers(monitor, account, run);
  if (info.status !== "running") account.current = undefined;
  account.status = info.status;
  account.wake = info.wake;
  if (isFinal(info.status)) account.finalStatus ??= info.status;
  const finals = account.finalEvents;
  check("one-final-event", finals === (isFinal(info.status) ? 1 : 0), () => `${at()} is ${info.status} with ${finals} final events`);
}

function checkBounds({ checker, limits }: Monitor, account: Account, { info, resamples, maxHops }: MemoryRun): void {
  const { check } = checker;
  const at = `run ${info.runId}`;
  check("deaths-are-bounded", account.deathsInARow <= limits.maxDeaths + 1, () => `${at}: ${account.deathsInARow} deaths in a row`);
  check("retries-are-bounded", account.retriesOfHop <= 8 && info.retries <= 8, () => `${at}: ${account.retriesOfHop} retries`);
  check("resamples-are-bounded", account.resamplesOfHop <= 2 && resamples <= 2, () => `${at}: ${account.resamplesOfHop} resamples`);
  check("handoffs-are-bounded", info.hop <= maxHops, () => `${at}: hop ${info.hop} of ${maxHops}`);
  check("turn-count-is-the-journal", info.turns === account.turns, () => `${at}: ${info.turns} turns, ${account.turns} journaled`);
  const same = JSON.stringify(info.usage) === JSON.stringify(account.usage);
  check("usage-is-the-sum-of-the-journal", same, () => `${at}: ${JSON.stringify(info.usage)}, journaled ${JSON.stringify(account.usage)}`);
  const stopped = account.cancelAnswered && info.status === "completed";
  check("cancelled-runs-do-not-complete", !stopped, () => `${at} completed after its cancel was answered`);
}

function checkAnswers({ checker }: Monitor, account: Account, run: MemoryRun): void {
  for (const [callId, decision] of account.decisions) {
    const stored = JSON.stringify(run.decisions.get(callId));
    checker.check("decisions-are-write-once", stored === decision, () => `run ${account.runId}: ${callId} was ${decision}, is ${stored}`);
  }
  for (const callId of account.asked) {
    const there = isFinal(run.info.status) || run.approvals.has(callId) || run.decisions.has(callId);
    checker.check("approvals-are-not-lost", there, () => `run ${account.runId}: the question about ${callId} is gone`);
  }
}

/** What must not change where nothing may be decided. */
export const snapshotOf = (run: MemoryRun | undefined): string =>
  run === undefined
    ? ""
    : `${JSON.stringify(run.info)} ${run.events.length} ${run.items.length} ${run.intents.size} ${run.lookAtMs} ${run.outputJson?.length}`;
