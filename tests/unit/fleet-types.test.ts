/** What the compiler must refuse. `tsc` fails when a line marked below compiles after all. */
import { Agent } from "@openai/agents";
import { expectTypeOf, test } from "vitest";
import { z } from "zod";
import { createFleet } from "../../src/index.ts";
import type { RunProducer } from "../../src/producers/run-producer.ts";
import type { AgentsOf } from "../../src/producers/types.ts";

const triage = new Agent({ name: "triage", model: "m", outputType: z.object({ team: z.string() }) });
const writer = new Agent({ name: "writer", model: "m" });
const fleet = createFleet({ agents: { triage, writer: { agent: writer, queue: "slow" } } });

test("agent names are literal types, and results are discriminated by the agent that ended the run", () => {
  type Submit = Parameters<typeof fleet.submit>[0];
  expectTypeOf<Submit>().toEqualTypeOf<"triage" | "writer">();
  type Result = Awaited<ReturnType<ReturnType<typeof fleet.run>["result"]>>;
  type ByTriage = Extract<Result, { status: "completed"; agent: "triage" }>["output"];
  type ByWriter = Extract<Result, { status: "completed"; agent: "writer" }>["output"];
  expectTypeOf<ByTriage>().toEqualTypeOf<{ team: string }>();
  expectTypeOf<ByWriter>().toEqualTypeOf<string>();
});

test("an unknown agent does not compile, for the fleet and for a producer of its type", () => {
  const never = (): void => {
    // @ts-expect-error -- no such agent
    void fleet.submit("no-such", "hello");
  };
  const neither = (producer: RunProducer<AgentsOf<typeof fleet>>): void => {
    // @ts-expect-error -- no such agent
    void producer.submit("no-such", "hello");
  };
  expectTypeOf(never).toBeFunction();
  expectTypeOf(neither).toBeFunction();
});
