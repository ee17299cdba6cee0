/**
 * A worker process: its signals and its end.
 *
 * The Agents SDK, when it is imported, listens to SIGINT, SIGTERM and unhandled rejections and ends the process where nobody else listens.
 * So ours are there first, and stay until the process has ended.
 */
import type { CliContext } from "./context.ts";
import { EXIT } from "./exit-codes.ts";
import type { CliFleet, CliWorkerOptions } from "./fleet-port.ts";

/** How long a durable step may take to finish after the first signal. */
export const SHUTDOWN_GRACE_MS = 25_000;

export interface WorkerProcess {
  /** Imports the user's code, and with it the SDK. */
  readonly loadFleet: () => Promise<CliFleet>;
  readonly options: CliWorkerOptions;
}

/** Runs a worker until a signal. Resolves with the exit code when it has released everything. */
export async function runWorker(context: CliContext, { loadFleet, options }: WorkerProcess): Promise<number> {
  const { io } = context;
  let exitCode: number = EXIT.ok.code;
  const release = new AbortController();
  const asked = new Promise<void>((resolve) => {
    context.onStop(
      (signal) => {
        io.say(`${signal}: taking no more; finishing the durable step of what runs. Again: release at once.`);
        resolve();
      },
      () => release.abort(),
    );
    context.onUnhandled((reason) => {
      // An unknown state: what runs is released, and another process takes it over.
      io.say(`Unhandled rejection: ${reason instanceof Error ? (reason.stack ?? reason.message) : String(reason)}`);
      exitCode = EXIT.failed.code;
      release.abort();
      resolve();
    });
  });

  const fleet = await loadFleet();
  const worker = await fleet.worker(options);
  await Promise.race([asked, worker.closed]);
  const atOnce = new Promise<void>((resolve) => {
    if (release.signal.aborted) resolve();
    release.signal.addEventListener("abort", () => resolve(), { once: true });
  });
  const gently = worker.close({ graceMs: release.signal.aborted ? 0 : SHUTDOWN_GRACE_MS });
  // The second close overtakes the first: nothing is waited for any more.
  await Promise.race([gently, atOnce.then(() => worker.close({ graceMs: 0 }))]);
  return exitCode;
}
