/** Closes a run: each skipped test with its reason, then one line of numbers that scripts can read. */
import { writeSync } from "node:fs";
import type { SerializedError } from "vitest";
import type { Reporter, TestModule } from "vitest/node";

export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export class TallyReporter implements Reporter {
  #tally: Tally = { passed: 0, failed: 0, skipped: 0 };
  #skips: readonly string[] = [];

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    this.#tally = tallyOf(modules, unhandledErrors.length);
    this.#skips = modules.flatMap(skipsOf);
    // The default reporter prints its summary in the same event, and global teardowns may still speak: this has to come after both.
    process.once("exit", () => writeSync(1, this.#text()));
  }

  #text(): string {
    const { passed, skipped } = this.#tally;
    // A run can fail without any test, for example when the Redis does not start.
    const failed = process.exitCode === 0 || process.exitCode === undefined ? this.#tally.failed : Math.max(this.#tally.failed, 1);
    return `${[...this.#skips, `${passed} passed, ${failed} failed, ${skipped} skipped`].join("\n")}\n`;
  }
}

/** A file that could not be loaded and an error outside of any test count as failed: a green line must mean a green run. */
export function tallyOf(modules: readonly TestModule[], unhandledErrors: number): Tally {
  let passed = 0;
  let failed = unhandledErrors;
  let skipped = 0;
  for (const module of modules) {
    let failedHere = 0;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === "passed") passed += 1;
      else if (state === "skipped") skipped += 1;
      else failedHere += 1;
    }
    const brokeOutsideTests = module.state() === "failed" && failedHere === 0;
    failed += failedHere + (brokeOutsideTests ? 1 : 0);
  }
  return { passed, failed, skipped };
}

/** What a filter left out was not asked for, so only skips that a test or a suite states itself are told. */
function skipsOf(module: TestModule): string[] {
  const lines: string[] = [];
  for (const test of module.children.allTests()) {
    const result = test.result();
    if (result.state !== "skipped") continue;
    if (result.note === undefined && test.options.mode !== "skip" && test.options.mode !== "todo") continue;
    lines.push(`skipped: ${module.relativeModuleId} > ${test.fullName} (${result.note ?? `marked ${test.options.mode}, no reason given`})`);
  }
  return lines;
}
