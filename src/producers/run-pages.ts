/** Walks whole lists of the store in bounded reads. */
import type { ConversationInfo } from "../protocol/conversation.ts";
import type { RunInfo } from "../protocol/run.ts";
import type { ListQuery, RunStore } from "../protocol/run-store.ts";
import { reach } from "./backend.ts";

const AT_ONCE = 200;

/** Newest first. What is submitted meanwhile is not met; what moves from one list to another may be met in both or in neither. */
export const runPages = (store: RunStore, query: Omit<ListQuery, "limit" | "before">): AsyncGenerator<RunInfo[], void> =>
  pagesOf(
    (before) => store.list({ ...query, before, limit: AT_ONCE }),
    ({ runId }) => runId,
  );

/** Last used first. */
export const conversationPages = ({ conversations }: RunStore, tenant: string): AsyncGenerator<ConversationInfo[], void> =>
  pagesOf(
    (before) => conversations.list({ tenant, before, limit: AT_ONCE }),
    ({ id }) => id,
  );

async function* pagesOf<T>(read: (before: string | undefined) => Promise<T[]>, idOf: (entry: T) => string): AsyncGenerator<T[], void> {
  for (let before: string | undefined; ; ) {
    const page = await reach(read(before));
    const last = page.at(-1);
    if (last === undefined) return;
    yield page;
    if (page.length < AT_ONCE) return;
    before = idOf(last);
  }
}
