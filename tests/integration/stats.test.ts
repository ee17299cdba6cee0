/** Promise: `flotilla stats` tells from Redis how agents did, of the tenant and the time that are meant. */
import { Agent } from "@openai/agents";
import { expect, onTestFinished, test } from "vitest";
import { runCli } from "../../src/cli/program.ts";
import { setupInProcess } from "../support/in-process-fleet.ts";
import { fakeContext } from "../unit/cli/fake-context.ts";

test("stats: hops, ends, ways and times of the runs of one tenant, as a table and as JSON", { tags: ["redis"] }, async () => {
  const bundle = await setupInProcess(({ handoffs }) =>
    handoffs.length > 0 ? { toolCalls: [{ name: "transfer_to_b", arguments: {} }] } : { text: "done" },
  );
  onTestFinished(() => bundle[Symbol.asyncDispose]());
  const b = new Agent({ name: "b", model: "m" });
  const fleet = bundle.fleet({ a: new Agent({ name: "a", model: "m", handoffs: [b] }), b }, { version: "v9" });
  await using _ = await fleet.worker(bundle.workerOptions);
  for (const tenant of ["acme", "other"]) await (await fleet.submit("a", "go", { tenant })).result();

  const cli = async (...argv: string[]) => {
    const context = { ...fakeContext({ env: { REDIS_URL: bundle.redisUrl, FLOTILLA_PREFIX: bundle.prefix } }) };
    return { code: await runCli(argv, context), out: context.stdout.join("\n"), talk: context.stderr.join("\n") };
  };
  const told = await cli("stats", "--tenant", "acme", "--json");
  expect(JSON.parse(told.out)).toMatchObject({
    runs: 1,
    isWhole: true,
    rows: [
      { agent: "a", version: "v9", hops: 1, turns: 1, ended: { "handed-off": 1 }, modelLatency: { p50Ms: expect.any(Number) } },
      { agent: "b", version: "v9", hops: 1, turns: 1, ended: { completed: 1 } },
    ],
    paths: [{ path: ["a", "b"], runs: 1, completed: 1 }],
  });
  expect((await cli("stats", "--by", "tenant")).out).toMatch(/^acme +2 +2 [^]*^other +2 +2 [^]*^2 +2 +a → b$/m);
  expect(await cli("stats", "--tenant", "nobody")).toMatchObject({
    code: 0,
    out: "",
    talk: expect.stringContaining("No run was submitted"),
  });
  expect(await cli("stats", "--since", "soon")).toMatchObject({ code: 2, talk: expect.stringContaining("--since") });
});
