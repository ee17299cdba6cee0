/** The question before what cannot be taken back. */
import { FleetError } from "../protocol/errors.ts";
import type { CliContext } from "./context.ts";

/**
 * True when a person or `--yes` says so; who says no is told that nothing was done.
 * @param command what to type again with `--yes`
 * @throws FleetError USAGE where nobody can be asked.
 */
export async function isConfirmed({ io }: CliContext, question: string, yes: true | undefined, command: string): Promise<boolean> {
  if (yes === true) return true;
  const answer = await io.ask(`${question} [y/N] `);
  if (answer === undefined) {
    throw new FleetError("USAGE", "Expected --yes: standard input is no terminal, so nobody can be asked.", {
      at: "--yes",
      remedy: `${command} --yes`,
    });
  }
  const isMeant = /^y(es)?$/i.test(answer.trim());
  if (!isMeant) io.say("Nothing was changed.");
  return isMeant;
}

/** Options as they are typed: a remedy that left one out would reach further than what was asked for. */
export const asOptions = (values: Readonly<Record<string, string | undefined>>): string =>
  Object.entries(values)
    .flatMap(([name, value]) =>
      value === undefined ? [] : [` --${name} ${/^[\w.@-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`}`],
    )
    .join("");
