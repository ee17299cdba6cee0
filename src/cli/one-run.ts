/** What commands about one run share. */
import type { RunHandle } from "../producers/run-handle.ts";
import { FleetError } from "../protocol/errors.ts";
import { runIdSchema } from "../protocol/ids.ts";
import type { RunStore } from "../protocol/run-store.ts";
import { withProducer } from "./connect.ts";
import type { CliContext } from "./context.ts";

export interface JsonFlag {
  readonly json?: true;
}

/** @throws FleetError INPUT_INVALID before anything is connected. */
export async function withRun(context: CliContext, id: string, work: (run: RunHandle, store: RunStore) => Promise<void>): Promise<void> {
  checkRunId(id, "<run>");
  await withProducer(context, (producer) => work(producer.run(id), producer.store));
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
