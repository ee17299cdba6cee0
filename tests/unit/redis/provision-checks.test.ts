import { ReplyError } from "ioredis";
import type { Redis } from "ioredis";
import { expect, test } from "vitest";
import { checkRedis } from "../../../src/redis/start-up-checks.ts";

interface FakeServer {
  readonly version?: string;
  readonly policy?: string;
  readonly infoFails?: Error;
  readonly config?: readonly string[];
  readonly replyMapping?: string;
}

/** Answers what the checks ask; everything else of the client is absent, so that asking more fails the test. */
function fakeRedis({ version = "7.0.15", policy = "noeviction", infoFails, config, replyMapping }: FakeServer): Redis {
  const fake = {
    status: "ready",
    options: { host: "redis.internal", port: 6380, replyMapping },
    info: (section: string) => {
      if (infoFails !== undefined) return Promise.reject(infoFails);
      return Promise.resolve(
        section === "server" ? `# Server\r\nredis_version:${version}\r\n` : `# Memory\r\nmaxmemory_policy:${policy}\r\n`,
      );
    },
    config: () => (config === undefined ? Promise.reject(refusal()) : Promise.resolve(config)),
  };
  // Only these members are used; the real class cannot be built without a connection.
  return fake as unknown as Redis;
}

const refusal = (): Error => new ReplyError("NOPERM this user has no permissions to run the 'info' command");

test("a good server passes without notes", async () => {
  expect(await checkRedis(fakeRedis({}))).toEqual({ version: "7.0.15", evictionPolicy: "noeviction", notes: [] });
});

test.each(["6.0.16", "5.0.14", "4.0.0"])("Redis %s is too old", async (version) => {
  await expect(checkRedis(fakeRedis({ version }))).rejects.toMatchObject({ code: "REDIS_TOO_OLD", at: "redis.internal:6380" });
});

test.each(["6.2.0", "7.4.1", "8.2.1", "10.0.0"])("Redis %s is new enough", async (version) => {
  expect((await checkRedis(fakeRedis({ version }))).version).toBe(version);
});

test("a server that may evict is an error, unless it is accepted", async () => {
  await expect(checkRedis(fakeRedis({ policy: "allkeys-lru" }))).rejects.toMatchObject({ code: "REDIS_EVICTS" });
  expect((await checkRedis(fakeRedis({ policy: "allkeys-lru" }), { allowEviction: true })).evictionPolicy).toBe("allkeys-lru");
});

test("the policy comes from CONFIG where INFO is not permitted", async () => {
  const server = { infoFails: refusal(), config: ["maxmemory-policy", "volatile-lru"] };
  await expect(checkRedis(fakeRedis(server))).rejects.toMatchObject({ code: "REDIS_EVICTS" });
});

test("what cannot be read is said and not guessed", async () => {
  const report = await checkRedis(fakeRedis({ infoFails: refusal() }));
  expect(report).toMatchObject({ version: "unknown", evictionPolicy: undefined });
  expect(report.notes).toHaveLength(2);
});

test("resp3 reply mapping is refused before anything is sent", async () => {
  await expect(checkRedis(fakeRedis({ replyMapping: "resp3", infoFails: new Error("sent") }))).rejects.toMatchObject({
    code: "REDIS_REPLY_MAPPING",
  });
});

test.each([new Error("connect ECONNREFUSED"), new ReplyError("NOAUTH Authentication required.")])(
  "%s: unreachable, with address and remedy",
  async (error) => {
    await expect(checkRedis(fakeRedis({ infoFails: error }))).rejects.toMatchObject({
      code: "BACKEND_UNREACHABLE",
      at: "redis.internal:6380",
      remedy: expect.any(String),
      cause: error,
    });
  },
);
