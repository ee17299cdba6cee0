/**
 * Ends this very process by SIGKILL at the n-th occurrence of one step of the protocol. Loaded with `node --import`, and only by the chaos
 * runs: it wraps what the fleet's seams are made of (ioredis' commands, BullMQ's queue and worker, fetch), so that `src` holds nothing for it.
 *
 * CHAOS_KILL_AT is `before:<step>#<n>` or `after:<step>#<n>`; see `point-model.ts` for the steps.
 */
import { isMainThread } from "node:worker_threads";

const target = process.env["CHAOS_KILL_AT"] ?? "";

// The heartbeat's thread inherits `--import`; its commands are no steps.
if (isMainThread && target !== "") await install();

async function install(): Promise<void> {
  const [{ Redis }, { Queue, Worker }, { SCRIPT_NAMES, scriptSource }, { createHash }] = await Promise.all([
    import("ioredis"),
    import("bullmq"),
    import("../../src/redis/scripts.ts"),
    import("node:crypto"),
  ]);
  const nameOf = new Map(SCRIPT_NAMES.map((name) => [createHash("sha1").update(scriptSource(name)).digest("hex"), name]));
  wrapCommands(Redis.prototype, (sha1) => nameOf.get(sha1));
  // One wake is added by itself, several as a bulk.
  for (const method of ["add", "addBulk"]) wrapMethod(Queue.prototype, method, "dispatch");
  wrapMethod(Worker.prototype, "processJob", "take");
  const fetched = globalThis.fetch;
  globalThis.fetch = (input, init) => {
    if (/\/(responses|chat\/completions)$/.test(urlOf(input))) reach("before", "call", count("call"));
    return fetched(input, init);
  };
}

const counts = new Map<string, number>();

function count(step: string): number {
  const next = (counts.get(step) ?? 0) + 1;
  counts.set(step, next);
  return next;
}

function reach(when: "before" | "after", step: string, occurrence: number): void {
  if (`${when}:${step}#${occurrence}` === target) process.kill(process.pid, "SIGKILL");
}

interface Command {
  readonly name: string;
  readonly args: readonly unknown[];
  readonly promise: Promise<unknown>;
}

type Send = (this: unknown, command: Command, ...rest: unknown[]) => unknown;

function wrapCommands(prototype: object, scriptName: (sha1: string) => string | undefined): void {
  // ioredis sends every command through this method, those of a pipeline too.
  const send = Reflect.get(prototype, "sendCommand") as Send;
  /** A command waits in a queue while it is offline, and is then sent again by the same method. */
  const seen = new WeakSet<Command>();
  const wrapped: Send = function (command, ...rest) {
    const step = seen.has(command) ? undefined : stepOf(command, scriptName);
    if (step === undefined) return send.call(this, command, ...rest);
    seen.add(command);
    const occurrence = count(step);
    reach("before", step, occurrence);
    const sent = send.call(this, command, ...rest);
    // Taken before the caller's own: nothing of the fleet runs between the answer and the end.
    void command.promise.then(
      () => reach("after", step, occurrence),
      () => undefined,
    );
    return sent;
  };
  Reflect.set(prototype, "sendCommand", wrapped);
}

const STEP_OF_SCRIPT: Readonly<Record<string, string>> = { submit: "submit", begin: "begin", "open-intent": "intent", end: "end" };

function stepOf({ name, args }: Command, scriptName: (sha1: string) => string | undefined): string | undefined {
  if (name !== "evalsha") return undefined;
  const script = scriptName(String(args[0])) ?? "";
  if (script !== "record") return STEP_OF_SCRIPT[script];
  // The short arguments travel as one JSON object, behind the keys. A journal's keys: m:… for a model's answer, t:… for a tool's result.
  const key = args
    .flat()
    .map((arg) => /"key":"([mtx]):/.exec(String(arg))?.[1])
    .find((kind) => kind !== undefined);
  if (key === undefined) throw new Error("A record script came without its journal key: the kill point no longer reads its arguments.");
  return key === "m" ? "journal" : "result";
}

type Method = (this: unknown, ...args: unknown[]) => Promise<unknown>;

function wrapMethod(prototype: object, name: string, step: string): void {
  const method = Reflect.get(prototype, name) as Method;
  const wrapped: Method = async function (...args) {
    const occurrence = count(step);
    reach("before", step, occurrence);
    const result = await method.apply(this, args);
    reach("after", step, occurrence);
    return result;
  };
  Reflect.set(prototype, name, wrapped);
}

const urlOf = (input: string | URL | Request): string => (input instanceof Request ? input.url : new URL(input).href).replace(/\?.*$/, "");
