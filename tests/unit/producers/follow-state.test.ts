/** Guards the cursor's promise (design 3): nothing missed, no text twice, across crashes, reconnects and lost live text. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createFollowState } from "../../../src/producers/follow-state.ts";
import { type FollowedEvent, parseCursor, type RunEvent, START } from "../../../src/protocol/events.ts";
import type { LiveChunk, StoredEvent } from "../../../src/protocol/run-store.ts";
import { NO_USAGE } from "../../../src/protocol/run.ts";

const base = { atMs: 0, hop: 0, agent: "triage" };

const started = (attempt: number): RunEvent => ({ type: "attempt.started", ...base, attempt, wake: 0, worker: "w" });
const completed = (turn: number, attempt: number, text: string): RunEvent => ({
  type: "turn.completed",
  ...base,
  turn,
  attempt,
  model: "m",
  text,
  toolCalls: [],
  usage: NO_USAGE,
  durationMs: 1,
});

/** One thing that happens in a run. */
type Step =
  | { readonly type: "event"; readonly event: RunEvent }
  | { readonly type: "live"; readonly turn: number; readonly attempt: number; readonly text: string }
  | { readonly type: "lose-live" }
  | { readonly type: "read" }
  | { readonly type: "read-few"; readonly take: number }
  | { readonly type: "reconnect" };

/** A run of some turns. Attempts die in the middle of a turn; a dead attempt's answer may be recorded late. */
const scenario = fc
  .array(
    fc.record({
      text: fc.string({ maxLength: 12 }),
      deaths: fc.array(fc.record({ partial: fc.string({ maxLength: 8 }), agrees: fc.boolean() }), { maxLength: 2 }),
      liveShare: fc.nat({ max: 12 }),
      recordedByDead: fc.boolean(),
      reads: fc.array(fc.constantFrom("read", "read-few", "reconnect", "lose-live", "none"), { minLength: 6, maxLength: 6 }),
    }),
    { minLength: 1, maxLength: 4 },
  )
  .map((turns) => {
    const steps: Step[] = [{ type: "event", event: started(1) }];
    const whole = new Map<number, string>();
    let attempt = 1;
    for (const [index, plan] of turns.entries()) {
      const turn = index + 1;
      const reads = [...plan.reads];
      const look = (): void => {
        const kind = reads.shift() ?? "none";
        if (kind === "read-few") steps.push({ type: kind, take: 1 });
        else if (kind !== "none") steps.push({ type: kind });
      };
      let deadAttempt: number | undefined;
      for (const death of plan.deaths) {
        const partial = death.agrees ? plan.text.slice(0, death.partial.length) : death.partial;
        // Only the attempt that recorded the turn must have shown a prefix of it.
        if (!plan.recordedByDead || death.agrees) steps.push({ type: "live", turn, attempt, text: partial });
        look();
        deadAttempt = attempt;
        attempt += 1;
        steps.push({ type: "event", event: started(attempt) });
        look();
      }
      const byDead = plan.recordedByDead && deadAttempt !== undefined;
      const live = byDead ? `${plan.text.slice(0, plan.liveShare)}~` : plan.text.slice(0, plan.liveShare);
      steps.push({ type: "live", turn, attempt, text: live });
      look();
      steps.push({ type: "event", event: completed(turn, byDead ? (deadAttempt ?? attempt) : attempt, plan.text) });
      whole.set(turn, plan.text);
      look();
    }
    steps.push({ type: "event", event: { type: "run.completed", ...base, output: "done" } }, { type: "read" });
    return { steps, whole };
  });

