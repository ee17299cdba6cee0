/** Followers of runs and of stops: one subscriber connection for all of them, opened by the first. */
import type { Redis } from "ioredis";
import type { StopReason } from "../protocol/attempt.ts";
import type { RunStore } from "../protocol/run-store.ts";
import { openSubscriber } from "./connection.ts";
import { answered, type StoreContext } from "./run-store-context.ts";

type Listener = (message: string | undefined) => void;
type Watches = Pick<RunStore, "watch" | "watchStops"> & { close(): Promise<void> };

export function createWatches({ redis, keys }: StoreContext): Watches {
  const listeners = new Map<string, Set<Listener>>();
  let subscriber: Redis | undefined;

  const open = (): Redis => {
    if (subscriber !== undefined) return subscriber;
    subscriber = openSubscriber(redis);
    subscriber.on("message", (channel: string, message: string) => {
      for (const listener of listeners.get(channel) ?? []) listener(message);
    });
    // Messages sent while the connection was away are lost: everyone reads again.
    subscriber.on("ready", () => {
      for (const set of listeners.values()) for (const listener of set) listener(undefined);
    });
    return subscriber;
  };

  const listen = async (channel: string, listener: Listener): Promise<() => Promise<void>> => {
    const set = listeners.get(channel) ?? new Set();
    listeners.set(channel, set.add(listener));
    const leave = async (): Promise<void> => {
      if (!set.delete(listener) || set.size > 0 || listeners.get(channel) !== set) return;
      listeners.delete(channel);
      await subscriber?.unsubscribe(channel).catch(() => {});
    };
    try {
      await answered(open().subscribe(channel));
    } catch (error) {
      set.delete(listener);
      throw error;
    }
    return leave;
  };

  return {
    watch: (runId, wake) => listen(keys.notifyChannel(runId), () => wake()),
    watchStops: (stop) =>
      listen(keys.stopsChannel(), (message) => {
        const told = message === undefined ? undefined : parseStop(message);
        if (told !== undefined) stop(told.runId, told.reason);
      }),
    close: async () => {
      listeners.clear();
      subscriber?.disconnect();
      subscriber = undefined;
    },
  };
}

function parseStop(message: string): { readonly runId: string; readonly reason: StopReason } | undefined {
  const [runId = "", reason] = message.split(" ");
  return reason === "cancelled" || reason === "expired" ? { runId, reason } : undefined;
}
