import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { provisionRedis, redactRedisUrl } from "../../../src/redis/provision.ts";
import type { ProvisionedRedis, ProvisionOptions } from "../../../src/redis/provision.ts";

const provision = (env: ProvisionOptions["env"], more: Partial<ProvisionOptions> = {}): Promise<ProvisionedRedis> =>
  provisionRedis({ env, allowJavaScript: false, log: () => undefined, ...more });

describe("REDIS_URL", () => {
  test("comes first and is given on as it is, its password only to the client", async () => {
    const url = "redis://user:secret@redis.internal:6380/2?family=4";
    const redis = await provision({ REDIS_URL: url, PATH: process.env["PATH"] });
    expect(redis).toMatchObject({ url, kind: "url", shared: true });
    expect(redis.describe).toBe("redis://redis.internal:6380/2 (REDIS_URL)");
  });

  test.each(["redis+unix:///run/redis.sock", "unix:/run/redis.sock", "/run/redis.sock"])("%s is a unix socket", async (url) => {
    expect(await provision({ REDIS_URL: url })).toMatchObject({ url, kind: "url" });
  });

  test.each(["localhost:6379", "http://redis:6379", "redis"])("%s is refused, with its place and a remedy", async (url) => {
    await expect(provision({ REDIS_URL: url })).rejects.toMatchObject({
      code: "INPUT_INVALID",
      at: "REDIS_URL",
      remedy: expect.any(String),
    });
  });

  test("a refused one is not repeated, since it may hold a password", async () => {
    await expect(provision({ REDIS_URL: "http://user:secret@x" })).rejects.toSatisfy((error: Error) => !error.message.includes("secret"));
  });
});

describe("nothing configured", () => {
  let dir = "";
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "flotilla-provision-"));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  test.each([{}, { REDIS_URL: "" }, { REDIS_URL: " ", PATH: "" }, { PATH: "relative:." }])(
    "%o: an error instead of a guess at localhost",
    async (env) => {
      await expect(provision(env)).rejects.toMatchObject({ code: "REDIS_MISSING", at: "REDIS_URL" });
    },
  );

  test("a file of the right name that is no program is not a server", async () => {
    await writeFile(join(dir, "redis-server"), "");
    await expect(provision({ PATH: dir })).rejects.toMatchObject({ code: "REDIS_MISSING" });
  });

  test("a server that does not come up is an error that quotes its log, not the next choice", { tags: ["processes"] }, async () => {
    const program = join(dir, "valkey-server");
    await writeFile(program, `#!/bin/sh\necho "Can't open the log" > "${dir}/.flotilla/redis/redis.log"; exit 1\n`);
    await chmod(program, 0o755);
    const env = { PATH: `${dir}:/usr/bin:/bin` };
    await expect(provision(env, { dir, allowJavaScript: true })).rejects.toMatchObject({
      code: "BACKEND_UNREACHABLE",
      message: expect.stringContaining("Can't open the log"),
    });
  });
});

test("a shown address holds no credentials", () => {
  expect(redactRedisUrl("rediss://:pw@host:1/0?password=pw")).toBe("rediss://host:1/0");
  expect(redactRedisUrl("redis+unix:///tmp/a.sock")).toBe("redis+unix:///tmp/a.sock");
  expect(redactRedisUrl("pw@nonsense")).toBe("(not a URL)");
});
