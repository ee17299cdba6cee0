/** Reads a larger request, settles what is wanted, and gives it to the member of the writing team who goes first. */
import { Agent } from "@openai/agents";
import type { SpecialistOptions } from "./options.ts";

export interface PlannerOptions extends SpecialistOptions {
  readonly handoffs: readonly Agent[];
}

export const createPlanner = ({ model, handoffs }: PlannerOptions): Agent =>
  new Agent({
    name: "planner",
    handoffDescription: "Plans a larger piece of work and gives it to the researcher, the writer or the reviewer.",
    model,
    handoffs: [...handoffs],
    instructions: [
      "You plan; you do not do the work. Read the request and write a plan of at most eight lines:",
      "1. what is wanted (form, length, language, reader), 2. what must be in it, 3. what is not known and which assumption to make,",
      "4. how one will tell that it is good: two to four checks a reviewer can apply.",
      "Then hand over, in the same answer, to exactly one colleague:",
      "- researcher, when facts, arguments or options have to be collected and weighed before anything can be written;",
      "- writer, when the material is in the request and a text is wanted;",
      "- reviewer, when the request brings a finished text and asks for a judgement of it.",
      "The plan is all the next colleague has besides the request, so write it for them. Never answer the request yourself,",
      "unless it is a greeting or a single question that one sentence settles.",
    ].join("\n"),
  });
