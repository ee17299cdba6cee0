/**
 * What a follower has shown, and what it must show next. Pure: no store, no time.
 *
 * The text of a turn comes twice: live, as chunks of one attempt, and whole, in `turn.completed`. Each character is shown once.
 * A turn that was sampled anew says `turn.restarted` first, so that whoever draws can drop the old text.
 */
import { type Cursor, type FollowedEvent, formatCursor, type LiveEvent, type RunEvent } from "../protocol/events.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { LiveChunk, StoredEvent } from "../protocol/run-store.ts";

export interface FollowState {
  /** The turn whose live text comes next, and how far it was shown. */
  readonly position: Cursor;
  /** What a durable event shows. */
  event(stored: StoredEvent): FollowedEvent[];
  /** What chunks of the position's turn and attempt show. Stops at a gap: the finished text will fill it. */
  chunks(chunks: readonly LiveChunk[]): FollowedEvent[];
}

type TurnCompleted = Extract<RunEvent, { type: "turn.completed" }>;

export function createFollowState(after: Cursor): FollowState {
  let { eventId, attempt, offset } = after;
  let turn = Math.max(1, after.turn);
  // The head of the shown text, to compare with the finished one. Unknown behind a reconnect in the middle of a turn.
  let shown: string | undefined = offset === 0 ? "" : undefined;

  const position = (): Cursor => ({ eventId, turn, attempt, offset });
  const stamp = (event: RunEvent | LiveEvent): FollowedEvent => ({ ...event, cursor: formatCursor(position()) });

  const moveTo = (nextTurn: number, nextAttempt: number): void => {
    turn = nextTurn;
    attempt = nextAttempt;
    offset = 0;
    shown = "";
  };
  const show = (text: string): FollowedEvent => {
    offset += text.length;
    if (shown !== undefined && shown.length < LIMITS.eventTextChars) shown = (shown + text).slice(0, LIMITS.eventTextChars);
    return stamp({ type: "text.delta", turn, attempt, text });
  };
  const restart = (ofTurn: number, byAttempt: number): FollowedEvent => {
    moveTo(ofTurn, byAttempt);
    return stamp({ type: "turn.restarted", turn, attempt });
  };

  const continues = (event: TurnCompleted): boolean => {
    if (offset === 0) return true;
    return shown === undefined ? event.attempt === attempt : event.text.startsWith(shown);
  };

  const turnCompleted = (event: TurnCompleted, id: string): FollowedEvent[] => {
    const out: FollowedEvent[] = [];
    const liveAttempt = attempt;
    if (event.turn > turn) {
      // Events in between were trimmed. What was shown of the older turn will never be finished here.
      if (offset > 0) out.push(restart(turn, attempt));
      moveTo(event.turn, event.attempt);
    } else if (event.turn < turn) {
      // The journal of this turn was given up: it was sampled anew after it had been completed.
      if (offset > 0) out.push(restart(turn, attempt));
      out.push(restart(event.turn, event.attempt));
    } else if (!continues(event)) {
      out.push(restart(turn, event.attempt));
    }
    attempt = event.attempt;
    const rest = restOf(event.text, offset);
    if (rest !== "") out.push(show(rest));
    eventId = id;
    // A superseded attempt may have recorded this turn; the next one is still made by the newest.
    moveTo(event.turn + 1, Math.max(liveAttempt, event.attempt));
    out.push(stamp(event));
    return out;
  };

  const attemptStarted = (event: Extract<RunEvent, { type: "attempt.started" }>, id: string): FollowedEvent[] => {
    const out: FollowedEvent[] = [];
    if (event.attempt !== attempt) {
      if (offset > 0) out.push(restart(turn, event.attempt));
      moveTo(turn, event.attempt);
    }
    eventId = id;
    out.push(stamp(event));
    return out;
  };

  return {
    get position() {
      return position();
    },
    event({ id, event }) {
      if (event.type === "turn.completed") return turnCompleted(event, id);
      if (event.type === "attempt.started") return attemptStarted(event, id);
      eventId = id;
      return [stamp(event)];
    },
    chunks(chunks) {
      const out: FollowedEvent[] = [];
      for (const chunk of chunks.toSorted((a, b) => a.offset - b.offset)) {
        if (chunk.offset > offset) break;
        const fresh = chunk.text.slice(offset - chunk.offset);
        if (fresh !== "") out.push(show(fresh));
      }
      return out;
    },
  };
}

/** A finished text may be cut at the limit of an event; behind that only live text knows more. */
const restOf = (text: string, offset: number): string =>
  text.length > LIMITS.eventTextChars && offset >= LIMITS.eventTextChars ? "" : text.slice(offset);
