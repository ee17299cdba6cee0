/** Promise: a run that ended is carried on, or copied, as a new run; over processes and kills nothing is paid or done twice. */
import { chmodSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { commandLine } from "../unit/cli/cli-process.ts";
import { createGate, setup, usualReply } from "../support/process-bundle.ts";

const SLOW = 40_000;

test("a failed run is retried from the command line, survives a SIGKILL of its worker, and repeats no call and no effect", {
  tags: ["processes"],
  timeout: SLOW,
}, async () => {
  const gate = createGate();
  let mode: "refuse" | "hold" | "answer" = "refuse";
  await using bundle = await setup(async (call) => {
    const isLast = call.model === "closer-model" && /call_h1a\d+t0/.test(JSON.stringify(call.body));
    if (!isLast) return usualReply(call);
    if (mode === "refuse") return { status: 401 };
    if (mode === "hold") {
      mode = "answer";
      await gate.wait();
    }
    return { text: "All is written." };
  });
  const first = await bundle.worker();
  const run = await bundle.producer.submit("opener", "hello");
  expect(await run.result()).toMatchObject({ status: "failed", agent: "closer", error: { code: "MODEL_KEY_REJECTED" } });
  const paid = bundle.provider.calls.length;
  expect(bundle.effects()).toHaveLength(2);

  const { run: flotilla } = commandLine(bundle.env);
  const listed = await flotilla(["failures", "--json"]);
  expect(JSON.parse(listed.out)).toMatchObject({ code: "MODEL_KEY_REJECTED", agent: "closer", count: 1, newest: run.id });
  mode = "hold";
  const retried = await flotilla(["failures", "retry", "--code", "MODEL_KEY_REJECTED", "--yes", "--json"]);
  expect(JSON.parse(retried.out)).toEqual({ retried: 1, refused: 0 });
  await gate.reached;
  await first.kill("SIGKILL");
  gate.open();
  await bundle.worker();

  const { continuedAs = "" } = await run.status();
  const again = bundle.producer.run(continuedAs);
  expect(await again.result()).toMatchObject({ status: "completed", agent: "closer" });
  expect(bundle.effects()).toHaveLength(2);
  // The held call, and its repeat: it was in flight at the kill.
  expect(bundle.provider.calls.length - paid).toBe(2);
  expect((await flotilla(["failures", "--json"])).out).toBe("");
});

test("one command answers what another model would have done from a turn, beside what was answered then", {
  tags: ["processes"],
  timeout: SLOW,
}, async () => {
  await using bundle = await setup(async (call) => (call.model === "other-model" ? { text: "I would have waited." } : usualReply(call)));
  await bundle.worker();
  const run = await bundle.producer.submit("opener", "hello");
  const { output } = (await run.result()) as { output: unknown }; // the usual way completes
  const { run: flotilla } = commandLine(bundle.env);
  const forked = await flotilla(["runs", "fork", run.id, "--turn", "3", "--model", "other-model", "--json"]);
  expect(forked.code).toBe(0);
  expect(JSON.parse(forked.out)).toMatchObject({
    fromTurn: 3,
    source: { runId: run.id, status: "completed", models: ["closer-model"], turns: 2, output },
    copy: { status: "completed", models: ["other-model"], turns: 1, output: "I would have waited." },
  });
  const drawn = await flotilla(["runs", "fork", run.id, "--turn", "3", "--model", "other-model"]);
  expect(drawn.out).toMatch(/from turn 3 on[\s\S]*closer-model[\s\S]*other-model[\s\S]*I would have waited[\s\S]*The answers differ/);
  expect(bundle.effects()).toHaveLength(2);
});

test("a replay from the command line takes an input that was edited, and runs no tool again", {
  tags: ["processes"],
  timeout: SLOW,
}, async () => {
  const asked: string[] = [];
  await using bundle = await setup((call) => {
    asked.push(call.lastUserText);
    return usualReply(call);
  });
  await bundle.worker();
  const run = await bundle.producer.submit("opener", "hello");
  await run.result();
  const before = asked.length;
  const line = commandLine({ ...bundle.env, EDITOR: "./edit.sh --wait" });
  const editor = path.join(line.cwd, "edit.sh");
  writeFileSync(editor, '#!/bin/sh\nsed -i "s/hello/good evening/" "$2"\n');
  chmodSync(editor, 0o755);
  const replayed = await line.run(["runs", "replay", run.id, "--edit", "--json"]);
  expect(replayed.talk).not.toContain("USAGE");
  expect(JSON.parse(replayed.out)).toMatchObject({ fromTurn: 1, source: { runId: run.id }, copy: { status: "completed" } });
  expect(asked[before]).toBe("good evening");
  expect(bundle.effects()).toHaveLength(2);
});
