/**
 * Owns every wait of a simulation. A simulated process waits at points; nothing goes on until the scheduler says so, and the scheduler is
 * told by a seeded generator. A process dies by never being told again. Time stands still between the scheduler's moves.
 */
import { createHash } from "node:crypto";
import type { Clock } from "../../src/clock.ts";

/** One simulated process, or one caller. */
export interface Actor {
  readonly name: string;
  /** The run it works on, for reading traces. */
  about: string;
  dead: boolean;
}

export interface Point {
  readonly actor: Actor;
  readonly label: string;
  atMs: number;
  readonly go: () => void;
}

export interface Scheduler {
  readonly nowMs: number;
  readonly trace: readonly string[];
  actor(name: string, about?: string): Actor;
  /** Waits for the scheduler. Never resolves for the dead. */
  point(actor: Actor, label: string): Promise<void>;
  /** A clock whose sleeps are points that become ready at their time. */
  clockOf(actor: Actor): Clock;
  /** Points whose time has come. */
  ready(): Point[];
  /** When the next sleeper is due. */
  nextAtMs(): number | undefined;
  moveTo(atMs: number): void;
  go(point: Point): void;
  kill(actor: Actor): void;
  /** Holds everything back that the actor waits for now, as a paused machine or a collection of garbage does. */
  pause(actor: Actor, untilMs: number): void;
  note(line: string): void;
  /** Lets everything run until it waits at a point again. */
  quiet(): Promise<void>;
  traceHash(): string;
}

export const START_MS = 1_700_000_000_000;

export function createScheduler(): Scheduler {
  let nowMs = START_MS;
  const points = new Set<Point>();
  const trace: string[] = [];
  const add = (actor: Actor, label: string, atMs: number, go: () => void): Point => {
    const point: Point = { actor, label, atMs, go };
    if (!actor.dead) points.add(point);
    return point;
  };
  return {
    get nowMs() {
      return nowMs;
    },
    trace,
    actor: (name, about = "") => ({ name, about, dead: false }),
    point: (actor, label) => new Promise((resolve) => add(actor, label, nowMs, resolve)),
    clockOf: (actor) => ({ nowMs: () => nowMs, sleep: (ms, signal) => sleep(ms, signal, actor) }),
    ready: () => [...points].filter(({ atMs }) => atMs <= nowMs),
    nextAtMs() {
      const times = [...points].filter(({ atMs }) => atMs > nowMs).map(({ atMs }) => atMs);
      return times.length === 0 ? undefined : Math.min(...times);
    },
    moveTo(atMs) {
      nowMs = Math.max(nowMs, atMs);
    },
    go(point) {
      points.delete(point);
      trace.push(`${nowMs - START_MS} ${point.actor.name}${point.actor.about === "" ? "" : ` (${point.actor.about})`} ${point.label}`);
      point.go();
    },
    kill(actor) {
      actor.dead = true;
      for (const point of points) if (point.actor === actor) points.delete(point);
    },
    pause(actor, untilMs) {
      for (const point of points) if (point.actor === actor) point.atMs = Math.max(point.atMs, untilMs);
    },
    note: (line) => trace.push(`${nowMs - START_MS} ${line}`),
    quiet: () => new Promise((resolve) => setImmediate(resolve)),
    traceHash: () => createHash("sha256").update(trace.join("\n")).digest("hex").slice(0, 16),
  };

  function sleep(ms: number, signal: AbortSignal | undefined, actor: Actor): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const wake = (): void => {
        points.delete(point);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      const point = add(actor, "wakes up", nowMs + Math.ceil(ms), wake);
      signal?.addEventListener("abort", wake, { once: true });
    });
  }
}
