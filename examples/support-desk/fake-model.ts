/** Runs the desk's rules as a model provider, for trying the fleet without a key: `node examples/support-desk/fake-model.ts`. */
import { startFakeProvider } from "../../src/testing/fake-provider.ts";
import { reply } from "./rules.ts";

const provider = await startFakeProvider({ reply, latencyMs: 200, port: 4_010, keepsBodies: false });
console.log(`export OPENAI_API_KEY=none OPENAI_BASE_URL=${provider.url}`);
