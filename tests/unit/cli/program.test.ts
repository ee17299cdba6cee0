/** Guards the edge's rules: stdout is data, stderr is talk, an error is told once, and the exit code says what kind it was. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { runCli } from "../../../src/cli/program.ts";
import { RELEASE } from "../../../src/release.ts";
import { fakeContext } from "./fake-context.ts";

const RUN = "r0-01jd3xk2v7w8y9z0a1b2c3d4e5";

function folder(): string {
  const made = mkdtempSync(path.join(tmpdir(), "flotilla-cli-"));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

describe("the command line", () => {
  test.each([
    [["bogus"], "Unknown command"],
    [["submit"], "Missing required argument"],
    [["runs", "ls", "--limit", "many"], "--limit"],
    [["runs", "ls", "--status", "asleep"], "asleep"],
    [["runs", "resolve", RUN], "exactly one of"],
    [["runs", "resolve", RUN, "c1", "--ran", "1", "--fail"], "exactly one of"],
    [["runs", "resolve", RUN, "--not-run"], "the id of the call"],
    [["runs", "resolve"], "either a run or --suspension"],
    [["runs", "resolve", RUN, "--suspension", "loop", "--fail"], "got both"],
    [["runs", "resolve", "--suspension", "effect-unknown", "--not-run"], "for all runs that match"],
    [["runs", "resolve", "--suspension", "approval", "--fail"], "approval"],
    [["submit", "triage", "x", "--context", "[1]"], "a JSON object"],
    [["submit", "triage", "x", "--schema", "/nowhere/s.json"], "could not be read"],
    [["submit", "triage"], "Expected an input"],
    [["worker", "--queues", "a,b:c"], "b:c"],
    [["worker", "--fleet", "missing.ts"], "missing.ts"],
    [["worker", "--concurrency", "0"], "from 1 to 1000"],
    [["runs", "ls", "--before", "r0-nope"], "--before"],
    [["demo", "--workers", "0"], "--workers"],
    [["demo", "--tickets", "/nowhere/t.jsonl"], "/nowhere/t.jsonl"],
  ])("refuses %j with exit code 2, told once on stderr", async (argv, words) => {
    const context = fakeContext({ env: { REDIS_URL: "redis://127.0.0.1:1" }, cwd: folder() });
    expect(await runCli(argv, context)).toBe(2);
    expect(context.stdout).toEqual([]);
    expect(context.stderr).toHaveLength(1);
    expect(context.stderr[0]).toContain(words);
    expect(context.stderr[0]).toMatch(/\n {2}at .+\n {2}try .+/);
  });

  test.each([
    [[], "demo"],
    [["runs"], "resolve"],
  ])("answers %j with what there is, on stderr, with exit code 2", async (argv, words) => {
    const context = fakeContext();
    expect(await runCli(argv, context)).toBe(2);
    expect(context.stdout).toEqual([]);
    expect(context.stderr.join("\n")).toContain(words);
  });

  test("says its version", async () => {
    const context = fakeContext();
    expect(await runCli(["--version"], context)).toBe(0);
    expect(context.stdout.join("").trim()).toBe(RELEASE);
  });

  test("does not repeat what it could not read, which may be a secret", async () => {
    const context = fakeContext();
    expect(await runCli(["submit", "a", "x", "--context", "sk-secret"], context)).toBe(2);
    expect(context.stderr.join("")).toContain("Expected --context to be JSON");
    expect(context.stderr.join("")).not.toContain("sk-secret");
  });

  test("tells an error as JSON when JSON was asked for", async () => {
    const context = fakeContext();
    expect(await runCli(["runs", "show", "nope", "--json"], context)).toBe(2);
    expect(JSON.parse(context.stderr.join(""))).toMatchObject({ error: { code: "INPUT_INVALID", at: "<run>" } });
  });

  test("names the variable that is wrong", async () => {
    const context = fakeContext({ env: { REDIS_URL: "localhost:6379" } });
    expect(await runCli(["runs", "ls"], context)).toBe(2);
    expect(context.stderr[0]).toContain("REDIS_URL");
  });

  test("prints its exit codes in the help, on stdout", async () => {
    const context = fakeContext();
    expect(await runCli(["--help"], context)).toBe(0);
    expect(context.stdout.join("")).toMatch(/Exit codes:[\s\S]*130/);
  });
});

describe("init", () => {
  test("writes a fleet file and refuses to overwrite it", async () => {
    const cwd = folder();
    const context = fakeContext({ cwd });
    expect(await runCli(["init"], context)).toBe(0);
    expect(context.stdout).toEqual(["fleet.ts", ".env.example"]);
    writeFileSync(path.join(cwd, "fleet.ts"), "mine");
    expect(await runCli(["init"], context)).toBe(2);
    expect(readFileSync(path.join(cwd, "fleet.ts"), "utf8")).toBe("mine");
  });
});
