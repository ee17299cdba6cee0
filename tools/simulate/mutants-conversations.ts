/** Fleets whose conversations have one known defect each. */
import { isFinal } from "../../src/protocol/run.ts";
import { after, before, type Mutant } from "./mutant.ts";

export const CONVERSATION_MUTANTS: Readonly<Record<string, Mutant>> = {
  "turns-are-not-passed-on": {
    what: "nobody learns that the turn of the next run has come",
    caughtBy: ["runnable-runs-are-dispatched", "every-run-ends"],
    store: after("end", ({ follower }, world) => {
      const next = world.runs.get(follower ?? "");
      if (next !== undefined) next.lookAtMs = undefined;
    }),
  },
  "turns-are-not-waited-for": {
    what: "a run begins although an earlier one of its conversation is not over",
    caughtBy: ["turns-are-taken-in-order"],
    store: after("submit", (run, world) => {
      if (run.info.suspension !== "conversation") return;
      for (const conversation of world.conversations.values()) conversation.queue.reverse();
      run.lookAtMs = world.clock.nowMs();
    }),
  },
  "turns-are-kept-twice": {
    what: "an end that is sent twice leaves its turn twice",
    caughtBy: ["no-turn-is-lost-or-doubled"],
    store: (store, world) => ({
      ...store,
      async end(command) {
        const reply = await store.end(command);
        const { outcome } = command;
        if (reply.status === "settled" && reply.as === "completed" && outcome.type === "completed" && outcome.conversation !== undefined)
          for (const { turns } of world.conversations.values()) turns.push(outcome.conversation.turn);
        return reply;
      },
    }),
  },
  "half-turns-are-kept": {
    what: "a run that fails or is cancelled leaves a turn",
    caughtBy: ["no-turn-is-lost-or-doubled"],
    store: after("end", ({ info }, world) => {
      if (!isFinal(info.status) || info.status === "completed") return;
      for (const { turns } of world.conversations.values())
        turns.push({ v: 1, id: info.runId, type: "run", atMs: 0, contextTokens: 0, itemsJson: "[]" });
    }),
  },
  "turns-lose-their-input": {
    what: "a turn is only what the run generated",
    caughtBy: ["turns-are-whole"],
    store: (store) => ({
      ...store,
      end: (command) => {
        const { outcome } = command;
        if (outcome.type !== "completed" || outcome.conversation === undefined) return store.end(command);
        const { turn } = outcome.conversation;
        const itemsJson = JSON.stringify((JSON.parse(turn.itemsJson) as unknown[]).slice(1));
        return store.end({ ...command, outcome: { ...outcome, conversation: { ...outcome.conversation, turn: { ...turn, itemsJson } } } });
      },
    }),
  },
  "conversations-are-not-shown": {
    what: "a run is not shown the newest turn",
    caughtBy: ["earlier-turns-are-shown"],
    store: (store) => ({
      ...store,
      async begin(command) {
        const reply = await store.begin(command);
        return reply.status === "begun" ? { ...reply, turns: reply.turns.slice(0, -1) } : reply;
      },
    }),
  },
  "conversations-change-under-a-run": {
    what: "turns go while a run has the turn",
    caughtBy: ["no-turn-is-lost-or-doubled"],
    store: before("record", (_run, _token, world) => {
      for (const conversation of world.conversations.values()) conversation.turns = conversation.turns.slice(1);
    }),
  },
};
