/** One line that tells how far it is: redrawn on a terminal, else a plain line now and then. */
import type { Clock } from "../../clock.ts";
import type { CliIo } from "../io.ts";

const BAR_WIDTH = 30;
const PLAIN_EVERY_MS = 2_000;
const REDRAW_EVERY_MS = 80;

export interface Progress {
  update(done: number, note: string): void;
}

export const drawBar = (done: number, total: number): string => {
  const filled = total === 0 ? BAR_WIDTH : Math.floor((done / total) * BAR_WIDTH);
  return `[${"#".repeat(filled)}${"-".repeat(BAR_WIDTH - filled)}] ${done}/${total}`;
};

export function createProgress(io: CliIo, clock: Clock, total: number): Progress {
  let toldAtMs = Number.NEGATIVE_INFINITY;
  return {
    update(done, note) {
      const everyMs = io.isTerminal ? REDRAW_EVERY_MS : PLAIN_EVERY_MS;
      if (done < total && clock.nowMs() - toldAtMs < everyMs) return;
      toldAtMs = clock.nowMs();
      if (io.isTerminal) io.redraw(`${drawBar(done, total)}  ${note}`);
      else io.say(`${done}/${total}  ${note}`);
    },
  };
}
