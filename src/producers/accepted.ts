/** Why a submit was refused, in words. */
import { FleetError } from "../protocol/errors.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { Submission, SubmitReply } from "../protocol/submission.ts";
import { closestFirst } from "./closest.ts";

/** The id of the run that a submit made or found. @throws FleetError for every other reply. */
export function acceptedId(reply: SubmitReply | undefined, submission: Submission, path = ""): string {
  if (reply === undefined) throw new Error(`The store gave no answer for run ${submission.runId}.`);
  if (reply.status === "created" || reply.status === "duplicate") return reply.runId;
  if (reply.status === "unknown-agent") throw unknownAgent(submission.agent, reply.known, path);
  if (reply.status === "conversation-full") throw conversationFull(submission, path);
  if (reply.status === "source-gone" || reply.status === "source-open") throw refusedSource(reply, submission);
  throw new FleetError(
    "IDEMPOTENCY_CONFLICT",
    `Idempotency key ${JSON.stringify(submission.idempotencyKey)} belongs to run ${reply.runId}, with another input.`,
    {
      at: `${path}idempotencyKey`,
      remedy: "use a new key for a new input; agent, input, context, settings and conversation count as the input",
    },
  );
}

const conversationFull = ({ conversation }: Submission, path: string): FleetError =>
  new FleetError(
    "CONVERSATION_FULL",
    `Expected fewer than ${LIMITS.runsPerConversation} runs of conversation ${conversation} that are not over; got as many.`,
    { at: `${path}conversation`, remedy: "wait for results before you submit more, or use more conversations" },
  );

function refusedSource(reply: Extract<SubmitReply, { status: "source-gone" | "source-open" }>, { seed }: Submission): FleetError {
  const id = seed?.origin.runId ?? "";
  if (reply.status === "source-gone") {
    return new FleetError("RUN_EXPIRED", `Run ${id} went away while it was made anew.`, { at: id, remedy: "submit its input anew" });
  }
  if (reply.as === "completed") {
    return new FleetError("RUN_COMPLETED", `Expected a run that ended without an output; ${id} completed.`, {
      at: id,
      remedy: `make it anew with \`flotilla runs replay ${id}\``,
    });
  }
  return new FleetError("RUN_LIVE", `Expected a run that is over; ${id} is ${reply.as}.`, { at: id, remedy: `flotilla runs cancel ${id}` });
}

export function unknownAgent(agent: string, known: readonly string[], path: string): FleetError {
  const at = `${path}agent`;
  if (known.length === 0) {
    return new FleetError("NO_WORKERS", `No worker has announced any agent on this Redis, so nobody knows ${JSON.stringify(agent)}.`, {
      at,
      remedy: "start a worker with `flotilla worker`; check REDIS_URL and FLOTILLA_PREFIX",
    });
  }
  const names = closestFirst(agent, known);
  const more = names.length > 20 ? ` and ${names.length - 20} more` : "";
  return new FleetError(
    "AGENT_UNKNOWN",
    `Expected one of the agents ${names.slice(0, 20).join(", ")}${more}; got ${JSON.stringify(agent)}.`,
    {
      at,
      remedy: `use ${JSON.stringify(names[0])}, or start a worker whose fleet has ${JSON.stringify(agent)}`,
    },
  );
}
