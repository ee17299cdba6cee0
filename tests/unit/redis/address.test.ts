import { expect, test } from "vitest";
import { parseRedisAddress, redactRedisUrl } from "../../../src/redis/address.ts";
import { redisOptions } from "../../../src/redis/connection.ts";

const node = (host: string, port: number) => ({ host, port });

test.each([
  ["redis://h", { kind: "single", nodes: [node("h", 6_379)], db: 0, login: {} }],
  ["redis://:p%40w@h:1/3?family=6", { kind: "single", nodes: [node("h", 1)], db: 3, login: { password: "p@w" }, family: 6 }],
  [
    "rediss://u:pw@[::1]:6380?servername=r.example",
    { kind: "single", nodes: [node("::1", 6_380)], login: { username: "u", password: "pw" }, tls: { servername: "r.example" } },
  ],
  ["redis://h?username=u&password=pw&db=2", { kind: "single", db: 2, login: { username: "u", password: "pw" } }],
  [
    "redis+sentinel://pw@a,b:2/main",
    { kind: "sentinel", nodes: [node("a", 26_379), node("b", 2)], master: "main", login: { username: "pw" } },
  ],
  [
    "rediss+sentinel://:pw@a/my-main?sentinelPassword=sp&db=1",
    { kind: "sentinel", master: "my-main", db: 1, sentinelLogin: { password: "sp" }, tls: {} },
  ],
  [
    "redis+cluster://u:pw@a:1,b:2,c",
    { kind: "cluster", nodes: [node("a", 1), node("b", 2), node("c", 6_379)], login: { username: "u", password: "pw" } },
  ],
  ["redis+unix:///tmp/r.sock?db=2", { kind: "socket", path: "/tmp/r.sock", db: 2 }],
])("%s is understood", (url, parts) => {
  expect(parseRedisAddress(url)).toMatchObject(parts);
});

test.each([
  ["localhost", /Expected a Redis URL/],
  ["http://u:secret@h", /Expected a Redis URL/],
  ["redis://a,b", /names one server/],
  ["redis+sentinel://a:1", /names no master/],
  ["redis+cluster://a/2", /database 0 only/],
  ["redis://u:secret@a:99999", /host that is none/],
  ["redis://u:se/cret@a", /host that is none/],
  ["redis://u:se%cret@a", /escapes nothing/],
  ["redis://a/one", /db is not a number/],
  ["redis://a?ca=/x.pem", /TLS files but not TLS/],
  ["redis://a?pasword=secret", /unknown parameter "pasword"/],
  ["rediss://a?ca=/absent.pem", /ca file cannot be read: \/absent\.pem/],
])("%s is refused, and the message keeps its secret", (url, message) => {
  const told = refusalOf(url);
  expect(told).toMatchObject({ code: "INPUT_INVALID", at: "redis", message: expect.stringMatching(message) });
  expect(String(told)).not.toMatch(/secret|cret@/);
});

function refusalOf(url: string): unknown {
  try {
    return parseRedisAddress(url);
  } catch (error) {
    return error;
  }
}

test.each([
  ["redis+cluster://u:pw@a:1,b:2?ca=/x", "redis+cluster://a:1,b:2"],
  ["redis+sentinel://:p@w@a:1/main?sentinelPassword=pw", "redis+sentinel://a:1/main"],
  ["redis://u:p/w@h:1", "redis://…"],
  ["redis://u:p?w@h:1", "redis://…"],
  ["rediss://h?password=p@w", "rediss://…"],
  ["/tmp/r.sock?db=1", "/tmp/r.sock"],
  ["pw@nonsense", "(not a URL)"],
])("%s is shown without its secrets", (url, shown) => {
  expect(redactRedisUrl(url)).toBe(shown);
});

test("a producer waits longer where a failover is possible, a worker for ever", () => {
  const waits = (url: string, role: "producer" | "worker") => {
    const { maxRetriesPerRequest, commandTimeout } = redisOptions({ url, role });
    return { maxRetriesPerRequest, commandTimeout };
  };
  expect(waits("redis://h", "producer")).toEqual({ maxRetriesPerRequest: 5, commandTimeout: 5_000 });
  expect(waits("redis+sentinel://h/main", "producer")).toEqual({ maxRetriesPerRequest: null, commandTimeout: 10_000 });
  expect(waits("redis+sentinel://h/main", "worker")).toEqual({ maxRetriesPerRequest: null, commandTimeout: undefined });
});
