/** What the process tests share: a provider that can be held, an effects file, a prefix of their own, a producer. */
import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { inject } from "vitest";
import type { FakeCall, FakeReply, FakeRule } from "../../src/testing/fake-provider.ts";
import { startFakeProvider } from "../../src/testing/fake-provider.ts";
import { createProducer } from "../../src/producer.ts";
import type { fleet } from "./fleets/promise-fleet.ts";
import { startWorker, type WorkerProcess, type WorkerProcessOptions } from "./processes.ts";

export interface Gate {
  /** Resolves when a call waits at the gate. */
  readonly reached: Promise<void>;
  open(): void;
  wait(): Promise<void>;
}

export function createGate(): Gate {
  const reached = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  return {
    reached: reached.promise,
    open: opened.resolve,
    wait: async () => {
      reached.resolve();
      await opened.promise;
    },
  };
}

/** The usual way of a run: the opener writes its effect, hands off; the closer writes its own and answers. */
export function usualReply(call: FakeCall): FakeReply {
  if (call.model === "opener-model") {
    return call.toolResults.length === 0
      ? { toolCalls: [{ name: "repeatable", arguments: {} }] }
      : { toolCalls: [{ name: "transfer_to_closer", arguments: {} }] };
  }
  // A call of the second hop, of whichever attempt.
  if (/call_h1a\d+t0/.test(JSON.stringify(call.body))) return { text: "All is written, and this answer is streamed in several pieces." };
  return { toolCalls: [{ name: "undeclared", arguments: {} }] };
}

export async function setup(reply: FakeRule = usualReply, { latencyMs = 0 }: { readonly latencyMs?: number } = {}) {
  const provider = await startFakeProvider({ reply, latencyMs });
  const prefix = `t${randomUUID().slice(0, 8)}`;
  const effectsFile = path.join(mkdtempSync(path.join(tmpdir(), "flotilla-effects-")), "effects.txt");
  const env = {
    REDIS_URL: inject("redisUrl"),
    FLOTILLA_PREFIX: prefix,
    OPENAI_API_KEY: "test-key",
    OPENAI_BASE_URL: provider.url,
    EFFECTS_FILE: effectsFile,
  };
  const producer = createProducer<typeof fleet>({ redis: env.REDIS_URL, prefix });
  const workers: WorkerProcess[] = [];
  return {
    provider,
    producer,
    prefix,
    env,
    effects: (): string[] => {
      try {
        return readFileSync(effectsFile, "utf8").trim().split("\n");
      } catch {
        return [];
      }
    },
    worker: async (options: Partial<WorkerProcessOptions> = {}) => {
      const worker = await startWorker({ ...options, env: { ...env, ...options.env } });
      workers.push(worker);
      return worker;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(workers.map((worker) => worker[Symbol.asyncDispose]()));
      await producer.close();
      await provider[Symbol.asyncDispose]();
    },
  };
}
