/** Makes a submission out of what a caller passed: validated, bounded, hashed. Knows no store. */
import { createHash } from "node:crypto";
import { z } from "zod";
import { FleetError } from "../protocol/errors.ts";
import { conversationIdSchema, DEFAULT_TENANT, idempotencyKeySchema, tagsSchema, tenantSchema } from "../protocol/ids.ts";
import { prioritySchema } from "../protocol/job.ts";
import { encodeJson, type Json } from "../protocol/json.ts";
import { LIMITS } from "../protocol/limits.ts";
import { checkInput, type InputSchema } from "../protocol/structured-input.ts";
import type { Submission } from "../protocol/submission.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;

/** The longest a run may live, and the default. */
export const MAX_DEADLINE_MS = 30 * DAY_MS;

export const SUBMIT_DEFAULTS = {
  tenant: DEFAULT_TENANT,
  priority: "normal",
  delayMs: 0,
  deadlineMs: MAX_DEADLINE_MS,
  maxHops: 32,
} as const;

export const submitOptionsSchema = z.strictObject({
  /** Whose run it is: limits, credentials and lists are kept apart by it. Default `default`. */
  tenant: tenantSchema.optional(),
  /** The same key with the same input finds the run that is there; with another input it is a conflict. */
  idempotencyKey: idempotencyKeySchema.optional(),
  /** Default `normal`. */
  priority: prioritySchema.optional(),
  /** The run is not started before this many milliseconds have passed. Default 0. */
  delayMs: z.int().min(0).max(MAX_DEADLINE_MS).optional(),
  /** The run ends as `expired` after this many milliseconds. Default and maximum 30 days. */
  deadlineMs: z.int().min(1).max(MAX_DEADLINE_MS).optional(),
  /** Stored with the run and given back with its record; the fleet does not read it. */
  metadata: z.record(z.string().max(128), z.unknown()).optional(),
  /** What the run's costs are added up by, beside its agents and models: few names that come again, such as a project's. Never sealed. */
  tags: tagsSchema.optional(),
  /** What the run's tools need to know; plain JSON, given to the fleet's `context` in the worker. */
  context: z.record(z.string().max(128), z.unknown()).optional(),
  /** Settings of the agent for this run, such as the schema of its output. */
  settings: z.record(z.string().max(128), z.unknown()).optional(),
  /**
   * The conversation that the run is part of: it waits for earlier runs of it, is shown what they left, and adds to it when it completes.
   * The same id of two tenants are two conversations. Not together with `delayMs`.
   */
  conversation: conversationIdSchema.optional(),
  /** `deny`: no tool runs, the model is told so; what runs at the provider is not offered. Default `live`. */
  tools: z.enum(["live", "deny"]).optional(),
  /** The model of every turn, in place of the agents' own. */
  model: z.string().min(1).max(256).optional(),
  /** How often the run may change hands. Default 32. */
  maxHops: z.int().min(1).max(1_000).optional(),
});
export type SubmitOptions = Readonly<z.input<typeof submitOptionsSchema>>;

const itemsSchema = z.array(z.looseObject({})).min(1).max(1_000);
const inputSchema = z.union([z.string().min(1), itemsSchema], {
  error: "expected a text that is not empty, or an array of 1 to 1000 input items",
});
/** For an agent whose code is elsewhere, and whose worker knows whether it takes an object. */
const anyInputSchema = z.union([z.string().min(1), itemsSchema, z.record(z.string(), z.unknown())], {
  error: "expected a text that is not empty, an array of 1 to 1000 input items, or an object",
});

/** What the producer knows of an agent's input: its schema, that it has none, or nothing. */
export type KnownInput = InputSchema | "text" | undefined;

/** A submission without what only the producer knows: its id and its queue. */
export type SubmissionDraft = Omit<Submission, "runId" | "queue">;

/**
 * Checks an input and its options, and encodes them.
 * @throws FleetError INPUT_INVALID, INPUT_TOO_LARGE or CONTEXT_NOT_SERIALISABLE; `at` begins with `path`.
 */
