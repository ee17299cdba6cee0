/**
 * A model provider on loopback: real HTTP, OpenAI's two APIs and Anthropic's, streamed and not, answers from a rule instead of a model. With it the
 * whole fleet runs without a key, and every way in which a provider fails can be asked for.
 */
export type { BatchFaultPlan, FakeBatchCall, FakeBatchOptions } from "./fake-provider/batches-api.ts";
export type { FakeCall, FakeMessage, FakeToolResult } from "./fake-provider/call.ts";
export type { FakeReply, FakeRule, FakeToolCall, FakeUsage, Fault, FaultPlan } from "./fake-provider/reply.ts";
export { sampleOf } from "./fake-provider/sample.ts";
export {
  defaultReply,
  type FakeCallRecord,
  type FakeProvider,
  type FakeProviderOptions,
  startFakeProvider,
} from "./fake-provider/server.ts";
