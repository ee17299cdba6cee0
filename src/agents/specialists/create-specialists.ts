/** The stock team: agents that work without a fleet file. Plain SDK agents, made when asked for. */
import { type Agent, getDefaultModel } from "@openai/agents";
import { createAssistant } from "./assistant.ts";
import { type Classifier, createClassifier } from "./classifier.ts";
import { createExtractor, type Extractor } from "./extractor.ts";
import type { ConfigurableSpecialist, SpecialistOptions } from "./options.ts";
import { createPlanner } from "./planner.ts";
import { createWritingTeam, type WritingTeam } from "./writing-team.ts";

/** A type alias, because a fleet wants a map and an interface is none. */
export type Specialists = {
  readonly [Name in keyof WritingTeam]: Agent;
} & {
  readonly assistant: Agent;
  readonly planner: Agent;
  /** Settings: `{ labels: string[], guidance? }`. */
  readonly classifier: ConfigurableSpecialist<Classifier>;
  /** Settings: `{ outputSchema: JSON schema of an object, guidance? }`. */
  readonly extractor: ConfigurableSpecialist<Extractor>;
};

/** A map of agents as a fleet takes it: `createFleet({ agents: createSpecialists() })`. Default model: the SDK's. */
export function createSpecialists({ model = getDefaultModel() }: Partial<SpecialistOptions> = {}): Specialists {
  const team = createWritingTeam({ model });
  return {
    assistant: createAssistant({ model }),
    planner: createPlanner({ model, handoffs: [team.researcher, team.writer, team.reviewer] }),
    ...team,
    classifier: createClassifier({ model }),
    extractor: createExtractor({ model }),
  };
}
