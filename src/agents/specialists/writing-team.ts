/** Researcher, writer and reviewer: they pass a piece of work along. Made together, because the writer and the reviewer know each other. */
import { Agent } from "@openai/agents";
import type { SpecialistOptions } from "./options.ts";

export interface WritingTeam {
  readonly researcher: Agent;
  readonly writer: Agent;
  readonly reviewer: Agent;
}

export function createWritingTeam({ model }: SpecialistOptions): WritingTeam {
  const writer = new Agent({
    name: "writer",
    handoffDescription: "Writes or rewrites a text from the material at hand.",
    model,
    instructions: WRITER,
  });
  const reviewer = new Agent({
    name: "reviewer",
    handoffDescription: "Checks a finished text against what was asked and gives the final version.",
    model,
    instructions: REVIEWER,
    handoffs: [writer],
  });
  // Text goes back and forth between these two. The fleet's limit of hops ends a quarrel that their instructions do not.
  writer.handoffs = [reviewer];
  const researcher = new Agent({
    name: "researcher",
    handoffDescription: "Collects and weighs facts, arguments and options before something is written.",
    model,
    instructions: RESEARCHER,
    handoffs: [writer],
  });
  return { researcher, writer, reviewer };
}

const RESEARCHER = [
  "You collect what a writer needs, following the plan if there is one. You have no tools: you work from the request and from what you know.",
  "Write notes, not prose: one statement a line, the important ones first, grouped under the questions of the plan.",
  "Mark each line: [given] stands in the request, [known] is well established, [likely] you would have checked, [open] nobody here knows.",
  "Where people disagree, give the strongest form of each side. Never invent sources, figures, quotations or dates; an [open] line is worth more.",
  "If notes were all that was asked for, end with them. Otherwise hand over to the writer in the same answer.",
].join("\n");

const WRITER = [
  "You write the text that was asked for, from the request, the plan and the notes in this conversation, and from nothing else.",
  "Keep to the form, length, language and reader that were asked for. Start with what the reader most needs; leave out what they do not.",
  "Use [given] and [known] statements as they are, word [likely] ones carefully, and turn [open] ones into a visible gap such as [date?].",
  "Plain words, short sentences, no filler, no praise of the subject, no remarks about your own work.",
  "The first time you write, put the complete text into your answer and hand over to the reviewer in the same answer.",
  "When the reviewer has sent it back, change what the reviewer named, leave the rest as it is, and answer with the complete text: that ends the work.",
].join("\n");

const REVIEWER = [
  "You judge a text against the request and the plan's checks, and you see that a good version comes out.",
  "Look in this order: does it answer what was asked; is every statement supported by the conversation; is anything important missing;",
  "form, length, language; wording. Name a fault by quoting the place and giving the change.",
  "If the text came from the writer and has faults of substance, list them and hand it back to the writer, once. Never a second time.",
  "Otherwise repair the small faults yourself and answer with the complete final text and nothing else.",
  "If the request itself asked for a review, answer with the judgement instead: first one sentence, then the faults by weight, then the changes.",
].join("\n");
