/** The fleet's map of agents, checked once: what cannot run is said at start, not in the middle of the night. */
import { Agent, type FunctionTool, getHandoff } from "@openai/agents";
import { FleetError } from "../protocol/errors.ts";
import { agentNameSchema, DEFAULT_QUEUE, queueNameSchema } from "../protocol/ids.ts";
import type { Compaction, ConversationPolicy } from "./compaction.ts";
import type { InputSchema } from "../protocol/structured-input.ts";
import { MOST_REPEATS, REPEAT_DEFAULTS, type RepeatLimits } from "./loops.ts";
import { isRemote } from "./derived-agent.ts";
import { policyOf, type ToolPolicy } from "./tool-policy.ts";

// The SDK's own helper types use `any` for context and output: an Agent<Ctx, Out> is assignable to no narrower common type.
// oxlint-disable-next-line typescript/no-explicit-any -- see above
export type AnyAgent = Agent<any, any>;

export interface AgentLimits {
  /** Model calls of the agent itself in one hop. Default 20. */
  readonly turns?: number;
  /** When the same calls or handoffs again and again count as a loop. `allowed`: never. */
  readonly repeats?: RepeatLimits | "allowed";
}

export type GuardrailScope = "every-hop" | "entry-only";

export interface AgentOptions<A extends AnyAgent = AnyAgent> {
  readonly agent: A;
  /** The queue whose workers run it. Default `default`. */
  readonly queue?: string;
  /** Recorded with each run. Default: the fleet's `version`. */
  readonly version?: string;
  /** What becomes of a hop that began under another version of the agent. Default: the fleet's. */
  readonly onVersionChange?: OnVersionChange;
  readonly limits?: AgentLimits;
  /**
   * When the agent's input guardrails run: where the run was submitted to it (`entry-only`, as in the SDK), or in each of its hops, on the
   * whole conversation. Output and tool guardrails always run. Default `entry-only`.
   */
  readonly guardrails?: GuardrailScope;
  /** Of conversations whose run begins with this agent. Default: the fleet's. */
  readonly conversation?: ConversationPolicy;
  /** What a run of the agent must be given: an object of this schema, checked before a model is paid. Default: text or input items. */
  readonly input?: InputSchema;
  /** False: answers are not streamed from the provider, and there is no live text. Default true. */
  readonly stream?: boolean;
  /** Makes the agent for settings given at submit, such as an output schema. @throws FleetError INPUT_INVALID */
  readonly configure?: (settings: unknown) => A;
}

/**
 * `continue`: it goes on with the code that is there, and a journal that no longer fits suspends it as `replay-diverged`. `fail`: the run fails
 * with AGENT_CHANGED.
 */
export type OnVersionChange = "continue" | "fail";

export type AgentMap = Readonly<Record<string, AnyAgent | AgentOptions>>;

export interface CatalogEntry {
  readonly name: string;
  readonly agent: AnyAgent;
  readonly queue: string;
  readonly version: string;
  readonly onVersionChange: OnVersionChange;
  readonly turnLimit: number;
  /** Undefined: repeats are allowed. */
  readonly repeats: Required<RepeatLimits> | undefined;
  readonly guardrails: GuardrailScope;
  readonly input: InputSchema | undefined;
  readonly stream: boolean;
  readonly configure: ((settings: unknown) => AnyAgent) | undefined;
  readonly description: string;
  readonly compaction: Compaction | undefined;
}

export const DEFAULT_TURN_LIMIT = 20;

export type Catalog = ReadonlyMap<string, CatalogEntry>;

/** Of agents that do not say otherwise. */
export interface CatalogDefaults {
  readonly conversation?: ConversationPolicy | undefined;
  readonly onVersionChange?: OnVersionChange | undefined;
}

/**
 * The agent as the fleet gives it, or made for the run's settings. The agent that begins must know what to do with them: settings that went
 * unheard, such as an output schema, would look like an answer that keeps to them.
 * @throws FleetError INPUT_INVALID
 */
export function configuredAgent(
  { name, agent, configure }: CatalogEntry,
  settingsJson: string,
  { begins }: { readonly begins: boolean },
): AnyAgent {
  if (settingsJson === "{}") return agent;
  if (configure !== undefined) return configure(JSON.parse(settingsJson));
  if (!begins) return agent;
  throw new FleetError("INPUT_INVALID", `Agent ${name} takes no settings.`, {
    at: "settings",
    remedy: "submit without settings (`--settings`, `--schema`), or register the agent with `configure`",
  });
}

/** @throws FleetError AGENT_INVALID */
export function createCatalog(agents: AgentMap, version: string, defaults: CatalogDefaults = {}): Catalog {
  const catalog = new Map<string, CatalogEntry>();
  for (const [name, value] of Object.entries(agents)) catalog.set(name, entryOf(name, value, version, defaults));
  if (catalog.size === 0)
    throw invalid("agents", "Expected at least one agent; got an empty map.", "register one, such as agents: { triage }");
  for (const entry of catalog.values()) checkHandoffs(entry, catalog);
  return catalog;
}

