import { tool } from "@openai/agents";
import { expect, test } from "vitest";
import { z } from "zod";
import { toolPolicy, type ToolPolicy } from "../../../src/agents/tool-policy.ts";

const refund = tool({ name: "refund", description: "Pays back.", parameters: z.object({}), execute: () => "paid" });

test.each([
  ["a time that is no whole number", { withinMs: 0.5, onTimeout: "reject" }, "approval.withinMs"],
  ["no time", { withinMs: 0, onTimeout: "fail" }, "approval.withinMs"],
  ["another end than there is", { withinMs: 1_000, onTimeout: "approve" }, "approval.onTimeout"],
])("a deadline for approvals with %s is refused when it is declared", (_what, approval, named) => {
  // As code without types would pass it.
  const policy = { approval } as unknown as ToolPolicy;
  expect(() => toolPolicy(refund, policy)).toThrow(
    expect.objectContaining({
      code: "AGENT_INVALID",
      message: expect.stringContaining(named),
      remedy: expect.stringContaining("approval"),
    }),
  );
});
