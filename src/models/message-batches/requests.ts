/**
 * The requests of a batch, checked before anything is sent: Anthropic looks at one only after it has taken all, and then the whole batch is in vain
 * or the request fails hours later.
 */
import { z } from "zod";
import { FleetError } from "../../protocol/errors.ts";

/** @see https://platform.claude.com/docs/en/build-with-claude/batch-processing */
export const BATCH_LIMITS = { requests: 100_000, bytes: 256_000_000 } as const;

/** Of the names by which agents ask Anthropic for its models. */
export const ANTHROPIC_PREFIX = "anthropic/";

const requestSchema = z.strictObject({
  customId: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/, "expected 1 to 64 letters, digits, _ or -"),
  params: z.looseObject({
    model: z.string().min(1).max(256),
    max_tokens: z.int().min(1),
    messages: z.array(z.unknown()).min(1).max(100_000),
    // A proxy would take the whole batch for a stream, and never book what it costs.
    stream: z.literal(false).optional(),
  }),
});

/** `params` is a Messages body as Anthropic has it; only the model is named as agents name theirs. */
export type MessageBatchRequest = Readonly<z.input<typeof requestSchema>>;

const betasSchema = z.array(z.string().regex(/^[\w.-]{1,64}$/)).max(20);

/** @throws FleetError INPUT_INVALID */
export function toBetaHeader(betas: readonly string[]): Readonly<Record<string, string>> {
  const parsed = betasSchema.safeParse(betas);
  if (!parsed.success) throw invalid("betas", "names such as output-300k-2026-03-24", parsed.error);
  return parsed.data.length === 0 ? {} : { "anthropic-beta": parsed.data.join(",") };
}

/**
 * The members of the body's `requests`, as JSON.
 * @param sentName what Anthropic calls the model that agents name so; it throws for one that is not Anthropic's
 * @throws FleetError INPUT_INVALID, INPUT_TOO_LARGE
 */
export function encodeRequests(requests: readonly MessageBatchRequest[], sentName: (model: string) => string): string {
  if (requests.length === 0) throw new FleetError("INPUT_INVALID", "Expected at least one request; got none.", { at: "requests" });
  if (requests.length > BATCH_LIMITS.requests) throw tooLarge(`${requests.length} requests`, `${BATCH_LIMITS.requests} requests`);
  const places = new Map<string, number>();
  const encoded: string[] = [];
  let bytes = 0;
  for (const [index, request] of requests.entries()) {
    const at = `requests.${index}`;
    const { customId, params } = parseRequest(request, at);
    const earlier = places.get(customId);
    if (earlier !== undefined) throw repeated(customId, earlier, at);
    places.set(customId, index);
    const text = JSON.stringify({ custom_id: customId, params: { ...params, model: sentName(params.model) } });
    bytes += Buffer.byteLength(text) + 1;
    if (bytes > BATCH_LIMITS.bytes) throw tooLarge(`more than that with ${at}`, `${BATCH_LIMITS.bytes} bytes`);
    encoded.push(text);
  }
  return encoded.join(",");
}

function parseRequest(request: MessageBatchRequest, at: string): z.output<typeof requestSchema> {
  const parsed = requestSchema.safeParse(request);
  if (parsed.success) return parsed.data;
  throw invalid(at, "a customId and the params of a Messages call that is not streamed", parsed.error);
}

/** The value stays out of the message: it is, or quotes, a prompt. */
function invalid(at: string, expected: string, { issues: [issue] }: z.ZodError): FleetError {
  const where = [at, ...(issue?.path ?? [])].map(String).join(".");
  return new FleetError("INPUT_INVALID", `Expected ${expected}; got something else at ${where}: ${issue?.message ?? "unexpected value"}.`, {
    at: where,
    remedy: "correct it; nothing was sent",
  });
}

const repeated = (customId: string, earlier: number, at: string): FleetError =>
  new FleetError("INPUT_INVALID", `Expected each customId once; got ${JSON.stringify(customId)} at requests.${earlier} and ${at}.`, {
    at: `${at}.customId`,
    remedy: "results are told apart by it alone: give each request its own",
  });

const tooLarge = (got: string, limit: string): FleetError =>
  new FleetError("INPUT_TOO_LARGE", `Expected a message batch of at most ${limit}; got ${got}.`, {
    at: "requests",
    remedy: "make several batches of them; nothing was sent",
  });
