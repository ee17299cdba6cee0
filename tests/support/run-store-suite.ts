/** The promises of the port `RunStore`. One suite for every store; each test names the invariant it guards. */
import { describe, onTestFinished } from "vitest";
import { approvalSuite } from "./run-store-suite-approvals.ts";
import { attemptsSuite } from "./run-store-suite-attempts.ts";
import { conversationChangesSuite } from "./run-store-suite-conversation-changes.ts";
import { conversationsSuite } from "./run-store-suite-conversations.ts";
import { outcomesSuite } from "./run-store-suite-outcomes.ts";
import { pausesSuite } from "./run-store-suite-pauses.ts";
import { removalSuite } from "./run-store-suite-removal.ts";
import { sourcesSuite } from "./run-store-suite-sources.ts";
import { totalsSuite } from "./run-store-suite-totals.ts";
import { upkeepSuite } from "./run-store-suite-upkeep.ts";
import type { OpenStore } from "./run-store-fixture.ts";

export function runStoreSuite(name: string, open: OpenStore): void {
  const setup: OpenStore = async (options) => {
    const opened = await open(options);
    onTestFinished(() => opened.close());
    return opened;
  };
  describe(name, { tags: ["contract"] }, () => {
    attemptsSuite(setup);
    outcomesSuite(setup);
    approvalSuite(setup);
    upkeepSuite(setup);
    removalSuite(setup);
    conversationsSuite(setup);
    conversationChangesSuite(setup);
    pausesSuite(setup);
    sourcesSuite(setup);
    totalsSuite(setup);
  });
}
