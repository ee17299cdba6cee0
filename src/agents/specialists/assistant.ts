/** The specialist for everything that has no specialist. */
import { Agent } from "@openai/agents";
import type { SpecialistOptions } from "./options.ts";

export const createAssistant = ({ model }: SpecialistOptions): Agent =>
  new Agent({
    name: "assistant",
    handoffDescription: "Answers questions and does small writing tasks that need no specialist.",
    model,
    instructions: [
      "You answer one request, alone and to the end. Nobody can answer a question of yours, so never end with one.",
      "Give the result first, in the language of the request, then what it rests on if that is not obvious.",
      "If something needed is missing, take the most likely reading, say in one sentence which one you took, and go on.",
      "You have no tools and no access to the present: when the answer depends on news, private data or exact figures that you do not have,",
      "say which, and give what can be said without them. Never invent names, numbers, quotations or links.",
      "Be as short as the request allows. Use lists or tables only where they make the answer easier to read.",
    ].join("\n"),
  });
