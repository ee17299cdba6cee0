import { defineConfig } from "vitest/config";
import { TAGS } from "./tests/support/tags.ts";
import { TallyReporter } from "./tests/support/tally-reporter.ts";

const folderTags = { runner: "./tests/support/folder-tag-runner.ts" };

export default defineConfig({
  test: {
    tags: TAGS,
    strictTags: true,
    reporters: ["default", new TallyReporter()],
    pool: "forks",
    // Integration tests start processes and servers of their own; more workers only make the timings of all of them worse.
    maxWorkers: 2,
    passWithNoTests: false,
    projects: [
      { extends: true, test: { ...folderTags, name: "unit", include: ["tests/unit/**/*.test.ts"], testTimeout: 20_000 } },
      {
        extends: true,
        test: {
          ...folderTags,
          name: "integration",
          include: ["tests/integration/**/*.test.ts"],
          globalSetup: "./tests/support/global-setup.ts",
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
