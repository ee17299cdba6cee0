/**
 * Seals what users put into runs, so that whoever reads Redis reads ids, names, states and numbers, and nothing else.
 *
 * Sealed text is `f1.<keyId>.<nonce>.<ciphertext and tag>` (base64url): AES-256-GCM under a key that is derived for the run, with format,
 * key id, run id and field as additional data. So a value that was changed, or moved to another run or field, does not open; and because
 * each run has a key of its own, random nonces never run short. docs/decisions/0008-sealed-payloads.md says why.
 */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from "node:crypto";
import { z } from "zod";
import { FleetError } from "../protocol/errors.ts";

/** Where a value stands. Bound into the sealed text. */
export interface Place {
  /** Or, for what outlives runs, the name of the thing: it holds a colon, which no run id does. */
  readonly runId: string;
  readonly field: string;
}

export interface PayloadCodec {
  /** False for a fleet without keys: nothing is sealed, and what another fleet sealed is refused. */
  readonly seals: boolean;
  /** Values that are not sealed are refused instead of read. */
  readonly requireSealed: boolean;
  seal(text: string, place: Place): string;
  /** Text that is not sealed is given back as it is. @throws FleetError PAYLOAD_KEY_MISSING | PAYLOAD_NOT_SEALED */
  open(text: string, place: Place): string;
  /**
   * What may be stored for the hash of an input: first under the current key, then under each older one, last the plain hash.
   * A plain hash would let a reader of Redis try guesses at a short input.
   */
  inputHashes(tenant: string, inputHash: string): readonly [string, ...string[]];
}

export interface PayloadCodecOptions {
  /** By id (letters, digits, `_` and `-`): 32 bytes as base64. Keep an old key as long as a run lives that was sealed with it. */
  readonly keys: Readonly<Record<string, string>>;
  /** The id of the key that seals; all of them open. */
  readonly current: string;
  /** Refuse values that are not sealed. Default false, so that a fleet can turn sealing on while it has runs. */
  readonly requireSealed?: boolean;
}

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const FORMAT = "f1";
const SEALED = /^f1\.([A-Za-z0-9_-]{1,32})\.([A-Za-z0-9_-]{16})\.([A-Za-z0-9_-]{22,})$/;

const optionsSchema = z.strictObject({
  keys: z.record(z.string().regex(/^[A-Za-z0-9_-]{1,32}$/, "expected 1 to 32 letters, digits, _ and - as the id of a key"), z.string()),
  current: z.string(),
  requireSealed: z.boolean().default(false),
});

/** True for text that `seal` made, or that looks exactly like it. */
export const isSealed = (text: string): boolean => SEALED.test(text);

/** @throws FleetError INPUT_INVALID naming the key's id, never its bytes. */
export function payloadCodec(options: PayloadCodecOptions): PayloadCodec {
  const parsed = optionsSchema.safeParse(options);
  if (!parsed.success) throw invalid("codec", parsed.error.issues[0]?.message ?? "not valid");
  const { current, requireSealed } = parsed.data;
  const keys = new Map(Object.entries(parsed.data.keys).map(([id, text]) => [id, keyOf(id, text)]));
  const currentKey = keys.get(current);
  if (currentKey === undefined) throw invalid("codec.current", `expected one of the ids ${[...keys.keys()].join(", ")}; got ${current}`);

  return {
    seals: true,
    requireSealed,
    seal: (text, place) => seal(text, place, current, currentKey),
    open(text, place) {
      const [, id = "", nonce = "", body = ""] = SEALED.exec(text) ?? [];
      if (id === "") {
        if (requireSealed) throw notSealed(place);
        return text;
      }
      const key = keys.get(id);
      if (key === undefined) throw keyMissing(id, place);
      return open({ nonce, body }, place, id, key);
    },
    inputHashes(tenant, inputHash) {
      const older = [...keys].filter(([id]) => id !== current).map(([, key]) => hashUnder(key, tenant, inputHash));
      return [hashUnder(currentKey, tenant, inputHash), ...older, ...(requireSealed ? [] : [inputHash])];
    },
  };
}

/** The codec of a fleet without keys. It seals nothing, and says so when it meets what another fleet sealed. */
export const NO_KEYS: PayloadCodec = {
  seals: false,
  requireSealed: false,
  seal: (text) => text,
  open(text, place) {
    const [, id] = SEALED.exec(text) ?? [];
    if (id !== undefined) throw keyMissing(id, place);
    return text;
  },
  inputHashes: (_tenant, inputHash) => [inputHash],
};

function seal(text: string, place: Place, id: string, key: Buffer): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", runKey(key, place), nonce).setAAD(dataOf(id, place));
  const body = Buffer.concat([cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
  return `${FORMAT}.${id}.${nonce.toString("base64url")}.${body.toString("base64url")}`;
}

function open({ nonce, body }: { readonly nonce: string; readonly body: string }, place: Place, id: string, key: Buffer): string {
  const bytes = Buffer.from(body, "base64url");
  const decipher = createDecipheriv("aes-256-gcm", runKey(key, place), Buffer.from(nonce, "base64url"), { authTagLength: TAG_BYTES })
    .setAAD(dataOf(id, place))
    .setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(0, bytes.length - TAG_BYTES)), decipher.final()]).toString("utf8");
  } catch (cause) {
    throw new FleetError("PAYLOAD_KEY_MISSING", `${nameOf(place)} does not open under key ${id}.`, {
      at: place.field,
      remedy: `compare the bytes of key ${id} with the sealing process; if they are the same, the value was changed or moved in Redis`,
      cause,
    });
  }
}

const runKey = (key: Buffer, { runId }: Place): Buffer => createHmac("sha256", key).update(`flotilla payload\n${runId}`).digest();

const dataOf = (id: string, { runId, field }: Place): Buffer => Buffer.from(JSON.stringify([FORMAT, id, runId, field]));

const hashUnder = (key: Buffer, tenant: string, inputHash: string): string =>
  createHmac("sha256", createHmac("sha256", key).update("flotilla input hash").digest()).update(`${tenant}\n${inputHash}`).digest("hex");

function keyOf(id: string, text: string): Buffer {
  const bytes = Buffer.from(text, "base64");
  // Buffer.from drops what is no base64, so the text is compared with what was read.
  const same = bytes.toString("base64").replace(/=+$/, "") === text.replace(/=+$/, "").replaceAll("-", "+").replaceAll("_", "/");
  if (bytes.length === KEY_BYTES && same) return bytes;
  throw invalid(`codec.keys.${id}`, `expected ${KEY_BYTES} bytes as base64; got ${same ? `${bytes.length} bytes` : "other text"}`);
}

const invalid = (at: string, what: string): FleetError =>
  new FleetError("INPUT_INVALID", `Expected a valid ${at}: ${what}.`, { at, remedy: "make a key with `openssl rand -base64 32`" });

const nameOf = ({ runId, field }: Place): string => `Value ${field} of ${runId.includes(":") ? runId : `run ${runId}`}`;

const keyMissing = (id: string, place: Place): FleetError =>
  new FleetError("PAYLOAD_KEY_MISSING", `${nameOf(place)} is sealed with key ${id}, which this process does not have.`, {
    at: place.field,
    remedy: `add key ${id} to payloadCodec({ keys }), or to FLOTILLA_PAYLOAD_KEYS`,
  });

export const notSealed = (place: Place): FleetError =>
  new FleetError("PAYLOAD_NOT_SEALED", `${nameOf(place)} is not sealed, and this process reads only sealed values.`, {
    at: place.field,
    remedy: "give the codec to every producer and worker; leave requireSealed out while older runs live",
  });
