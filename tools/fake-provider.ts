/** The fake provider as a service: answers without a key, the support desk's calls by written rules. Usage: fake-provider.ts [port] [latencyMs] */
import { reply as supportDesk } from "../examples/support-desk/rules.ts";
import { defaultReply, type FakeRule } from "../src/testing/fake-provider.ts";
import { startFakeProvider } from "../src/testing/fake-provider/server.ts";

/** The desk's agents are told by their instructions; everybody else gets an echo, or the smallest value that fits the schema. */
const reply: FakeRule = (call, gone) => (call.instructions?.startsWith("Desk: ") ? supportDesk(call) : defaultReply(call, gone));

const [port = "8080", latencyMs = "0"] = process.argv.slice(2);
const options = { reply, host: "0.0.0.0", port: Number(port), latencyMs: Number(latencyMs), keepsBodies: false };
const provider = await startFakeProvider(options);
console.log(`The fake provider answers at ${provider.url}`);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void provider[Symbol.asyncDispose]());
