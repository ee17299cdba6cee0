/**
 * `flotilla worker` as people start it: a supervisor in this process, the worker in a child. What a dead child held is put back into its
 * queue from here. This process loads neither the fleet file nor the Agents SDK; a test looks.
 */
import { createBullWakeQueue } from "../producers/bull-wake-queue.ts";
import { connectRedis } from "../redis/connection.ts";
import { createRedisRunStore } from "../redis/redis-run-store.ts";
import type { Log } from "../telemetry/log.ts";
import { startSupervisor, type SupervisorDeps } from "../workers/supervisor.ts";
import { type Child, spawnChild } from "../workers/supervisor-child.ts";
import type { FromSupervisor } from "../workers/supervisor-messages.ts";
import type { CliContext } from "./context.ts";
import { EXIT } from "./exit-codes.ts";
import { stopWords } from "./worker.ts";

export interface SupervisedWorker {
  readonly redisUrl: string;
  readonly prefix: string;
  /** Behind `flotilla`. */
  readonly args: readonly string[];
  readonly log: Log;
}

/** Resolves with the exit code of the worker. @throws FleetError WORKER_CRASHED */
export async function superviseWorker(context: CliContext, { redisUrl, prefix, args, log }: SupervisedWorker): Promise<number> {
  const { clock, cwd, env, io, self } = context;
  const [program, ...first] = self;
  const command = { program, args: [...first, ...args], cwd, env: { ...env, REDIS_URL: redisUrl } };
  // It gives up after seconds: the lease comes to the same end.
  const redis = connectRedis({ url: redisUrl, role: "producer", name: "supervisor" });
  const store = createRedisRunStore({ redis, clock, prefix });
  const queue = createBullWakeQueue({ redis, prefix });
  const takeBack: SupervisorDeps["takeBack"] = async (held, worker) => {
    const wakes = await store.takeBack(held, worker);
    if (wakes.length > 0) await queue.add(wakes);
    await store.withdraw(worker.workerId);
    return wakes.length;
  };
  const supervisor = startSupervisor(
    { clock, log, takeBack, startChild: (onMessage) => announced(context, spawnChild(command, clock, onMessage)) },
    { passingCodes: [EXIT.unreachable.code] },
  );
  context.onStop(
    (signal) => {
      io.say(stopWords(signal));
      supervisor.stop();
    },
    () => supervisor.stop(),
  );
  try {
    return await supervisor.ended;
  } finally {
    await queue.close();
    await store.close();
    redis.disconnect();
  }
}

/** Whoever started this process may want to know which one has the slots. */
function announced({ parent }: CliContext, child: Child): Child {
  const tell = (pid: number | null): void => parent?.send({ type: "child", pid } satisfies FromSupervisor);
  tell(child.pid ?? null);
  void child.ended.then(() => tell(null));
  return child;
}
