/** Seals new runs on their way in, and finds an idempotency key again under whichever key its input was hashed with. */
import type { Json } from "../protocol/json.ts";
import type { RunStore } from "../protocol/run-store.ts";
import type { Seed } from "../protocol/seed.ts";
import type { Submission, SubmitReply } from "../protocol/submission.ts";
import type { PayloadCodec } from "./payload-codec.ts";
import { type Change, mapDecisions, mapRecording, mapIntent, sealing } from "./sealed-values.ts";

export const createSealedSubmits = (store: RunStore, codec: PayloadCodec): Pick<RunStore, "submit" | "submitMany"> => ({
  submit: (submission) => submit(store, codec, submission),
  submitMany: (submissions) => submitMany(store, codec, submissions),
});

async function submit(store: RunStore, codec: PayloadCodec, submission: Submission): Promise<SubmitReply> {
  const sealed = sealSubmission(codec, submission);
  return recognised(store, codec, submission, sealed, await store.submit(sealed));
}

async function submitMany(store: RunStore, codec: PayloadCodec, submissions: readonly Submission[]): Promise<SubmitReply[]> {
  const sealed = submissions.map((submission) => sealSubmission(codec, submission));
  const replies: SubmitReply[] = [];
  for (const [index, reply] of (await store.submitMany(sealed)).entries()) {
    const [plain, mine] = [submissions[index], sealed[index]];
    replies.push(plain === undefined || mine === undefined ? reply : await recognised(store, codec, plain, mine, reply));
  }
  return replies;
}

/** A conflict may be the same input under an older key, or from before there were keys: only then it costs more than one round trip. */
async function recognised(
  store: RunStore,
  codec: PayloadCodec,
  plain: Submission,
  sealed: Submission,
  reply: SubmitReply,
): Promise<SubmitReply> {
  if (reply.status !== "conflict") return reply;
  const [, ...older] = codec.inputHashes(plain.tenant, plain.inputHash);
  for (const inputHash of older) {
    const again = await store.submit({ ...sealed, inputHash });
    if (again.status !== "conflict") return again;
  }
  return reply;
}

function sealSubmission(codec: PayloadCodec, submission: Submission): Submission {
  const change = sealing(codec, submission.runId);
  // Metadata is an object to the store; where nothing is sealed, its text stays as it was.
  const sealedMetadata = (): string => JSON.stringify(change.json(JSON.parse(submission.metadataJson) as Json, "metadata"));
  return {
    ...submission,
    itemsJson: change.document(submission.itemsJson, "items"),
    contextJson: change.document(submission.contextJson, "context"),
    settingsJson: change.document(submission.settingsJson, "settings"),
    metadataJson: codec.seals ? sealedMetadata() : submission.metadataJson,
    inputHash: codec.inputHashes(submission.tenant, submission.inputHash)[0],
    ...(submission.seed === undefined ? {} : { seed: sealSeed(submission.seed, change) }),
  };
}

/** Values are bound to their run: what a new run takes over from another one is sealed anew. */
function sealSeed(seed: Seed, change: Change): Seed {
  return {
    ...seed,
    journal: new Map([...seed.journal].map(([key, value]) => [key, change.document(value, `journal:${key}`)])),
    intents: seed.intents.map((intent) => mapIntent(intent, change)),
    decisions: mapDecisions(seed.decisions, change),
    recordings: seed.recordings.map((recording, index) => mapRecording(recording, index, change)),
    ...(seed.conversationJson === undefined ? {} : { conversationJson: change.document(seed.conversationJson, "conversation") }),
  };
}
