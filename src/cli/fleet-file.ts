/** Finds and loads the file that exports the fleet. Loading it loads the Agents SDK and the user's code. */
import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { FleetError, isFleetError } from "../protocol/errors.ts";
import type { CliFleet } from "./fleet-port.ts";

/** Where a fleet is looked for, in this order, in the working folder. */
export const FLEET_FILES = ["flotilla.config.ts", "fleet.ts", "src/fleet.ts"] as const;

/**
 * The path of the fleet file, or undefined when there is none.
 * @throws FleetError FLEET_FILE_INVALID when a named file is not there.
 */
export function findFleetFile(cwd: string, named?: string): string | undefined {
  if (named === undefined) return FLEET_FILES.map((name) => path.join(cwd, name)).find((file) => existsSync(file));
  const file = path.resolve(cwd, named);
  if (statSync(file, { throwIfNoEntry: false })?.isFile() === true) return file;
  throw new FleetError("FLEET_FILE_INVALID", `There is no file ${named}.`, {
    at: "--fleet",
    remedy: "name a file that exports `fleet`, or make one with `flotilla init`",
  });
}

/** @throws FleetError FLEET_FILE_INVALID when the file throws or exports no fleet. */
export async function loadFleetFile(file: string): Promise<CliFleet> {
  let loaded: Record<string, unknown>;
  try {
    loaded = await import(pathToFileURL(file).href);
  } catch (error) {
    // What createFleet refused has a code and a remedy of its own.
    if (isFleetError(error)) throw within(file, error);
    throw new FleetError(
      "FLEET_FILE_INVALID",
      `The fleet file threw while it was loaded: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
        at: placeIn(file, error),
        remedy: remedyFor(error) ?? `run \`node ${path.relative(process.cwd(), file)}\` to see it alone`,
      },
    );
  }
  const fleet = loaded["fleet"];
  if (isFleet(fleet)) return fleet;
  // A file without a single import or export counts as CommonJS; Node then adds two names that its author never wrote.
  const added = "module.exports" in loaded ? ["module.exports", "default"] : [];
  const exported = Object.keys(loaded)
    .filter((name) => !added.includes(name))
    .toSorted();
  const got = exported.length === 0 ? "nothing" : exported.join(", ");
  throw new FleetError("FLEET_FILE_INVALID", `Expected the file to export \`fleet\`, made by createFleet; it exports ${got}.`, {
    at: file,
    remedy: "export const fleet = createFleet({ agents: { … } });",
  });
}

/** The fleet of whoever has no fleet file: the stock specialists. */
export async function loadStockFleet(): Promise<CliFleet> {
  const [{ createFleet }, { createSpecialists }] = await Promise.all([
    import("../fleet.ts"),
    import("../agents/specialists/create-specialists.ts"),
  ]);
  return createFleet({ agents: createSpecialists() });
}

function isFleet(value: unknown): value is CliFleet {
  return value !== null && typeof value === "object" && "worker" in value && typeof value.worker === "function";
}

function within(file: string, error: FleetError): FleetError {
  const at = error.at === undefined ? file : `${file}: ${error.at}`;
  return new FleetError(error.code, error.message, { cause: error, at, ...(error.remedy === undefined ? {} : { remedy: error.remedy }) });
}

/** The most frequent reason of all: the packages are not installed beside the file. */
function remedyFor(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || error.code !== "ERR_MODULE_NOT_FOUND") return undefined;
  const name = /^Cannot find package '([^']+)'/.exec(error.message)?.[1];
  if (name === undefined) return undefined;
  const ours = ["flotilla", "@openai/agents", "zod"];
  return `npm install ${ours.includes(name) ? ours.join(" ") : name}`;
}

/** The first line of the stack that stands in the file, else the file. */
function placeIn(file: string, error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const line = stack.split("\n").find((entry) => entry.includes(file) || entry.includes(pathToFileURL(file).href));
  const place = line === undefined ? undefined : /:(\d+)(?::(\d+))?\)?$/.exec(line.trim());
  return place === null || place === undefined ? file : `${file}:${place[1]}`;
}
