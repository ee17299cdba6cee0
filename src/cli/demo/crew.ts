/** The demo's worker processes: started, counted, and one of them killed. */
import { mkdirSync, createWriteStream } from "node:fs";
import path from "node:path";
import { FleetError } from "../../protocol/errors.ts";
import type { RunStore } from "../../protocol/run-store.ts";
import { type Child, endChild, startSelf } from "../children.ts";
import type { CliContext } from "../context.ts";
import type { Env } from "../settings.ts";

export interface CrewOptions {
  readonly size: number;
  readonly slots: number;
  readonly fleetFile: string;
  readonly env: Env;
  readonly logDir: string;
}

export interface Crew extends AsyncDisposable {
  /** Resolves when every worker has announced itself. @throws FleetError when one ended instead. */
  ready(store: RunStore, signal: AbortSignal): Promise<void>;
  /** SIGKILLs the busiest worker and its supervisor together, as a lost machine would. Returns its name. */
  killOne(store: RunStore): Promise<string>;
  /** `worker 1` … by the id under which a worker announces itself. */
  nameOf(workerId: string): string;
}

const LOOK_EVERY_MS = 50;
const READY_WITHIN_MS = 60_000;
const END_GRACE_MS = 5_000;

export function startCrew(context: CliContext, { size, slots, fleetFile, env, logDir }: CrewOptions): Crew {
  mkdirSync(logDir, { recursive: true });
  const names = new Map<string, string>();
  const crew = new Map<string, Child>();
  const hire = (): string => {
    const name = `worker ${crew.size + 1}`;
    const log = createWriteStream(path.join(logDir, `${name.replace(" ", "-")}.log`));
    const args = ["worker", "--fleet", fleetFile, "--concurrency", String(slots)];
    crew.set(name, startSelf(context, args, { env, onLine: (line) => log.write(`${line}\n`) }));
    return name;
  };
  for (let index = 0; index < size; index++) hire();

  const nameByPid = async (store: RunStore): Promise<Map<string, { name: string; busy: number }>> => {
    const found = new Map<string, { name: string; busy: number }>();
    for (const worker of await store.workers()) {
      const name = [...crew].find(([, { pids }]) => pids.has(worker.pid))?.[0];
      if (name === undefined) continue;
      names.set(worker.workerId, name);
      found.set(worker.workerId, { name, busy: worker.busy });
    }
    return found;
  };

  return {
    nameOf: (workerId) => names.get(workerId) ?? workerId,
    async ready(store, signal) {
      let ended: string | undefined;
      for (const [name, child] of crew) void child.ended.then((how) => (ended ??= `${name} ended (${how})`));
      const untilMs = context.clock.nowMs() + READY_WITHIN_MS;
      while (!signal.aborted && (await nameByPid(store)).size < size) {
        if (ended !== undefined || context.clock.nowMs() > untilMs) {
          throw new FleetError("NO_WORKERS", `The demo's workers did not start: ${ended ?? "none answered"}.`, {
            at: logDir,
            remedy: `read the logs in ${logDir}`,
          });
        }
        await context.clock.sleep(LOOK_EVERY_MS, signal);
      }
    },
    async killOne(store) {
      const byId = await nameByPid(store);
      const [busiest] = [...byId.values()].toSorted((a, b) => b.busy - a.busy);
      const name = busiest?.name ?? "worker 1";
      const child = crew.get(name);
      child?.kill("SIGKILL");
      await child?.ended;
      // Somebody has to go on.
      if (size === 1) hire();
      return name;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...crew.values()].map((child) => endChild(child, context, END_GRACE_MS)));
    },
  };
}
