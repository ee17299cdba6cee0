/** What the compiler must refuse. `tsc` fails when a line marked below compiles after all. */
import { Agent } from "@openai/agents";
import { expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import { type AgentOptions, createFleet } from "../../src/index.ts";
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

const order = new Agent({ name: "order", model: "m" });
const typed = createFleet({
  agents: { order: { agent: order, input: z.strictObject({ order: z.number(), note: z.string().optional() }) }, writer },
});

test("an agent's input schema is the type of what it is given, for the fleet and for a producer of its type", () => {
  const compiles = (producer: RunProducer<AgentsOf<typeof typed>>): void => {
    void typed.submit("order", { order: 1 });
    void producer.submit("order", { order: 1, note: "n" });
    void producer.submitMany([
      { agent: "order", input: { order: 1 } },
      { agent: "writer", input: "hello", tenant: "acme" },
    ]);
    // @ts-expect-error -- a number is expected
    void typed.submit("order", { order: "1" });
    // @ts-expect-error -- text is no object
    void producer.submit("order", "1");
    // @ts-expect-error -- the writer takes text
    void typed.submit("writer", { order: 1 });
    // @ts-expect-error -- the other agent's input
    void producer.submitMany([{ agent: "writer", input: { order: 1 } }]);
  };
  expectTypeOf(compiles).toBeFunction();
  // @ts-expect-error -- an input is an object: text needs no schema
  expectTypeOf({ agent: writer, input: z.string() }).toExtend<AgentOptions>();
});

const refunds = new Agent({ name: "refunds", model: "m", outputType: z.object({ cents: z.number() }) });
const desk = Agent.create({ name: "desk", model: "m", outputType: z.object({ team: z.string() }), handoffs: [refunds] });
const handing = createFleet({ agents: { desk, refunds } });

test("the union that Agent.create infers over handoffs flows through to the output", () => {
  type Output = Awaited<ReturnType<ReturnType<typeof handing.run>["output"]>>;
  expectTypeOf<Output>().toEqualTypeOf<{ team: string } | { cents: number }>();
  type Ended = Extract<Awaited<ReturnType<ReturnType<typeof handing.run>["result"]>>, { status: "completed" }>;
  expectTypeOf<Extract<Ended, { agent: "refunds" }>["output"]>().toEqualTypeOf<{ cents: number }>();
});

test("a blocked run has its guardrail, and no other has", () => {
  type Result = Awaited<ReturnType<ReturnType<typeof fleet.run>["result"]>>;
  expectTypeOf<Extract<Result, { status: "blocked" }>["guardrail"]["kind"]>().toEqualTypeOf<
    "input" | "output" | "tool-input" | "tool-output"
  >();
  expectTypeOf<Extract<Result, { status: "refused" }>>().not.toHaveProperty("guardrail");
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

test("a fleet looks after runs as a producer of its type does, and opens nothing before it is asked", () => {
  expectTypeOf<typeof fleet>().toExtend<RunProducer<AgentsOf<typeof fleet>>>();
  const unreachable = createFleet({ agents: { writer }, env: {} });
  expect(() => unreachable.pauses()).toThrow(expect.objectContaining({ code: "REDIS_MISSING" }));
  expect(() => unreachable.conversations).toThrow(expect.objectContaining({ code: "REDIS_MISSING" }));
});
