/** A command line's surroundings without a process. */
import type { CliContext } from "../../../src/cli/context.ts";
import { readSettings } from "../../../src/cli/settings.ts";

export interface FakeContext extends CliContext {
  readonly stdout: string[];
  readonly stderr: string[];
  /** As Ctrl-C would. */
  interrupt(): void;
}

export function fakeContext(
  more: { readonly env?: Record<string, string>; readonly cwd?: string; readonly input?: string } = {},
): FakeContext {
  const stdout: string[] = [];
  const stderr: string[] = [];
  const stops = new Set<(signal: string) => void>();
  const env = more.env ?? {};
  return {
    stdout,
    stderr,
    interrupt: () => {
      for (const stop of stops) stop("SIGINT");
    },
    io: {
      isTerminal: false,
      out: (line) => void stdout.push(line),
      write: (text) => void stdout.push(text),
      say: (line) => void stderr.push(line),
      redraw: (line) => void stderr.push(line),
      readInput: () => Promise.resolve(more.input),
      ask: () => Promise.resolve(undefined),
    },
    clock: {
      nowMs: () => 1_700_000_000_000,
      sleep: (_ms, signal) => new Promise((resolve) => signal?.addEventListener("abort", () => resolve(), { once: true })),
    },
    cwd: more.cwd ?? "/nowhere",
    env,
    settings: () => readSettings(env),
    self: ["false"],
    onStop: (stop) => {
      stops.add(stop);
      return () => stops.delete(stop);
    },
    onUnhandled: () => undefined,
  };
}
