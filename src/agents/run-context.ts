/**
 * The user's context across attempts. A tool that writes to the context is skipped on replay, so what it wrote must come out of the
 * journal; a later tool would otherwise charge customer "undefined". Only plain JSON travels: what the fleet's `context` factory added
 * (connections, clients) is made anew in each worker and never stored.
 */
import { encodeJson, type Json } from "../protocol/json.ts";
import { LIMITS } from "../protocol/limits.ts";

/** Top-level keys that changed. `null` in `set` is a value; a key that is gone stands in `removed`. */
export interface ContextPatch {
  readonly set: Readonly<Record<string, Json | undefined>>;
  readonly removed: readonly string[];
  /** Which change of the hop it was. Parallel tools are replayed in the order of their calls, not of their changes. */
  readonly order?: number | undefined;
}

export interface TrackedContext {
  /** What tools see as `runContext.context`. */
  readonly value: Record<string, unknown>;
  /** What changed since the last call, or undefined. @throws FleetError CONTEXT_NOT_SERIALISABLE | INPUT_TOO_LARGE */
  takePatch(): ContextPatch | undefined;
  applyPatch(patch: ContextPatch): void;
  /** The serialisable part as JSON text. @throws FleetError as `takePatch` */
  encode(): string;
}

/**
 * @param stored the context as the run's record holds it
 * @param made what the fleet's factory returned for it; its keys that `stored` lacks are live objects and never stored
 */
export function trackContext(stored: Readonly<Record<string, unknown>>, made: Record<string, unknown>): TrackedContext {
  const live = new Set(Object.keys(made).filter((key) => !(key in stored)));
  let last = snapshot(made, live);
  let order = 0;
  /** By key: the change it was last touched by. */
  const touched = new Map<string, number>();
  const isNewer = (key: string, change: number): boolean => {
    if (change < (touched.get(key) ?? 0)) return false;
    touched.set(key, change);
    return true;
  };
  return {
    value: made,
    takePatch() {
      const now = snapshot(made, live);
      const set: Record<string, Json> = {};
      for (const [key, text] of now) if (last.get(key) !== text) set[key] = JSON.parse(text);
      const removed = [...last.keys()].filter((key) => !now.has(key));
      last = now;
      const keys = [...Object.keys(set), ...removed];
      if (keys.length === 0) return undefined;
      order += 1;
      for (const key of keys) touched.set(key, order);
      return { set, removed, order };
    },
    applyPatch(patch) {
      const change = patch.order ?? order + 1;
      order = Math.max(order, change);
      for (const [key, value] of Object.entries(patch.set)) if (isNewer(key, change)) made[key] = structuredClone(value);
      for (const key of patch.removed) if (isNewer(key, change)) delete made[key];
      last = snapshot(made, live);
    },
    encode: () => encodeJson(plain(made, live), { at: "context", maxBytes: LIMITS.contextBytes, notJson: "CONTEXT_NOT_SERIALISABLE" }),
  };
}

function plain(context: Record<string, unknown>, live: ReadonlySet<string>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(context).filter(([key, value]) => !live.has(key) && value !== undefined));
}

function snapshot(context: Record<string, unknown>, live: ReadonlySet<string>): Map<string, string> {
  const limits = { maxBytes: LIMITS.contextBytes, notJson: "CONTEXT_NOT_SERIALISABLE" } as const;
  return new Map(Object.entries(plain(context, live)).map(([key, value]) => [key, encodeJson(value, { ...limits, at: `context.${key}` })]));
}