/** Plays a scenario against a follower that reconnects from its last cursor. */
function play(steps: readonly Step[]): { texts: Map<number, string>; events: RunEvent["type"][]; stored: RunEvent["type"][] } {
  const stored: StoredEvent[] = [];
  const live = new Map<string, string>();
  const texts = new Map<number, string>();
  const events: RunEvent["type"][] = [];
  let cursor = "0-0/0/0/0";
  let state = createFollowState(START);

  const draw = (out: readonly FollowedEvent[], take = Number.POSITIVE_INFINITY): boolean => {
    for (const event of out) {
      if (take-- <= 0) return false;
      cursor = event.cursor;
      if (event.type === "text.delta") texts.set(event.turn, (texts.get(event.turn) ?? "") + event.text);
      else if (event.type === "turn.restarted") texts.set(event.turn, "");
      else events.push(event.type);
    }
    return true;
  };
  const connect = (): void => {
    state = createFollowState(parseCursor(cursor));
  };
  const read = (): void => {
    const from = stored.findIndex(({ id }) => id === state.position.eventId) + 1;
    for (const entry of stored.slice(from)) draw(state.event(entry));
    const { turn, attempt, offset } = state.position;
    const text = live.get(`${turn}/${attempt}`);
    const chunks: LiveChunk[] =
      text === undefined
        ? []
        : [
            { offset: 0, text: text.slice(0, offset + 2) },
            { offset: 1, text: text.slice(1) },
          ];
    draw(state.chunks(chunks));
  };
  /** The connection breaks in the middle of what one event shows. */
  const readFew = (take: number): void => {
    const from = stored.findIndex(({ id }) => id === state.position.eventId) + 1;
    for (const entry of stored.slice(from)) if (!draw(state.event(entry), take)) break;
    connect();
  };

  for (const step of steps) {
    if (step.type === "event") stored.push({ id: `${stored.length + 1}-0`, event: step.event });
    else if (step.type === "live") live.set(`${step.turn}/${step.attempt}`, (live.get(`${step.turn}/${step.attempt}`) ?? "") + step.text);
    else if (step.type === "lose-live") live.clear();
    else if (step.type === "reconnect") connect();
    else if (step.type === "read-few") readFew(step.take);
    else read();
  }
  return { texts, events, stored: stored.map(({ event }) => event.type) };
}

describe("a follower", () => {
  test("shows every turn's text once and every event once, for any interleaving and any reconnect", () => {
    fc.assert(
      fc.property(scenario, ({ steps, whole }) => {
        const { texts, events, stored } = play(steps);
        for (const [turn, text] of whole) expect(texts.get(turn) ?? "").toBe(text);
        expect(events).toEqual(stored);
      }),
      { numRuns: 2_000 },
    );
  });

  test("drops the text of a dead attempt before it shows the next one's", () => {
    const state = createFollowState(START);
    state.event({ id: "1-0", event: started(1) });
    state.chunks([{ offset: 0, text: "Hel" }]);
    expect(state.event({ id: "2-0", event: started(2) })).toMatchObject([
      { type: "turn.restarted", turn: 1, attempt: 2, cursor: "1-0/1/2/0" },
      { type: "attempt.started", cursor: "2-0/1/2/0" },
    ]);
  });

  test("keeps what it showed when a superseded attempt recorded the same beginning", () => {
    const state = createFollowState(START);
    for (const attempt of [1, 2]) state.event({ id: `${attempt}-0`, event: started(attempt) });
    state.chunks([{ offset: 0, text: "Hel" }]);
    expect(state.event({ id: "3-0", event: completed(1, 1, "Hello") })).toMatchObject([
      { type: "text.delta", text: "lo", attempt: 1, cursor: "2-0/1/1/5" },
      { type: "turn.completed", cursor: "3-0/2/2/0" },
    ]);
  });

  test("restarts a turn that was completed before and is sampled anew", () => {
    const state = createFollowState(START);
    state.event({ id: "1-0", event: started(1) });
    state.event({ id: "2-0", event: completed(1, 1, "bad") });
    expect(state.event({ id: "3-0", event: completed(1, 1, "good") })).toMatchObject([
      { type: "turn.restarted", turn: 1 },
      { type: "text.delta", text: "good" },
      { type: "turn.completed" },
    ]);
  });

  test("stops at a gap in live text and fills it from the finished text", () => {
    const state = createFollowState(START);
    state.event({ id: "1-0", event: started(1) });
    expect(state.chunks([{ offset: 3, text: "lo" }])).toEqual([]);
    expect(state.event({ id: "2-0", event: completed(1, 1, "Hello") })).toMatchObject([{ text: "Hello" }, { type: "turn.completed" }]);
  });
});