export function draftSubmission(agent: string, input: unknown, options: unknown, path = "", known?: KnownInput): SubmissionDraft {
  const { metadata = {}, tags = [], context = {}, settings = {}, idempotencyKey, ...chosen } = parse(submitOptionsSchema, options, path);
  const { conversation, delayMs = 0, tools = "live", model } = chosen;
  if (conversation !== undefined && delayMs > 0) throw delayedTurn(path);
  const items = itemsOf(input, known, agent, `${path}input`);

  const itemsJson = encodeJson(items, { at: `${path}input`, maxBytes: LIMITS.inputBytes });
  const contextJson = encodeJson(context, { at: `${path}context`, maxBytes: LIMITS.contextBytes, notJson: "CONTEXT_NOT_SERIALISABLE" });
  const settingsJson = encodeJson(settings, { at: `${path}settings`, maxBytes: LIMITS.contextBytes });
  const metadataJson = encodeJson(metadata, { at: `${path}metadata`, maxBytes: LIMITS.metadataBytes });

  return {
    ...SUBMIT_DEFAULTS,
    ...defined(chosen),
    ...(tags.length === 0 ? {} : { tags: [...new Set(tags)].toSorted() }),
    agent,
    itemsJson,
    contextJson,
    metadataJson,
    settingsJson,
    ...(idempotencyKey === undefined
      ? { inputHash: "" }
      : {
          idempotencyKey,
          inputHash: hashOf([
            agent,
            ...[itemsJson, contextJson, settingsJson].map(jsonOf),
            ...placeOf(conversation),
            ...mannerOf(tools, model),
          ]),
        }),
  };
}

// Their texts were written by `encodeJson`.
const jsonOf = (text: string): Json => JSON.parse(text) as Json;
const placeOf = (conversation: string | undefined): Json[] => (conversation === undefined ? [] : [{ conversation }]);

/** Nothing where it is the usual, so that keys from before mean the same. */
const mannerOf = (tools: string, model: string | undefined): Json[] =>
  tools === "live" && model === undefined ? [] : [{ tools, ...(model === undefined ? {} : { model }) }];

const delayedTurn = (path: string): FleetError =>
  new FleetError("INPUT_INVALID", "Expected no delayMs together with conversation: everybody behind the run would wait as long.", {
    at: `${path}delayMs`,
    remedy: "submit the run when its time has come",
  });

function itemsOf(input: unknown, known: KnownInput, agent: string, at: string): readonly object[] {
  if (typeof known === "object") checkInput(known, input, agent, at);
  const given = typeof known === "object" ? input : parse<unknown>(known === "text" ? inputSchema : anyInputSchema, input, at);
  // The schemas above let no other array through, and an agent's own schema lets none.
  if (Array.isArray(given)) return given as readonly object[];
  const content = typeof given === "string" ? given : encodeJson(given, { at, maxBytes: LIMITS.inputBytes });
  return [{ type: "message", role: "user", content }];
}

/** One text per value, whatever the order in which its keys were written. */
export function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map((item: Json) => canonicalJson(item)).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member ?? null)}`);
  return `{${members.join(",")}}`;
}

const hashOf = (parts: readonly Json[]): string => createHash("sha256").update(canonicalJson(parts)).digest("hex");

/** @throws FleetError INPUT_INVALID naming the option. */
export const parseOptions = <T>(schema: z.ZodType<T>, options: unknown): T => parse(schema, options, "");

function parse<T>(schema: z.ZodType<T>, value: unknown, path: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const at = [path.replace(/\.$/, ""), ...(issue?.path ?? []).map(String)].filter((part) => part !== "").join(".");
  throw new FleetError("INPUT_INVALID", `Expected valid ${at === "" ? "options" : at}: ${issue?.message ?? "not valid"}.`, {
    at: at === "" ? "options" : at,
    remedy: "compare with the options of the call",
  });
}

/** Drops members that are there but undefined, so that they do not hide a default. */
function defined<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  // Object.fromEntries forgets the keys' types; only members were left out.
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
