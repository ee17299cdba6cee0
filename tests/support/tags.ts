/**
 * The tags a test may carry; any other is an error (`strictTags`). `npx vitest --list-tags` prints them.
 * Select with `--tagsFilter`, for example `npm test -- --tagsFilter "redis && !slow"`.
 */
export const TAGS = [
  { name: "unit", description: "Every test of tests/unit, without being written: no network, no Redis, no sleep." },
  { name: "integration", description: "Every test of tests/integration, without being written: needs a Redis or processes." },
  { name: "redis", description: "Sends commands to a Redis, whichever kind the run uses." },
  { name: "real-redis", description: "Needs a real Redis server: skipped, with the reason, on the JavaScript server." },
  { name: "container", description: "Starts containers: skipped, with the reason, without Docker and an image." },
  { name: "tls", description: "Starts a Redis that speaks TLS: skipped, with the reason, without redis-server and openssl." },
  { name: "acl", description: "Starts a Redis with users: skipped, with the reason, without redis-server." },
  { name: "sentinel", description: "Starts a primary, a replica and three sentinels: skipped, with the reason, without redis-server." },
  { name: "cluster", description: "Starts a Redis Cluster of six: skipped, with the reason, without redis-server and redis-cli." },
  { name: "newer-redis", description: "Starts a Redis 8 or a Valkey 8: skipped, with the reason, where there is none." },
  {
    name: "litellm",
    description: "Starts a real LiteLLM proxy: skipped, with the reason, where tools/litellm/install.ts has not installed one.",
  },
  { name: "processes", description: "Starts further processes of its own, and may kill them." },
  { name: "contract", description: "Runs one suite against several implementations of a port." },
  { name: "slow", description: "Takes more than five seconds." },
];
