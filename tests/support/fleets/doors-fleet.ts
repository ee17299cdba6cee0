/** The team of tests/support/doors.ts in a process of its own; its door is what the environment says. Each effect is a line of the effects file. */
import { appendFileSync } from "node:fs";
import { createFleet, currentCall } from "../../../src/index.ts";
import { doorTeam } from "../doors.ts";

const model = process.env["DOOR_MODEL"] ?? "gpt-x";

export const fleet = createFleet({
  agents: doorTeam({
    models: [model, model],
    stream: true,
    onEffect: (tool) => appendFileSync(process.env["EFFECTS_FILE"] ?? "effects.txt", `${tool} ${currentCall()?.idempotencyKey}\n`),
  }),
});
