/** `flotilla conversations …`: look at conversations, shorten, fork and delete them. */
import type { Command } from "commander";
import type { Conversations } from "../../producers/conversations.ts";
import type { ConversationInfo, ConversationTurn } from "../../protocol/conversation.ts";
import { DEFAULT_TENANT } from "../../protocol/ids.ts";
import { withProducer } from "../connect.ts";
import { asOptions, isConfirmed } from "../confirm.ts";
import type { CliContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { formatMs, oneLine, plural, table } from "../io.ts";
import { wholeNumber } from "../options.ts";

interface Flags {
  readonly tenant: string;
  readonly json?: true;
}

const MAX_PAGE = 1_000;

export function addConversations(program: Command, context: CliContext, exit: (code: number) => void): void {
  const group = program.command("conversations").description("look at conversations, shorten, fork and delete them");
  const withAll = <T>(work: (conversations: Conversations) => Promise<T>): Promise<T> =>
    withProducer(context, (producer) => work(producer.conversations));
  /** What every command of the group takes. */
  const command = (name: string, description: string, json = "print JSON"): Command =>
    group.command(name).description(description).option("--tenant <tenant>", "whose conversations", DEFAULT_TENANT).option("--json", json);

  command("ls", "list conversations, last used first", "print one JSON object per line")
    .option("--limit <n>", "at most this many", wholeNumber("--limit", 1, MAX_PAGE), 20)
    .option("--before <conversation>", "only those that were used before this one")
    .action((flags: Flags & { readonly limit: number; readonly before?: string }) => withAll((all) => list(context, all, flags)));
  command("show", "show one conversation: its turns, and who waits")
    .argument("<conversation>")
    .action((id: string, flags: Flags) => withAll((all) => show(context, all, id, flags)));
  command("trim", "forget all but the newest turns")
    .argument("<conversation>")
    .requiredOption("--keep-turns <n>", "how many stay", wholeNumber("--keep-turns", 0))
    .action((id: string, { tenant, keepTurns, json }: Flags & { readonly keepTurns: number }) =>
      withAll(async (all) => {
        await all.trim(id, { tenant, keepTurns });
        say(context, json, { tenant, conversation: id, status: "trimmed" });
      }),
    );
  command("fork", "make another conversation of what this one holds")
    .argument("<conversation>")
    .argument("<new>")
    .option("--at-turn <n>", "up to and with this turn, counted from 1", wholeNumber("--at-turn", 0))
    .action((id: string, newId: string, { tenant, atTurn, json }: Flags & { readonly atTurn?: number }) =>
      withAll(async (all) => {
        await all.fork(id, newId, { tenant, atTurn });
        say(context, json, { tenant, conversation: newId, status: `forked from ${id}` });
      }),
    );
  command("delete", "delete a conversation whose runs are over, with everything that was said in it")
    .argument("<conversation>")
    .option("--yes", "do not ask")
    .action((id: string, flags: Flags & { readonly yes?: true }) => withAll(async (all) => exit(await remove(context, all, id, flags))));
}

async function list(
  { io, clock }: CliContext,
  conversations: Conversations,
  { tenant, limit, before, json }: Flags & { readonly limit: number; readonly before?: string },
): Promise<void> {
  const found = await conversations.list({ tenant, limit, before });
  if (json === true) for (const info of found) io.out(JSON.stringify(info));
  else if (found.length === 0)
    io.say(`No conversations of tenant ${tenant}. Begin one with: flotilla submit <agent> <input> --conversation <id>`);
  else for (const line of drawList(found, clock.nowMs())) io.out(line);
}

const drawList = (found: readonly ConversationInfo[], nowMs: number): string[] =>
  table([
    ["CONVERSATION", "TURNS", "BYTES", "RUNS NOT OVER", "USED"],
    ...found.map(({ id, turns, bytes, runs, usedAtMs }) => [
      id,
      String(turns),
      String(bytes),
      String(runs.length),
      `${formatMs(Math.max(0, nowMs - usedAtMs))} ago`,
    ]),
  ]);

async function show({ io }: CliContext, conversations: Conversations, id: string, { tenant, json }: Flags): Promise<void> {
  const info = await conversations.get(id, { tenant });
  const turns = await conversations.turns(id, { tenant });
  if (json === true) {
    const readable = turns.map(({ itemsJson, ...turn }) => ({ ...turn, items: JSON.parse(itemsJson) }));
    io.out(JSON.stringify({ conversation: info, turns: readable }));
    return;
  }
  io.out(`${info.id}  tenant ${info.tenant} · ${plural(info.turns, "turn")} · ${plural(info.runs.length, "run")} not over`);
  for (const [index, turn] of turns.entries()) for (const line of drawTurn(turn, index + 1)) io.out(line);
  const [first, ...waiting] = info.runs;
  if (first !== undefined) io.out(`\n${first} has the turn${waiting.length === 0 ? "" : `; behind it ${waiting.join(", ")}`}`);
}

function drawTurn({ id, type, agent, contextTokens, itemsJson }: ConversationTurn, number: number): string[] {
  const who = agent === undefined ? "" : `  ${oneLine(agent, 64)}`;
  const tokens = contextTokens === 0 ? "" : `  ${contextTokens} tokens`;
  // Written by a run or a session.
  const items = JSON.parse(itemsJson) as Record<string, unknown>[];
  return ["", `${number}  ${type}  ${id}${who}${tokens}`, ...items.map((item) => `   ${oneLine(describe(item), 200)}`)];
}

function describe(item: Record<string, unknown>): string {
  const { type, role, content, name, arguments: args, output } = item;
  if (typeof role === "string") return `${role}: ${typeof content === "string" ? content : textIn(content)}`;
  if (type === "function_call") return `calls ${String(name)}(${String(args)})`;
  if (type === "function_call_result") return `${String(name)} → ${typeof output === "string" ? output : JSON.stringify(output)}`;
  return String(type);
}

const textIn = (content: unknown): string =>
  Array.isArray(content)
    ? content.map((part: unknown) => (typeof part === "object" && part !== null && "text" in part ? String(part.text) : "…")).join("")
    : JSON.stringify(content);

async function remove(
  context: CliContext,
  conversations: Conversations,
  id: string,
  { tenant, yes, json }: Flags & { readonly yes?: true },
): Promise<number> {
  const { turns } = await conversations.get(id, { tenant });
  context.io.say(`Conversation ${id} of tenant ${tenant} will be deleted for good, with ${plural(turns, "turn")}.`);
  if (!(await isConfirmed(context, "Delete?", yes, `flotilla conversations delete ${id}${asOptions({ tenant })}`))) return EXIT.failed.code;
  await conversations.delete(id, { tenant });
  say(context, json, { tenant, conversation: id, status: "deleted" });
  return EXIT.ok.code;
}

function say(
  { io }: CliContext,
  json: true | undefined,
  done: { readonly tenant: string; readonly conversation: string; readonly status: string },
): void {
  io.out(json === true ? JSON.stringify(done) : `${done.conversation} ${done.status}`);
}
