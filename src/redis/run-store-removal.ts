/** Deletion of runs before their retention has passed, with everything that Redis holds of them. */
import type { Redis } from "ioredis";
import { z } from "zod";
import { runStatusSchema } from "../protocol/run.ts";
import type { RemoveReply, RunStore } from "../protocol/run-store.ts";
import { primariesOf } from "./connection.ts";
import { indexMembersOf } from "./keys.ts";
import { parseFields, parseStrings } from "./record-parse.ts";
import { answered, type StoreContext } from "./run-store-context.ts";
import { runScript } from "./scripts.ts";

/** Keys that one SCAN looks at. */
const SCAN_COUNT = 1_000;

export function createRemoval(context: StoreContext): Pick<RunStore, "remove" | "forgetIdempotencyKeys"> {
  return {
    async remove(runId) {
      for (;;) {
        const reply = await tryRemove(context, runId);
        if (reply !== "moved") return reply;
      }
    },
    forgetIdempotencyKeys: (tenant) => forgetIdempotencyKeys(context, tenant),
  };
}

const FIELDS = ["status", "hop", "tenant", "idempotencyKey", "failure"] as const;

/** Keys are not built in Lua: what they are built of is read first, and the script checks that it still holds. */
async function tryRemove({ redis, keys }: StoreContext, runId: string): Promise<RemoveReply | "moved"> {
  const read = parseFields(FIELDS, await answered(redis.hmget(keys.run(runId), ...FIELDS)));
  const { status, hop = "0", tenant = "", idempotencyKey, failure } = read;
  if (status === undefined) return { status: "unknown" };
  const idem = idempotencyKey === undefined ? keys.run(runId) : keys.idem(tenant, idempotencyKey);
  const journals = Array.from({ length: Number(hop) + 1 }, (_, index) => keys.journal(runId, index));
  const ofRun = [keys.items, keys.intents, keys.approvals, keys.decisions, keys.events, keys.hops, keys.recordings].map((key) =>
    key(runId),
  );
  const member = [runId, tenant, status, hop, ...(failure === undefined ? [] : [failure])].join("/");
  const call = {
    name: "remove",
    keys: [keys.run(runId), keys.dispatch(), keys.timers(), keys.retention(), keys.index(), idem, ...ofRun, ...journals],
    args: [runId, hop, member, ...indexMembersOf(runId, tenant, status, failure)],
  } as const;
  return parseReply(parseStrings(await answered(runScript(redis, call))));
}

function parseReply([status, first = "", attempts = "0", turns = "0", queue = ""]: string[]): RemoveReply | "moved" {
  switch (z.enum(["removed", "live", "moved", "unknown"]).parse(status)) {
    case "removed":
      return { status: "removed", lastWake: Number(first), attempts: Number(attempts), turns: Number(turns), queue };
    case "live":
      return { status: "live", as: runStatusSchema.parse(first) };
    case "moved":
      return "moved";
    case "unknown":
      return { status: "unknown" };
  }
}

/** No set lists a tenant's keys, because each submit would pay for it: this looks through the whole keyspace, in steps that block nobody. */
async function forgetIdempotencyKeys({ redis, keys }: StoreContext, tenant: string): Promise<number> {
  const pattern = keys.idem(tenant, "").replace(/[^:]*$/, "*");
  let forgotten = 0;
  for (const server of primariesOf(redis)) forgotten += await forgetOn(server, pattern, (runId) => keys.run(runId));
  return forgotten;
}

async function forgetOn(redis: Redis, pattern: string, keyOf: (runId: string) => string): Promise<number> {
  let forgotten = 0;
  let cursor = "0";
  do {
    const [next, found] = await answered(redis.scan(cursor, "MATCH", pattern, "COUNT", SCAN_COUNT));
    cursor = next;
    const owners = found.length === 0 ? [] : await answered(redis.mget(...found));
    for (const [position, owner] of owners.entries()) {
      const runId = owner?.split(" ")[0];
      const key = found[position];
      // The key of a run that is there belongs to it: two submits must still find each other.
      if (runId === undefined || key === undefined || (await answered(redis.exists(keyOf(runId)))) > 0) continue;
      forgotten += await answered(redis.unlink(key));
    }
  } while (cursor !== "0");
  return forgotten;
}
