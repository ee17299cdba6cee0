/** What a real LiteLLM proxy does when its settings are the other ones: parameters not dropped, messages not mended, addresses not lengthened. */
import { describe, expect, test } from "vitest";
import { forgottenThinking, type ProxyReply, thinkingRule, UPSTREAM_KEY, useProxyBench } from "../support/litellm.ts";

const messages = [{ role: "user", content: "hi" }];
const GATEWAY = "/gateway/claude/messages";

describe("a proxy with other settings", { tags: ["litellm", "processes", "slow"] }, () => {
  const bench = useProxyBench({
    // A time limit longer than a test: it is not what ends a call here.
    settings: { drop_params: false, modify_params: false, request_timeout: 600 },
    general: { cancel_on_disconnect: true },
    env: { LITELLM_ANTHROPIC_DISABLE_URL_SUFFIX: "true", DEFAULT_ANTHROPIC_CHAT_MAX_TOKENS: "2048" },
    models: ({ origin }) => {
      const at = (model: string, api_base: string) => ({ model, api_key: UPSTREAM_KEY, api_base });
      return {
        "anthropic/claude-sonnet-4-6": at("anthropic/claude-sonnet-4-6", `${origin}/v1/messages`),
        "anthropic/claude-opus-5": at("anthropic/claude-opus-5", `${origin}/v1/messages`),
        "legacy-thinking": at("anthropic/claude-sonnet-4-5", `${origin}/v1/messages`),
        unknown: at("anthropic/claude-unknown-test", `${origin}/v1/messages`),
        gateway: at("anthropic/claude-sonnet-4-6", origin + GATEWAY),
      };
    },
  });

  const chat = (model: string, body: Readonly<Record<string, unknown>>): Promise<ProxyReply> =>
    bench().post("/v1/chat/completions", { model, messages, ...body });
  const sent = ({ upstream }: ProxyReply): unknown => upstream[0]?.body;

  test("C7: the maximum of an unknown model is the one that the proxy is told", async () => {
    expect(sent(await chat("unknown", {}))).toMatchObject({ max_tokens: 2_048 });
  });

  test("C13: top_p is passed on to a model that takes it, and refused without a call for one that does not", async () => {
    expect(sent(await chat("anthropic/claude-sonnet-4-6", { top_p: 0.9 }))).toMatchObject({ top_p: 0.9 });
    const refused = await chat("anthropic/claude-opus-5", { top_p: 0.9 });
    expect(refused).toMatchObject({ status: 400, upstream: [] });
    expect(refused.text).toContain("UnsupportedParamsError");
  });

  test("C21: a tool turn without its thinking blocks goes out with thinking on, and the provider refuses it", async () => {
    bench().fake.setFaults(thinkingRule);
    const reply = await chat("legacy-thinking", forgottenThinking);
    expect(sent(reply)).toMatchObject({ thinking: { type: "enabled" } });
    expect(reply).toMatchObject({ status: 400 });
  });

  test("R6: a caller who hangs up ends the call to the provider", async () => {
    const arrived = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    bench().fake.setReply((_call, signal) => {
      signal.addEventListener("abort", () => gone.resolve());
      arrived.resolve();
      return new Promise(() => {});
    });
    const caller = new AbortController();
    const call = bench().send("/v1/chat/completions", { model: "anthropic/claude-sonnet-4-6", messages }, {}, caller.signal);
    await arrived.promise;
    caller.abort();
    await expect(call).rejects.toThrow();
    await gone.promise;
    expect(bench().fake.calls.at(-1)).toMatchObject({ isServed: false });
  });

  test("A4: by Chat Completions an address is called as it stands, by Messages the suffix is added all the same", async () => {
    expect((await chat("gateway", {})).upstream).toMatchObject([{ path: GATEWAY }]);
    const direct = await bench().post("/v1/messages", { model: "gateway", max_tokens: 10, messages });
    expect(direct.upstream).toMatchObject([{ path: `${GATEWAY}/v1/messages` }]);
  });
});
