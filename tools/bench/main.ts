/**
 * `npm run bench`: what the engine costs, beside plain BullMQ and the plain SDK in the same run. The last line of stdout is one JSON object;
 * talk and the table for people go to stderr. `--only NAME` runs one part, `--quick` small sizes.
 */
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { systemClock } from "../../src/clock.ts";
import { provisionRedis } from "../../src/redis/provision.ts";
import { measureCancel } from "./cancel.ts";
import { measureFirstDelta, measureHandoff, measureStep } from "./latency.ts";
import { measureLiveCpu } from "./live.ts";
import { measureLoad, measureMemory, measurePerTurn } from "./load.ts";
import { measureRecovery } from "./recovery.ts";
import { tableOf } from "./report.ts";
import { measureRouting } from "./routing.ts";
import { measureTax } from "./tax.ts";

const { values } = parseArgs({
  options: { only: { type: "string" }, quick: { type: "boolean", default: false }, json: { type: "boolean", default: false } },
});
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const { quick } = values;

await using redis = await provisionRedis({ env: process.env, allowJavaScript: false, log: say });
say(`Redis: ${redis.describe}`);
const { url } = redis;

const PARTS: Record<string, () => Promise<Record<string, unknown>>> = {
  tax: async () => ({ ...(await measureTax(url, say)) }),
  step: async () => ({ stepMs: await measureStep(url, quick ? 300 : 2_000) }),
  handoff: async () => ({ handoffMs: await measureHandoff(url, 0, quick ? 60 : 400) }),
  handoffLoaded: async () => ({ handoffLoadedMs: await measureHandoff(url, quick ? 500 : 10_000, quick ? 60 : 400) }),
  load: async () => ({ ...(await measureLoad(url, quick ? [0, 1_000] : [0, 10_000, 100_000], say)) }),
  perTurn: async () => ({ perTurn: await measurePerTurn(url, quick ? [2, 20, 50] : [2, 50, 200, 500]) }),
  recovery: async () => ({
    recoveryMs: await measureRecovery(url, "host", quick ? 2 : 15),
    recoveryProcessMs: await measureRecovery(url, "process", quick ? 2 : 20),
  }),
  cancel: async () => ({ cancelMs: await measureCancel(url, quick ? 5 : 40) }),
  delta: async () => ({ firstDeltaMs: await measureFirstDelta(url, quick ? 10 : 60) }),
  live: async () => ({ liveRedisUsPerDelta: { "1": await measureLiveCpu(url, 1), "50": await measureLiveCpu(url, 50) } }),
  routing: async () => ({ routing: await measureRouting(quick, say) }),
  memory: async () => ({ bytesPerRun: await measureMemory(url, quick ? 500 : 5_000) }),
};

const names = values.only === undefined ? Object.keys(PARTS) : [values.only];
const report: Record<string, unknown> = {};
for (const name of names) {
  const part = PARTS[name];
  if (part === undefined) {
    say(`USAGE Expected --only to be one of ${Object.keys(PARTS).join(", ")}; got ${name}.`);
    process.exit(2);
  }
  say(`measuring ${name}`);
  Object.assign(report, await part());
}
const machine = {
  cores: cpus().length,
  cpu: cpus()[0]?.model ?? "unknown",
  node: process.version,
  redis: redis.describe,
  at: new Date(systemClock.nowMs()).toISOString().slice(0, 10),
};
if (!values.json) say(tableOf(report));
console.log(JSON.stringify({ ...report, machine }));
