/** Conversations as people and services look after them: seen, shortened, forked and deleted. Runs add to them by themselves. */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { ConversationInfo, ConversationKey, ConversationReply, ConversationTurn } from "../protocol/conversation.ts";
import { FleetError } from "../protocol/errors.ts";
import { conversationIdSchema, DEFAULT_TENANT, tenantSchema } from "../protocol/ids.ts";
import type { Json } from "../protocol/json.ts";
import type { RunStore } from "../protocol/run-store.ts";
import { reach } from "./backend.ts";

export interface OfTenant {
  /** Default: the producer's tenant, or `default`. */
  readonly tenant?: string | undefined;
}

export interface Conversations {
  /** Whose conversations they are where no tenant is named. */
  readonly tenant: string;
  /** Last used first. Continue a page with `before`: the id of its last one. */
  list(options: OfTenant & { readonly limit: number; readonly before?: string | undefined }): Promise<ConversationInfo[]>;
  /** @throws FleetError CONVERSATION_UNKNOWN, as all below. */
  get(id: string, options?: OfTenant): Promise<ConversationInfo>;
  turns(id: string, options?: OfTenant): Promise<ConversationTurn[]>;
  /** The SDK's items in their order; with `limit`, only so many of the newest. */
  items(id: string, options?: OfTenant & { readonly limit?: number | undefined }): Promise<Json[]>;
  /** Forgets all but the newest turns. @throws FleetError CONVERSATION_BUSY while runs of it are not over. */
  trim(id: string, options: OfTenant & { readonly keepTurns: number }): Promise<void>;
  /**
   * Makes another conversation of what this one holds, up to and with turn `atTurn`, which counts from 1. Runs that are not over stay where they are.
   * @throws FleetError CONVERSATION_EXISTS.
   */
  fork(id: string, newId: string, options?: OfTenant & { readonly atTurn?: number | undefined }): Promise<void>;
  /** @throws FleetError CONVERSATION_BUSY while runs of it are not over. */
  delete(id: string, options?: OfTenant): Promise<void>;
}

const countSchema = z.int().min(0).max(1_000_000);

export function createConversations(store: RunStore, defaultTenant: string = DEFAULT_TENANT): Conversations {
  const { conversations } = store;
  const keyOf = (id: string, tenant = defaultTenant): ConversationKey => ({
    tenant: checked(tenantSchema, tenant, "tenant"),
    id: checked(conversationIdSchema, id, "conversation"),
  });
  const get = async (key: ConversationKey): Promise<ConversationInfo> => {
    const info = await reach(conversations.get(key));
    if (info === undefined) throw unknown(key);
    return info;
  };
  const turns = async (key: ConversationKey): Promise<ConversationTurn[]> => {
    await get(key);
    return reach(conversations.turns(key));
  };
  return {
    tenant: defaultTenant,
    list: async ({ tenant = defaultTenant, limit, before }) =>
      reach(
        conversations.list({
          tenant: checked(tenantSchema, tenant, "tenant"),
          limit: checked(countSchema, limit, "limit"),
          ...(before === undefined ? {} : { before: checked(conversationIdSchema, before, "before") }),
        }),
      ),
    get: async (id, { tenant } = {}) => get(keyOf(id, tenant)),
    turns: async (id, { tenant } = {}) => turns(keyOf(id, tenant)),
    async items(id, { tenant, limit } = {}) {
      // Each turn's text is a JSON array that a run or a session wrote.
      const items = (await turns(keyOf(id, tenant))).flatMap(({ itemsJson }) => JSON.parse(itemsJson) as Json[]);
      return limit === undefined ? items : items.slice(Math.max(0, items.length - checked(countSchema, limit, "limit")));
    },
    async trim(id, { tenant, keepTurns }) {
      const key = keyOf(id, tenant);
      const keep = checked(countSchema, keepTurns, "keepTurns");
      await get(key);
      settled(key, await reach(conversations.change(key, { changeId: randomUUID(), keep, append: [] })));
    },
    async fork(id, newId, { tenant, atTurn } = {}) {
      const to = keyOf(newId, tenant);
      const found = await turns(keyOf(id, tenant));
      const append = atTurn === undefined ? found : found.slice(0, checked(countSchema.max(found.length), atTurn, "atTurn"));
      settled(to, await reach(conversations.change(to, { changeId: randomUUID(), keep: 0, append, isNew: true })));
    },
    async delete(id, { tenant } = {}) {
      const key = keyOf(id, tenant);
      const reply = await reach(conversations.remove(key));
      if (reply.status === "busy") throw busy(key, reply.runId);
      if (reply.status === "unknown") throw unknown(key);
    },
  };
}

function settled(key: ConversationKey, reply: ConversationReply): void {
  if (reply.status === "busy") throw busy(key, reply.runId);
  // Nothing is appended but to a new one, and what is there already fits.
  if (reply.status !== "moved") return;
  throw new FleetError("CONVERSATION_EXISTS", `Expected no conversation ${key.id} of tenant ${key.tenant}; there is one.`, {
    at: key.id,
    remedy: "choose another id, or delete that conversation first",
  });
}

const busy = ({ id }: ConversationKey, runId: string): FleetError =>
  new FleetError("CONVERSATION_BUSY", `Expected a conversation whose runs are over; run ${runId} of conversation ${id} is not.`, {
    at: id,
    remedy: `wait for it, or flotilla runs cancel ${runId}`,
  });

const unknown = ({ tenant, id }: ConversationKey): FleetError =>
  new FleetError("CONVERSATION_UNKNOWN", `Tenant ${tenant} has no conversation ${id}.`, {
    at: id,
    remedy: `flotilla conversations ls --tenant ${tenant}`,
  });

function checked<T>(schema: z.ZodType<T>, value: unknown, at: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const got = JSON.stringify(value)?.slice(0, 80) ?? "nothing";
  throw new FleetError("INPUT_INVALID", `Expected a valid ${at}: ${parsed.error.issues[0]?.message ?? "not valid"}; got ${got}.`, { at });
}
