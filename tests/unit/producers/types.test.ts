/** Guards the typed surface: a fleet's type alone gives a producer the names of its agents and what each puts out. Checked by the compiler. */
import { expectTypeOf, test } from "vitest";
import type { Producer } from "../../../src/producer.ts";
import type { AgentName, AgentsOf, FleetOutput, FleetResult } from "../../../src/producers/types.ts";

interface DeskFleet {
  readonly "~agents"?: { readonly triage: { readonly output: string }; readonly refunds: { readonly output: { readonly cents: number } } };
}
type Agents = AgentsOf<DeskFleet>;

test("names, outputs and results follow from the fleet's type", () => {
  expectTypeOf<AgentName<Agents>>().toEqualTypeOf<"triage" | "refunds">();
  expectTypeOf<FleetOutput<Agents>>().toEqualTypeOf<string | { readonly cents: number }>();
  expectTypeOf<Parameters<Producer<DeskFleet>["submit"]>[0]>().toEqualTypeOf<"triage" | "refunds">();
  expectTypeOf<Parameters<Producer["submit"]>[0]>().toEqualTypeOf<string>();
});

test("a completed result is discriminated by the agent that ended it", () => {
  type Refunded = Extract<FleetResult<Agents>, { agent: "refunds"; status: "completed" }>;
  expectTypeOf<Refunded["output"]>().toEqualTypeOf<{ readonly cents: number }>();
  expectTypeOf<FleetResult<Agents>["status"]>().toEqualTypeOf<"completed" | "failed" | "blocked" | "refused" | "cancelled" | "expired">();
});
