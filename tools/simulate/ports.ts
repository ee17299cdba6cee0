/** The ports as one simulated process reaches them: each call and each answer is a point, and a call may be lost, repeated or cut off. */
import type { LiveText, RunStore } from "../../src/protocol/run-store.ts";
import type { WakeQueue } from "../../src/protocol/wake-queue.ts";
import type { Actor, Scheduler } from "./scheduler.ts";

/** What becomes of one call over the wire. */
export type Fate = "arrives" | "lost-request" | "lost-reply" | "sent-twice";

export interface Wire {
  readonly scheduler: Scheduler;
  readonly fate: (actor: Actor, operation: string) => Fate;
}

export async function overTheWire<T>({ scheduler, fate }: Wire, actor: Actor, operation: string, work: () => Promise<T>): Promise<T> {
  await scheduler.point(actor, `→ ${operation}`);
  const what = fate(actor, operation);
  if (what !== "arrives") scheduler.note(`  ${actor.name} ${operation}: ${what}`);
  if (what === "lost-request") throw connectionClosed();
  let reply = await work();
  if (what === "sent-twice") {
    await scheduler.point(actor, `→ ${operation} again`);
    reply = await work();
  }
  await scheduler.point(actor, `← ${operation}`);
  if (what === "lost-reply") throw connectionClosed();
  return reply;
}

const connectionClosed = (): Error => Object.assign(new Error("Connection is closed."), { code: "ECONNRESET" });

/** Only who learns of it at once may be told: a watch is a subscription, whose messages may be lost. */
export interface Watching {
  readonly hears: () => boolean;
}

export function storeOverTheWire(store: RunStore, wire: Wire, actor: Actor, { hears }: Watching): RunStore {
  const send = <T>(operation: string, work: () => Promise<T>): Promise<T> => overTheWire(wire, actor, operation, work);
  return {
    ...store,
    submit: (submission) => send("submit", () => store.submit(submission)),
    submitMany: (submissions) => send("submitMany", () => store.submitMany(submissions)),
    begin: (command) => send(`begin wake ${command.wake}`, () => store.begin(command)),
    journal: (runId, hop) => send(`journal of hop ${hop}`, () => store.journal(runId, hop)),
    record: (fact) => send(`record ${fact.key}`, () => store.record(fact)),
    openIntent: (runId, token, intent) => send(`intent ${intent.callId}`, () => store.openIntent(runId, token, intent)),
    end: (command) => send(`end ${command.outcome.type}`, () => store.end(command)),
    renew: (held, leaseMs) => send("renew", () => store.renew(held, leaseMs)),
    cancel: (runId, retentionMs) => send("cancel", () => store.cancel(runId, retentionMs)),
    pause: (runId, note) => send("pause", () => store.pause(runId, note)),
    resume: (runId) => send("resume", () => store.resume(runId)),
    pauseScope: (scope, note) => send("pause scope", () => store.pauseScope(scope, note)),
    resumeScope: (scope) => send("resume scope", () => store.resumeScope(scope)),
    unpark: (scope, limit) => send("unpark", () => store.unpark(scope, limit)),
    resolve: (runId, callId, resolution, retentionMs) =>
      send(`resolve ${callId ?? "the replay"} ${resolution.type}`, () => store.resolve(runId, callId, resolution, retentionMs)),
    decide: (runId, callId, command) => send(`decide ${callId}`, () => store.decide(runId, callId, command)),
    announced: (runId, wake) => send("announced", () => store.announced(runId, wake)),
    get: (runId) => send("get", () => store.get(runId)),
    output: (runId) => send("output", () => store.output(runId)),
    items: (runId) => send("items", () => store.items(runId)),
    list: (query) => send("list", () => store.list(query)),
    events: (runId, afterId, limit) => send(`events`, () => store.events(runId, afterId, limit)),
    watch: (runId, wake) => send("watch", () => store.watch(runId, () => hears() && !actor.dead && wake())),
    watchStops: (stop) => send("watch stops", () => store.watchStops((runId, reason) => hears() && !actor.dead && stop(runId, reason))),
    due: (limit) => send("due", () => store.due(limit)),
    look: (runId, policy) => send(`look at ${runId.slice(-2)}`, () => store.look(runId, policy)),
    sweep: (limit) => send("sweep", () => store.sweep(limit)),
    announce: (worker, agents) => send("announce", () => store.announce(worker, agents)),
    withdraw: (workerId) => send("withdraw", () => store.withdraw(workerId)),
    workers: () => send("workers", () => store.workers()),
    agents: () => send("agents", () => store.agents()),
    takeBack: (held, policy) => send("take back", () => store.takeBack(held, policy)),
    close: async () => {},
  };
}

export const queueOverTheWire = (queue: WakeQueue, wire: Wire, actor: Actor): WakeQueue => ({
  ...queue,
  add: (wakes) =>
    overTheWire(wire, actor, `add ${wakes.map(({ runId, wake }) => `${runId.slice(-2)}:${wake}`).join(" ")}`, () => queue.add(wakes)),
  close: async () => {},
});

export const liveOverTheWire = (live: LiveText, wire: Wire, actor: Actor): LiveText => ({
  ...live,
  append: (runId, turn, attempt, chunk) => overTheWire(wire, actor, "live text", () => live.append(runId, turn, attempt, chunk)),
  read: (runId, turn, attempt, fromOffset) => overTheWire(wire, actor, "read live text", () => live.read(runId, turn, attempt, fromOffset)),
});
