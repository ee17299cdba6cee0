/** Guards the promise of `flotilla/producer`: a service that submits does not load the Agents SDK, whose import listens to the process. */
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";

test("importing the producer loads no @openai/agents and adds no listener to the process", () => {
  const script = `
    import { registerHooks } from "node:module";
    const loaded = [];
    registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context); } });
    const before = process.eventNames().length;
    await import(${JSON.stringify(new URL("../../../src/producer.ts", import.meta.url).href)});
    process.stdout.write(JSON.stringify({ sdk: loaded.filter((url) => url.includes("@openai")), loaded: loaded.length, added: process.eventNames().slice(before) }));
  `;
  const answer: unknown = JSON.parse(execFileSync(process.execPath, ["--input-type=module", "--eval", script], { encoding: "utf8" }));
  expect(answer).toMatchObject({ sdk: [], added: [] });
  // The hook did see the imports.
  expect(answer).toHaveProperty("loaded");
  expect(Number(Reflect.get(Object(answer), "loaded"))).toBeGreaterThan(10);
});
