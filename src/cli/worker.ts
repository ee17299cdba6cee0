/**
 * A worker process: its signals and its end.
 *
 * The Agents SDK, when it is imported, listens to SIGINT, SIGTERM and unhandled rejections and ends the process where nobody else listens.
 * So ours are there first, and stay until the process has ended.
 */
import { createHeldReport, type HeldReport } from "../workers/held-report.ts";
import { toChildSchema } from "../workers/supervisor-messages.ts";
import type { CliContext } from "./context.ts";
import { EXIT } from "./exit-codes.ts";
import type { CliFleet, CliWorkerOptions } from "./fleet-port.ts";

/** How long a durable step may take to finish after the first signal. */
export const SHUTDOWN_GRACE_MS = 25_000;

export interface WorkerProcess {
  /** Imports the user's code, and with it the SDK. */
  readonly loadFleet: () => Promise<CliFleet>;
  readonly options: CliWorkerOptions;
  /** The parent is a supervisor: it hears what is held, and alone decides how to stop. */
  readonly isSupervised: boolean;
}

/** Runs a worker until a signal. Resolves with the exit code when it has released everything. */
export async function runWorker(context: CliContext, { loadFleet, options, isSupervised }: WorkerProcess): Promise<number> {
  const { io } = context;
  let exitCode: number = EXIT.ok.code;
  const stop = new AbortController();
  const release = new AbortController();
  if (isSupervised) obeySupervisor(context, stop, release);
  else obeySignals(context, stop, release);
  context.onUnhandled((reason) => {
    // An unknown state: what runs is released, and another process takes it over.
    io.say(`Unhandled rejection: ${reason instanceof Error ? (reason.stack ?? reason.message) : String(reason)}`);
    exitCode = EXIT.failed.code;
    release.abort();
    stop.abort();
  });

  const fleet = await loadFleet();
  const worker = await fleet.worker({ ...options, endStalledProcess: true, ...(isSupervised ? reportTo(context) : {}) });
  await Promise.race([aborted(stop.signal), worker.closed]);
  const gently = worker.close({ graceMs: release.signal.aborted ? 0 : SHUTDOWN_GRACE_MS });
  // The second close overtakes the first: nothing is waited for any more.
  await Promise.race([gently, aborted(release.signal).then(() => worker.close({ graceMs: 0 }))]);
  return exitCode;
}

function obeySignals(context: CliContext, stop: AbortController, release: AbortController): void {
  context.onStop(
    (signal) => {
      context.io.say(stopWords(signal));
      stop.abort();
    },
    () => release.abort(),
  );
}

/**
 * systemd and a terminal signal each process of a group, and the supervisor passes its own signal on: counted here, one Ctrl-C would be two.
 * So a signal, like the supervisor's death, is only ever a gentle wish, and the second wish is the supervisor's to send.
 */
function obeySupervisor(context: CliContext, stop: AbortController, release: AbortController): void {
  context.onStop((why) => {
    // A signal was told by the supervisor.
    if (!why.startsWith("SIG")) context.io.say(stopWords(why));
    stop.abort();
  });
  context.parent?.onMessage((raw) => {
    const message = toChildSchema.safeParse(raw);
    if (!message.success) return;
    if (message.data.atOnce) release.abort();
    stop.abort();
  });
}

function reportTo({ parent }: CliContext): { readonly report?: HeldReport } {
  return parent === undefined ? {} : { report: createHeldReport((message, sent) => parent.send(message, sent)) };
}

export const stopWords = (signal: string): string =>
  `${signal}: taking no more; finishing the durable step of what runs. Again: release at once.`;

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
