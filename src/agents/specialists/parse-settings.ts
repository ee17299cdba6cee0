/** Settings come from whoever submits a run: they are checked, and the answer names the field. */
import type { z } from "zod";
import { FleetError } from "../../protocol/errors.ts";

/** @throws FleetError INPUT_INVALID */
export function parseSettings<Settings>(agent: string, schema: z.ZodType<Settings>, settings: unknown): Settings {
  const parsed = schema.safeParse(settings ?? {});
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const at = ["settings", ...(issue?.path.map(String) ?? [])].join(".");
  throw new FleetError("INPUT_INVALID", `The settings for ${agent} are not valid: ${at}: ${issue?.message ?? "unexpected value"}.`, {
    at,
    remedy: `see the settings of ${agent} in the list of specialists`,
    cause: parsed.error,
  });
}
