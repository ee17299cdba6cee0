/** The fake provider as a service: answers the support desk's calls by written rules, without a key. Usage: fake-provider.ts [port] [latencyMs] */
import { reply } from "../examples/support-desk/rules.ts";
import { startFakeProvider } from "../src/testing/fake-provider/server.ts";

const [port = "8080", latencyMs = "0"] = process.argv.slice(2);
const options = { reply, host: "0.0.0.0", port: Number(port), latencyMs: Number(latencyMs), keepsBodies: false };
const provider = await startFakeProvider(options);
console.log(`The fake provider answers at ${provider.url}`);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void provider[Symbol.asyncDispose]());
