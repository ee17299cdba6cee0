/** Guards what a supervisor is told of the runs that its child holds: differences, together, and nothing to a listener that is not there. */
import { expect, test } from "vitest";
import { settleMicrotasks } from "../../../src/testing/virtual-clock.ts";
import { createHeldReport } from "../../../src/workers/held-report.ts";
import { type FromChild, fromChildSchema } from "../../../src/workers/supervisor-messages.ts";

const run = (last: string) => ({ runId: `r0-01jd3xk2v7w8y9z0a1b2c3d4e${last}`, token: `t${last}` });
const [A, B, C] = [run("5"), run("6"), run("7")];

function setup() {
  const messages: FromChild[] = [];
  const waiting: Array<() => void> = [];
  const report = createHeldReport((message, sent) => {
    messages.push(message);
    waiting.push(sent);
  });
  /** The channel takes what was sent; what is next is sent. */
  const deliver = async (): Promise<void> => {
    for (const sent of waiting.splice(0)) sent();
    await settleMicrotasks();
    await settleMicrotasks();
  };
  return { report, messages, deliver };
}

test("changes of one turn of the loop are one message, and what came and went is none", async () => {
  const { report, messages, deliver } = setup();
  report.held([A]);
  report.held([A, B]);
  report.held([A, B, C]);
  report.held([A, C]);
  await settleMicrotasks();
  expect(messages).toEqual([{ type: "held", added: [A, C], removed: [] }]);
  report.held([A, C, B]);
  report.held([A, C]);
  await deliver();
  expect(messages).toHaveLength(1);
  report.held([B]);
  await settleMicrotasks();
  expect(messages.at(-1)).toEqual({ type: "held", added: [B], removed: [A.token, C.token] });
});

test("nothing is sent while the message before is on its way, and then all that changed", async () => {
  const { report, messages, deliver } = setup();
  report.held([A]);
  await settleMicrotasks();
  report.held([A, B]);
  report.held([B, C]);
  await settleMicrotasks();
  expect(messages).toHaveLength(1);
  await deliver();
  expect(messages.at(-1)).toEqual({ type: "held", added: [B, C], removed: [A.token] });
});

test("what is told is what a supervisor reads, and what user code sends is not", async () => {
  const { report, messages } = setup();
  report.started({ workerId: "host-1-x", retentionMs: 1_000, maxDeaths: 5 });
  report.held([A]);
  await settleMicrotasks();
  expect(messages.map((message) => fromChildSchema.safeParse(message).success)).toEqual([true, true]);
  expect(fromChildSchema.safeParse("ready").success).toBe(false);
  expect(fromChildSchema.safeParse({ type: "held", added: [{ runId: "x", token: "t" }], removed: [] }).success).toBe(false);
});
