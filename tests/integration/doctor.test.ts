/** Promise: the doctor asks every place that an agent's calls go to, with the key that they are made with, and nothing that costs. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Agent } from "@openai/agents";
import { expect, onTestFinished, test } from "vitest";
import { routeFindings } from "../../src/cli/route-findings.ts";
import { createFleet, type FleetOptions, openAICompatible } from "../../src/index.ts";
import { fakeContext } from "../unit/cli/fake-context.ts";

/** Lists its models to whoever has one of its keys. */
async function place(keys: readonly string[], models: readonly string[]) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const key = request.headers.authorization?.replace("Bearer ", "") ?? "";
    asked.push(`${request.method} ${request.url} ${key}`);
    response.writeHead(keys.includes(key) ? 200 : 401, { "content-type": "application/json" });
    response.end(JSON.stringify(keys.includes(key) ? { data: models.map((id) => ({ id })) } : { error: { type: "auth" } }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  // It listens on a port.
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, asked };
}

const doctor = (options: FleetOptions, env: Record<string, string>, tenant?: string) =>
  routeFindings(fakeContext({ env }), createFleet(options), tenant);

test("the models of agents used as tools are looked at, and one without a model is told", async () => {
  const openai = await place(["sk-fleet"], ["gpt-x"]);
  const nested = await place(["no-key"], ["llama"]);
  const helper = new Agent({ name: "helper", model: "local/mistral" });
  const lost = new Agent({ name: "lost", tools: [helper.asTool({ toolName: "help", toolDescription: "Helps." })] });
  const a = new Agent({ name: "a", model: "gpt-x", tools: [lost.asTool({ toolName: "ask", toolDescription: "Asks." })] });
  const models = { local: openAICompatible({ baseURL: nested.url }) };
  const found = await doctor({ agents: { a }, models }, { OPENAI_API_KEY: "sk-fleet", OPENAI_BASE_URL: openai.url });
  expect(found).toEqual([
    expect.objectContaining({ check: "agents as tools", state: "warn", text: 'no model is named by "lost".' }),
    expect.objectContaining({ check: "models at openai", state: "ok" }),
    expect.objectContaining({ check: "models at local", state: "ok" }),
    expect.objectContaining({ check: "models at local", state: "warn", text: expect.stringContaining("does not list mistral") }),
  ]);
  expect([...openai.asked, ...nested.asked]).toEqual(["GET /v1/models sk-fleet", "GET /v1/models no-key"]);
});

const tenants: Pick<FleetOptions, "agents" | "credentials"> = {
  agents: { a: new Agent({ name: "a", model: "gpt-x" }) },
  credentials: ({ tenant }) => {
    if (tenant === "broken") throw new Error("the vault is shut");
    return tenant === "default" ? undefined : { apiKey: `sk-${tenant}` };
  },
};

test("I11: a tenant's place is asked with the tenant's key, and with no other", async () => {
  const openai = await place(["sk-acme", "sk-fleet"], ["gpt-x"]);
  const env = { OPENAI_API_KEY: "sk-fleet", OPENAI_BASE_URL: openai.url };
  expect(await doctor(tenants, env, "acme")).toMatchObject([{ state: "ok", text: expect.stringContaining("takes the key") }]);
  expect(openai.asked).toEqual(["GET /v1/models sk-acme"]);
  expect(await doctor(tenants, env, "gone")).toMatchObject([
    { state: "bad", text: expect.stringContaining("rejects the key"), remedy: expect.stringContaining("`credentials` return for gone") },
  ]);
  expect(await doctor(tenants, env, "broken")).toMatchObject([{ state: "bad", text: "no key for tenant broken: the vault is shut" }]);
  expect(openai.asked.at(-1)).toBe("GET /v1/models sk-gone");
  expect(await doctor(tenants, env, "default")).toMatchObject([{ state: "ok" }]);
  expect(openai.asked.at(-1)).toBe("GET /v1/models sk-fleet");
});

test("a fleet whose tenants bring the keys says how to look at one", async () => {
  const openai = await place([], []);
  expect(await doctor(tenants, { OPENAI_BASE_URL: openai.url })).toMatchObject([
    { state: "warn", text: expect.stringContaining("no key of the fleet's own for gpt-x"), remedy: expect.stringContaining("--tenant") },
  ]);
  expect(openai.asked).toEqual([]);
  expect(await doctor(tenants, { OPENAI_BASE_URL: openai.url }, "default")).toMatchObject([
    { state: "bad", text: expect.stringContaining("no key for tenant default") },
  ]);
});
