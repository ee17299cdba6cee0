/** Keys as text, for an environment variable: `k2:<base64>,k1:<base64>`. The first one seals, all of them open. */
import { FleetError } from "../protocol/errors.ts";
import type { PayloadCodecOptions } from "./payload-codec.ts";

/** @throws FleetError INPUT_INVALID, which tells the place of the wrong part and none of its text: it may be a key. */
export function parsePayloadKeys(text: string): PayloadCodecOptions {
  const parts = text.split(",").map((part) => part.trim());
  const keys: Record<string, string> = {};
  for (const [index, part] of parts.entries()) {
    const [id = "", key = "", ...more] = part.split(":");
    if (id === "" || key === "" || more.length > 0) throw invalid(index, "expected <id>:<key in base64>");
    if (id in keys) throw invalid(index, "expected each id once");
    keys[id] = key;
  }
  return { keys, current: Object.keys(keys)[0] ?? "" };
}

const invalid = (index: number, what: string): FleetError =>
  new FleetError("INPUT_INVALID", `Part ${index + 1} of the payload keys is not valid: ${what}.`, {
    at: `part ${index + 1}`,
    remedy: "write k2:<base64>,k1:<base64>; make a key with `openssl rand -base64 32`",
  });
