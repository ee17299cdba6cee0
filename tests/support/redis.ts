/** The Redis of the integration tests: which kinds there are, and how a test says what it needs. See global-setup.ts. */
import { inject } from "vitest";
import type { TestContext } from "vitest";

export type TestRedisKind = "container" | "local" | "javascript";

declare module "vitest" {
  interface ProvidedContext {
    /** `redis://…` or `redis+unix:///absolute/path.sock`. Every test file takes a prefix of its own in it. */
    readonly redisUrl: string;
    readonly redisKind: TestRedisKind;
    /** An image that Docker can start here without fetching it; empty when there is none. */
    readonly redisImage: string;
    /** Why `redisImage` is empty. */
    readonly noContainerBecause: string;
  }
}

/** What `context.skip` is asked for when the present run cannot give it. */
export type Need = "real-redis" | "container";

/**
 * Skips the test, with a reason that the end of the run repeats, when this run does not have what the test needs.
 * In a test: `needs(context, "real-redis")`; for a whole suite: `beforeEach((context) => needs(context, "real-redis"))`.
 */
export function needs(context: Pick<TestContext, "skip">, need: Need): void {
  const reason = missing(need);
  if (reason !== undefined) context.skip(reason);
}

function missing(need: Need): string | undefined {
  if (need === "real-redis")
    return inject("redisKind") === "javascript" ? "needs a real Redis server; this run has the JavaScript one" : undefined;
  return inject("redisImage") === "" ? `needs containers: ${inject("noContainerBecause")}` : undefined;
}
