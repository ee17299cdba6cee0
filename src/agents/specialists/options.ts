/** What every specialist is made from. */
import type { Model } from "@openai/agents";

export interface SpecialistOptions {
  /** A model's name or alias, or an SDK model. */
  readonly model: string | Model;
}

/** A specialist that is made anew for the settings of each submit, in the form in which a fleet's map takes it. */
export interface ConfigurableSpecialist<A> {
  readonly agent: A;
  /** @throws FleetError INPUT_INVALID */
  readonly configure: (settings: unknown) => A;
}
