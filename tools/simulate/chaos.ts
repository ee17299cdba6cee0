/** What goes wrong, decided by the seed. Each fault has a number, so that a failing seed can be run again with fewer of them. */
import type { ModelFault } from "./model.ts";
import { countUp, type Outside } from "./outside.ts";
import type { Fate } from "./ports.ts";
import type { Random } from "./random.ts";
import type { Actor, Scheduler } from "./scheduler.ts";

export interface ChaosOptions {
  /** Faults at most. */
  readonly budget: number;
  /** How likely each occasion is to be used. */
  readonly rate: number;
  /** Numbers of faults that are left out. */
  readonly without: ReadonlySet<number>;
  /** The model gives bad answers where a form is asked for. */
  readonly weakModel: boolean;
}

export interface Chaos {
  /** Faults that happened, by number. */
  readonly happened: readonly { readonly number: number; readonly what: string }[];
  /** From now on nothing goes wrong any more. */
  calm(): void;
  readonly isCalm: boolean;
  /** True where a fault is to happen now. `weight` is how much likelier than others. */
  strikes(what: string, weight?: number): boolean;
  fate(actor: Actor, operation: string): Fate;
  modelFault(runId: string, structuredAnswer: boolean): ModelFault;
  /** False: a notification is lost. */
  hears(): boolean;
}

/** By a weak model, in one simulation. */
const BAD_ANSWERS = 4;
const FATES = ["lost-request", "lost-reply", "sent-twice", "sent-twice"] as const;
const MODEL_FAULTS = ["rate-limited", "short-rate-limit", "failed", "broken-stream"] as const;

export function createChaos(
  random: Random,
  scheduler: Scheduler,
  outside: Outside,
  { budget, rate, without, weakModel }: ChaosOptions,
): Chaos {
  const happened: { number: number; what: string }[] = [];
  let drawn = 0;
  let calm = false;
  let badLeft = weakModel ? BAD_ANSWERS : 0;
  const happens = (what: string): boolean => {
    const number = drawn++;
    if (without.has(number)) return false;
    happened.push({ number, what });
    scheduler.note(`! fault ${number}: ${what}`);
    return true;
  };
  const strikes = (what: string, weight = 1): boolean => !calm && drawn < budget && random.chance(rate * weight) && happens(what);
  // A weak model stays weak when everything else is calm; but not for ever.
  const isBad = (): boolean => badLeft > 0 && random.chance(0.7) && badLeft-- > 0 && happens("a bad answer");
  return {
    happened,
    calm() {
      calm = true;
    },
    get isCalm() {
      return calm;
    },
    strikes,
    // What decides and what writes down is where a lost answer hurts.
    fate: (actor, operation) =>
      strikes(`the wire, ${actor.name} ${operation}`, /^(end|record|intent|submit)/.test(operation) ? 3 : 1)
        ? random.pick(FATES)
        : "arrives",
    modelFault(runId, structuredAnswer) {
      if (structuredAnswer && isBad()) {
        countUp(outside.badAnswers, runId);
        return "bad-answer";
      }
      return strikes("the model", 4) ? random.pick(MODEL_FAULTS) : undefined;
    },
    hears: () => !strikes("a notification is lost"),
  };
}
