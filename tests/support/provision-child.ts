/** A process that uses a project's own Redis until its standard input ends or it is killed. Usage: provision-child.ts <project folder> */
import { provisionRedis } from "../../src/redis/provision.ts";

const dir = process.argv[2];
const redis = await provisionRedis({
  env: process.env,
  allowJavaScript: false,
  log: () => undefined,
  ...(dir === undefined ? {} : { dir }),
});
process.stdout.write(`${JSON.stringify({ url: redis.url, describe: redis.describe })}\n`);
for await (const chunk of process.stdin) void chunk;
await redis[Symbol.asyncDispose]();
