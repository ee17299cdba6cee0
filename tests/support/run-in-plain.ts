/** A run as every provider's would read: without ids, thinking, times and whatever else is one provider's own. */
import { expect } from "vitest";
import type { RunEvent } from "../../src/index.ts";
import type { RunHandle } from "../../src/producers/run-handle.ts";
import type { RunStore } from "../../src/protocol/run-store.ts";

type Ended = Awaited<ReturnType<RunHandle["result"]>>;
type Fields = Readonly<Record<string, unknown>>;

/** Follows the run to its end and reads all that is kept of it. */
export async function readRun(run: Pick<RunHandle, "id" | "events"> & { result(): Promise<Ended> }, store: RunStore) {
  const events: RunEvent[] = [];
  const texts = new Map<number, string>();
  for await (const event of run.events()) {
    if (event.type === "turn.restarted") texts.set(event.turn, "");
    else if (event.type === "text.delta") texts.set(event.turn, (texts.get(event.turn) ?? "") + event.text);
    else events.push(event);
    // What was shown while it came is what was said.
    if (event.type === "turn.completed") expect(texts.get(event.turn) ?? "").toBe(event.text);
  }
  const { status, usage, ...result } = await run.result();
  const { requests, inputTokens, cachedInputTokens, outputTokens } = usage;
  const journal = await Promise.all(
    [0, 1].map(async (hop) => [...(await store.journal(run.id, hop))].toSorted(([a], [b]) => a.localeCompare(b))),
  );
  return evenly({
    status,
    agent: "agent" in result ? result.agent : undefined,
    output: "output" in result ? result.output : undefined,
    usage: { requests, inputTokens, cachedInputTokens, outputTokens },
    items: (await store.items(run.id)).flatMap((json) => (JSON.parse(json) as Fields[]).flatMap(plainItem)),
    // Parallel tools may begin and end in any order.
    events: [
      ...events.filter(({ type }) => !isTools(type)).map(plainEvent),
      ...events
        .filter(({ type }) => isTools(type))
        .map(plainEvent)
        .toSorted(byCall),
    ],
    journal: journal.map((entries) => entries.map(([key, json]) => [key, plainEntry(JSON.parse(json) as Fields)])),
  });
}

/** A proxy may write a call's arguments anew, with other blanks, and a call's id tells its place behind thinking that not every door shows. */
function evenly<T>(value: T): T {
  const ids = new Map<string, string>();
  const text = JSON.stringify(value).replace(/call_h\da\d+(?:f\w+)?t\d+_\d+/g, (id) => {
    ids.set(id, ids.get(id) ?? `call-${ids.size}`);
    return ids.get(id) ?? id;
  });
  // A nested agent's place is named by its call's id.
  return JSON.parse(text.replace(/\b[0-9a-f]{12}\.\d+\b/g, "nested"), (key, inner: unknown) =>
    key === "arguments" && typeof inner === "string" ? JSON.stringify(JSON.parse(inner)) : inner,
  ) as T;
}

const isTools = (type: string): boolean => type.startsWith("tool.");
const byCall = (a: Fields, b: Fields): number =>
  JSON.stringify([a["callId"], a["type"]]).localeCompare(JSON.stringify([b["callId"], b["type"]]));

function plainItem({ id: _id, providerData: _data, status: _status, ...item }: Fields): Fields[] {
  if (item["type"] === "reasoning") return [];
  const { content } = item;
  if (!Array.isArray(content)) return [item];
  return [{ ...item, content: content.map(({ type, text }: Fields) => ({ type, text })) }];
}

const PROVIDERS_OWN = ["atMs", "durationMs", "model", "receipt", "worker", "fingerprint", "cursor"];

function plainEvent(event: RunEvent): Fields {
  const kept: Fields = Object.fromEntries(Object.entries(event).filter(([name]) => !PROVIDERS_OWN.includes(name)));
  const usage = kept["usage"] as Fields | undefined;
  return usage === undefined ? kept : { ...kept, usage: { ...usage, reasoningTokens: 0 } };
}

function plainEntry(entry: Fields): unknown {
  const response = entry["response"] as { readonly output: readonly Fields[] } | undefined;
  return response === undefined ? entry : { turn: entry["turn"], output: response.output.flatMap(plainItem) };
}
