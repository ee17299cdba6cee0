/**
 * Whose call it is, in the headers by which LiteLLM books its spend. Headers, because some of its routes drop the same things in the body.
 * Tags are few (they feed budgets and metrics): tenant, agent and the run's own. What names one run goes into the spend log's metadata.
 */

export interface Caller {
  readonly tenant: string;
  readonly tags: readonly string[];
  readonly agent: string;
  readonly runId: string;
  readonly hop: number;
  readonly attempt: number;
  /** So many of the first items of what is asked were there before the hop. Default 0. */
  readonly inherited?: number;
}

export const attributionHeaders = ({ tenant, tags, agent, runId, hop, attempt }: Caller): Readonly<Record<string, string>> => ({
  "x-litellm-tags": [`tenant:${toTag(tenant)}`, `agent:${toTag(agent)}`, ...tags.map(toTag)].join(","),
  "x-litellm-spend-logs-metadata": toAsciiJson({ run_id: runId, hop, attempt, agent, tenant }),
  "x-litellm-end-user-id": toTag(tenant),
});

/**
 * The same for what a proxy passes through, as a member of the body: it takes the member out, while headers go on to the provider, who is not to
 * learn the names of tenants.
 */
export const attributionMember = (tenant: string): Readonly<Record<string, unknown>> => ({
  litellm_metadata: { tags: [`tenant:${toTag(tenant)}`], spend_logs_metadata: { tenant }, user: toTag(tenant) },
});

/** A comma would end the tag, and a header carries ASCII only. */
const toTag = (text: string): string => text.replace(/[^\x21-\x2b\x2d-\x7e]/gu, encodeURIComponent);

const toAsciiJson = (value: unknown): string =>
  JSON.stringify(value).replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
