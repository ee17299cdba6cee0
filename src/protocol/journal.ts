/**
 * What a journal's keys and entries tell whoever does not run agents: producers make new runs out of them. The agents' side, which writes them,
 * is `src/agents/journal-entry.ts`.
 *
 * Keys: `m:<frame>:<n>` for the n-th model call of a frame (one frame is one SDK run, `0` the hop's own), `t:<callId>` for a tool call,
 * `a:<callId>…` for a person's decision on it that a worker accepted.
 */
import { z } from "zod";

export const TOP_FRAME = "0";
export const modelKey = (frame: string, index: number): string => `m:${frame}:${index}`;
export const toolKey = (callId: string): string => `t:${callId}`;

/** Which model call of the hop itself; undefined for every other key. */
export function topCallOf(key: string): number | undefined {
  const match = /^m:0:(\d+)$/.exec(key);
  return match === null ? undefined : Number(match[1]);
}

/** Of a call of the hop's own turn. */
const TOP_CALL_ID = /^[at]:call_h\d+a\d+t(\d+)_\d+(?:_[0-9a-z]+)?(?::\d+)?$/;

/** The hop whose model made a call; undefined for an id that no hop made. */
export function hopOfCall(callId: string): number | undefined {
  const [, hop] = /^call_h(\d+)a/.exec(callId) ?? [];
  return hop === undefined ? undefined : Number(hop);
}

/** Names one tool call to the outside, in every attempt and in every run that takes it over. */
export const idempotencyKeyOf = (root: string, callId: string): string => `${root}/${callId}`;

const entrySchema = z.looseObject({ turn: z.int().optional() });
const modelEntrySchema = z.looseObject({
  response: z.looseObject({ output: z.array(z.looseObject({ type: z.string().optional() })) }),
});
const callSchema = z.looseObject({ type: z.literal("function_call"), callId: z.string(), name: z.string(), arguments: z.string() });
const toolEntrySchema = z.looseObject({ denied: z.boolean().optional() });

/** The hop's turn in which an entry was made, counted from 0; undefined where nothing tells. */
export function turnOf(key: string, valueJson: string): number | undefined {
  const place = topCallOf(key) ?? entrySchema.parse(JSON.parse(valueJson)).turn;
  const [, inId] = TOP_CALL_ID.exec(key) ?? [];
  return place ?? (inId === undefined ? undefined : Number(inId));
}

/**
 * The entry as a new run takes it over. A model's answer is taken as given: the code may have changed since, and that is why a person
 * makes the run anew.
 */
export const asGiven = (key: string, valueJson: string): string =>
  key.startsWith("m:") ? JSON.stringify({ ...modelEntrySchema.parse(JSON.parse(valueJson)), given: true }) : valueJson;

const namedSchema = z.looseObject({ callId: z.string().optional(), id: z.string().optional() });

/** The ids by which people know the calls that models made, whether or not they ran. */
export const callIdsIn = (journal: ReadonlyMap<string, string>): string[] =>
  [...journal]
    .filter(([key]) => key.startsWith("m:"))
    .flatMap(([, valueJson]) => modelEntrySchema.parse(JSON.parse(valueJson)).response.output)
    .flatMap((item) => {
      const { callId, id } = namedSchema.parse(item);
      return callId ?? id ?? [];
    });

export interface JournaledCall {
  readonly tool: string;
  readonly arguments: string;
  readonly valueJson: string;
}

/** The tool calls of a journal that ran, in the order in which models made them. */
export function callsIn(journal: ReadonlyMap<string, string>): JournaledCall[] {
  const byTurn = [...journal].filter(([key]) => key.startsWith("m:")).sort(([a], [b]) => compareKeys(a, b));
  return byTurn.flatMap(([, valueJson]) =>
    modelEntrySchema.parse(JSON.parse(valueJson)).response.output.flatMap((item) => {
      const call = callSchema.safeParse(item);
      const result = call.success ? journal.get(toolKey(call.data.callId)) : undefined;
      if (!call.success || result === undefined || toolEntrySchema.parse(JSON.parse(result)).denied === true) return [];
      return [{ tool: call.data.name, arguments: call.data.arguments, valueJson: result }];
    }),
  );
}

const compareKeys = (a: string, b: string): number => a.localeCompare(b, "en", { numeric: true });
