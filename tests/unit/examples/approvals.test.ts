/** The example of docs/how-to/approvals.md does what the page says. */
import { functionCall, assistantMessage, ScriptedModel } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { decideRefunds } from "../../../examples/approvals/decide.ts";
import { createRefundFleet } from "../../../examples/approvals/fleet.ts";
import { testFleet } from "../../../src/testing/index.ts";

async function asked(amountCents: number) {
  const paid: number[] = [];
  const told: string[] = [];
  const fleet = createRefundFleet({
    pay: async (amount) => `paid ${paid.push(amount) && amount}`,
    isLead: async (name) => name === "lena",
    tell: async (text) => void told.push(text),
  });
  const model = new ScriptedModel([[functionCall("refund", { amountCents }, { callId: "c1" })], [assistantMessage("done")]]);
  const desk = testFleet(fleet, { models: { "gpt-5.4-mini": model } });
  const run = await desk.submit("refunds", "go", { tenant: "acme" });
  await desk.settle();
  return { desk, run, paid, told, model };
}

test("a small refund needs nobody", async () => {
  const { run, paid, told } = await asked(5_000);
  expect(await run.output()).toBe("done");
  expect([paid, told]).toEqual([[5_000], []]);
});

test("the service's approval pays what it edited, after somebody was told", async () => {
  const { desk, run, paid, told } = await asked(45_000);
  expect(told).toEqual([expect.stringMatching(/^refund\(\{"amountCents":45000\}\) waits: r0-/)]);
  expect(await decideRefunds(desk, "ann")).toEqual([]);
  await desk.settle();
  expect(await run.output()).toBe("done");
  expect(paid).toEqual([40_000]);
});

test("the service's rejection tells the model why", async () => {
  const { desk, run, paid, model } = await asked(200_000);
  await decideRefunds(desk, "ann");
  await desk.settle();
  expect(await run.output()).toBe("done");
  expect(paid).toEqual([]);
  expect(JSON.stringify(model.calls[1]?.request.input)).toContain("offer a voucher");
});

test("above the limit only a lead's approval counts", async () => {
  const { desk, run, paid } = await asked(80_000);
  const [callId = ""] = (await run.status()).approvals.map((call) => call.callId);
  await run.approve(callId, { by: "ann" });
  await desk.settle();
  expect(await run.status()).toMatchObject({
    suspension: "approval",
    decisions: [{ by: "ann", refused: { why: expect.stringContaining("only a lead") } }],
  });
  await run.approve(callId, { by: "lena" });
  await desk.settle();
  expect(paid).toEqual([80_000]);
});

test("the service is told who was faster", async () => {
  const { desk, run } = await asked(45_000);
  const [callId = ""] = (await run.status()).approvals.map((call) => call.callId);
  const { approvals } = await desk.approvals({ tenant: "acme" });
  await run.approve(callId, { by: "bob" });
  const late = { approvals: async () => ({ approvals, before: undefined }), run: desk.run };
  expect(await decideRefunds(late, "ann")).toEqual([expect.stringContaining("was approved by bob at ")]);
});