function entryOf(name: string, value: AnyAgent | AgentOptions, version: string, defaults: CatalogDefaults): CatalogEntry {
  const at = `agents.${name}`;
  const options: AgentOptions = value instanceof Agent ? { agent: value } : value;
  const { agent } = options;
  if (!(agent instanceof Agent)) {
    throw invalid(
      at,
      "Expected an Agent of @openai/agents.",
      "pass new Agent({ … }), made by the same copy of @openai/agents as the fleet's",
    );
  }
  if (agent.name !== name)
    throw invalid(at, `Expected the key to be the agent's name; the key is "${name}", the name "${agent.name}".`, `rename one of them`);
  if (!agentNameSchema.safeParse(name).success) throw invalid(at, "Expected a name of 1 to 128 printable characters.", "rename the agent");
  if (isRemote(agent)) throw invalid(at, "A remote agent lives in other workers.", "name it in `handoffs`, not in the map");
  const queue = options.queue ?? DEFAULT_QUEUE;
  if (!queueNameSchema.safeParse(queue).success)
    throw invalid(`${at}.queue`, `Expected letters, digits, _ and - only; got "${queue}".`, "rename the queue");
  if (agent.modelSettings.providerData?.["background"] === true) {
    throw invalid(at, "Background mode makes the SDK ask again every turn until its limit.", "remove providerData.background");
  }
  const turnLimit = options.limits?.turns ?? DEFAULT_TURN_LIMIT;
  if (!Number.isInteger(turnLimit) || turnLimit < 1)
    throw invalid(`${at}.limits.turns`, `Expected a whole number above 0; got ${turnLimit}.`, "give another limit");
  const guardrails = options.guardrails ?? "entry-only";
  if (guardrails !== "entry-only" && guardrails !== "every-hop")
    throw invalid(`${at}.guardrails`, `Expected "entry-only" or "every-hop"; got ${JSON.stringify(guardrails)}.`, "use one of the two");
  const onVersionChange = options.onVersionChange ?? defaults.onVersionChange ?? "continue";
  if (onVersionChange !== "continue" && onVersionChange !== "fail")
    throw invalid(`${at}.onVersionChange`, `Expected "continue" or "fail"; got ${JSON.stringify(onVersionChange)}.`, "use one of the two");
  if (options.input !== undefined && typeof options.input.safeParse !== "function")
    throw invalid(`${at}.input`, "Expected a Zod schema of an object.", "pass z.strictObject({ … })");
  return {
    name,
    agent,
    queue,
    version: checkedVersion(options.version ?? version, `${at}.version`),
    onVersionChange,
    turnLimit,
    repeats: checkedRepeats(options.limits?.repeats ?? {}, `${at}.limits.repeats`),
    guardrails,
    input: options.input,
    stream: options.stream ?? true,
    configure: options.configure,
    description: agent.handoffDescription,
    compaction: checkedCompaction(options.conversation ?? defaults.conversation, `${at}.conversation.compact`),
  };
}

function checkedCompaction(policy: ConversationPolicy | undefined, at: string): Compaction | undefined {
  if (policy === undefined) return undefined;
  const { compact } = policy;
  const bounds = [compact.overTokens, compact.overItems].filter((bound) => bound !== undefined);
  const wrong = [...bounds.map((bound) => [bound, 1] as const), [compact.keepTurns, 0] as const].find(
    ([value, min]) => !Number.isInteger(value) || value < min,
  );
  if (wrong !== undefined) throw invalid(at, `Expected whole numbers; got ${wrong[0]}.`, "give overTokens or overItems, and keepTurns");
  if (bounds.length === 0) throw invalid(at, "Expected overTokens or overItems; got neither.", "say when a conversation is compacted");
  return compact;
}

function checkedRepeats(given: RepeatLimits | "allowed", at: string): Required<RepeatLimits> | undefined {
  if (given === "allowed") return undefined;
  const limits = { ...REPEAT_DEFAULTS, ...given };
  for (const name of ["calls", "handoffs"] as const) {
    const value = limits[name];
    if (!Number.isInteger(value) || value < 1 || value > MOST_REPEATS[name])
      throw invalid(
        `${at}.${name}`,
        `Expected a whole number from 1 to ${MOST_REPEATS[name]}; got ${value}.`,
        'give another, or repeats: "allowed"',
      );
  }
  if (limits.onLoop !== "stop" && limits.onLoop !== "ask")
    throw invalid(`${at}.onLoop`, `Expected "stop" or "ask"; got ${JSON.stringify(limits.onLoop)}.`, "use one of the two");
  return limits;
}

/** It is stored with each attempt and shown in one line. */
function checkedVersion(version: string, at: string): string {
  if (typeof version === "string" && /^[^\u0000-\u001f]{1,128}$/.test(version)) return version;
  throw invalid(at, "Expected a version of 1 to 128 printable characters.", "use the id of the deploy, such as a commit");
}

function checkHandoffs({ name, agent }: CatalogEntry, catalog: Catalog): void {
  for (const [index, target] of agent.handoffs.entries()) {
    const to = getHandoff(target).agent;
    const known = catalog.get(to.name);
    const at = `agents.${name}.handoffs[${index}]`;
    if (known === undefined && !isRemote(to)) {
      throw invalid(
        at,
        `Agent "${to.name}" is not in the map.`,
        `add it to agents, or use remoteAgent("${to.name}", …) if other workers have it`,
      );
    }
    if (known !== undefined && known.agent !== to && !isRemote(to)) {
      throw invalid(at, `Another agent of the name "${to.name}" is in the map.`, "use one object for one name");
    }
  }
}

/** The policy of one of the agent's own tools. Tools of nested agents and of MCP servers are not known ahead: undefined. */
export function declaredPolicy({ agent }: CatalogEntry, toolName: string): ToolPolicy | undefined {
  const tool = agent.tools.find((candidate): candidate is FunctionTool => candidate.type === "function" && candidate.name === toolName);
  return tool === undefined ? undefined : policyOf(tool);
}

const invalid = (at: string, message: string, remedy: string): FleetError => new FleetError("AGENT_INVALID", message, { at, remedy });
