/** The fake provider as a service: answers the support desk's calls by written rules, without a key. Usage: fake-provider.ts [port] */
import { reply } from "../examples/support-desk/rules.ts";
import { startFakeProvider } from "../src/testing/fake-provider/server.ts";

const provider = await startFakeProvider({ reply, host: "0.0.0.0", port: Number(process.argv[2] ?? 8080) });
console.log(`The fake provider answers at ${provider.url}`);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void provider[Symbol.asyncDispose]());
