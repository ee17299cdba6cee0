/** A JSON schema that is only known at run time, as an output type: the provider enforces it, and the answer is checked against it again. */
import { z } from "zod";
import { FleetError } from "../../protocol/errors.ts";

export interface JsonSchemaOutput {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => Checked;
    readonly jsonSchema: { readonly input: () => Record<string, unknown>; readonly output: () => Record<string, unknown> };
  };
}

type Checked =
  | { readonly value: unknown }
  | { readonly issues: readonly { readonly message: string; readonly path: readonly PropertyKey[] }[] };

/** @throws FleetError INPUT_INVALID for a schema that cannot be read. */
export function toOutputType(schema: Record<string, unknown>): JsonSchemaOutput {
  const checker = toChecker(schema);
  return {
    "~standard": {
      version: 1,
      vendor: "flotilla",
      validate: (value: unknown): Checked => {
        const parsed = checker.safeParse(value);
        if (parsed.success) return { value: parsed.data };
        return { issues: parsed.error.issues.map(({ message, path }) => ({ message, path })) };
      },
      jsonSchema: { input: (): Record<string, unknown> => schema, output: (): Record<string, unknown> => schema },
    },
  };
}

function toChecker(schema: Record<string, unknown>): z.ZodType {
  try {
    return z.fromJSONSchema(schema);
  } catch (error) {
    throw new FleetError("INPUT_INVALID", `Expected a JSON schema; ${error instanceof Error ? error.message : "it could not be read"}.`, {
      at: "settings.outputSchema",
      remedy: "use draft 2020-12, draft-07 or draft-04 without remote references",
      cause: error,
    });
  }
}
