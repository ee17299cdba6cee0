/** What second chances read of a source becomes typed values here. */
import { z } from "zod";
import { type RunInfo, standingDecisions } from "../protocol/run.ts";
import type { HopSnapshot, Recording } from "../protocol/seed.ts";
import { type Fields, INFO_FIELDS, parseBuild, parseDecisions } from "./record-parse.ts";

const recordingSchema = z.strictObject({ tool: z.string(), arguments: z.string(), valueJson: z.string() });

/** In the order of their numbers. */
export const parseRecordings = (stored: Fields): Recording[] =>
  Object.entries(stored)
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, value]) => recordingSchema.parse(JSON.parse(value)));

/** What `snapshot` reads beside `INFO_FIELDS`. */
export const SNAPSHOT_FIELDS = [
  ...INFO_FIELDS,
  "context",
  "settings",
  "maxHops",
  "turnsBefore",
  "itemsFrom",
  "itemsTo",
  "root",
  "rejectedKey",
  "conversationJson",
  "hopBuild",
] as const;

const hopStartSchema = z.object({ agent: z.string(), from: z.int(), to: z.int(), turnsBefore: z.int() });

/** A run as hop `hop` found it; undefined when the hop ended before hops were kept. */
export function parseSnapshot(
  info: RunInfo,
  hop: number,
  { fields, items, hops, journal, decisions }: Readonly<Record<"fields" | "hops" | "journal" | "decisions", Fields>> & { items: string[] },
): HopSnapshot | undefined {
  const kept = hops[hop];
  const { itemsTo } = fields;
  // The record says it of the last hop; a completed one has left its answer behind the transcript.
  const isLost = hop < info.hop || (info.status === "completed" && itemsTo === undefined);
  if (kept === undefined && isLost) return undefined;
  const present = {
    agent: info.agent,
    from: Number(fields["itemsFrom"] ?? 0),
    to: Number(itemsTo ?? items.length),
    turnsBefore: Number(fields["turnsBefore"]),
  };
  const { agent, from, to, turnsBefore } = kept === undefined ? present : hopStartSchema.parse(JSON.parse(kept));
  // A context is kept when it is overwritten: the next one that was kept is still this hop's.
  const contexts = Array.from({ length: info.hop - hop + 1 }, (_, index) => hops[`${hop + index}:context`]);
  return {
    info,
    hop,
    agent,
    turnsBefore,
    itemsJson: items.slice(from, to),
    contextJson: contexts.find((context) => context !== undefined) ?? fields["context"] ?? "{}",
    isFiltered: from > 0,
    conversationJson: fields["conversationJson"],
    hopBuild: fields["hopBuild"] === undefined ? undefined : parseBuild(fields["hopBuild"]),
    journal: new Map(Object.entries(journal)),
    decisions: standingDecisions(parseDecisions(decisions)),
    root: fields["root"] ?? info.runId,
    settingsJson: fields["settings"] ?? "{}",
    maxHops: Number(fields["maxHops"]),
    rejectedKey: fields["rejectedKey"],
  };
}
