/** What commands about one run share. */
import type { Producer } from "../producer.ts";
import type { RunHandle } from "../producers/run-handle.ts";
import { checkTenant } from "../producers/follow.ts";
import { FleetError } from "../protocol/errors.ts";
import { runIdSchema } from "../protocol/ids.ts";
import { withProducer } from "./connect.ts";
import type { CliContext } from "./context.ts";

export interface JsonFlag {
  readonly json?: true;
}

export interface RunFlags extends JsonFlag {
  readonly tenant?: string | undefined;
}

/** What each command about one run has. */
export const RUN_TENANT = ["--tenant <tenant>", "only if the run is this tenant's"] as const;

/**
 * A run of another tenant is answered as one that is not there (I11).
 * @throws FleetError INPUT_INVALID before anything is connected, RUN_UNKNOWN.
 */
export async function withRun<T>(
  context: CliContext,
  id: string,
  { tenant }: Pick<RunFlags, "tenant">,
  work: (run: RunHandle, producer: Producer) => Promise<T>,
): Promise<T> {
  checkRunId(id, "<run>");
  return withProducer(context, async (producer) => {
    // Also what is read past the handle is the tenant's own.
    await checkTenant(producer.store, id, tenant);
    return work(producer.run(id, { tenant }), producer);
  });
}

/** @throws FleetError INPUT_INVALID naming `at`. */
export function checkRunId(id: string, at: string): void {
  if (runIdSchema.safeParse(id).success) return;
  throw new FleetError(
    "INPUT_INVALID",
    `Expected a run id such as r0-01jd3xk2v7w8y9z0a1b2c3d4e5; got ${JSON.stringify(id.slice(0, 80))}.`,
    {
      at,
      remedy: "list the runs with `flotilla runs ls`",
    },
  );
}

/** The answer to a command about one run. */
export function print({ io }: CliContext, { json }: JsonFlag, reply: { readonly status: string }, runId: string): void {
  io.out(json === true ? JSON.stringify({ runId, ...reply }) : `${runId} ${reply.status}`);
}
