import { describe, expect, test } from "vitest";
import { asOptions, isConfirmed } from "../../../src/cli/confirm.ts";
import { fakeContext } from "./fake-context.ts";

function answering(answer: string | undefined) {
  const asked: string[] = [];
  const context = fakeContext();
  const ask = (question: string): Promise<string | undefined> => {
    asked.push(question);
    return Promise.resolve(answer);
  };
  return { asked, stderr: context.stderr, context: { ...context, io: { ...context.io, ask } } };
}

describe("the question before what cannot be taken back", () => {
  test.each(["y", "Yes", " yes "])("takes %j for a yes", async (answer) => {
    const { context, asked, stderr } = answering(answer);
    expect(await isConfirmed(context, "Delete?", undefined, "flotilla …")).toBe(true);
    expect(asked).toEqual(["Delete? [y/N] "]);
    expect(stderr).toEqual([]);
  });

  test.each(["", "n", "yesterday"])("takes %j for a no, and says that nothing was done", async (answer) => {
    const { context, stderr } = answering(answer);
    expect(await isConfirmed(context, "Delete?", undefined, "flotilla …")).toBe(false);
    expect(stderr).toEqual(["Nothing was changed."]);
  });

  test("does not ask behind --yes, and without a terminal says what to type", async () => {
    const { context, asked } = answering(undefined);
    expect(await isConfirmed(context, "Delete?", true, "flotilla …")).toBe(true);
    expect(asked).toEqual([]);
    await expect(isConfirmed(context, "Delete?", undefined, "flotilla runs delete --tenant acme")).rejects.toMatchObject({
      code: "USAGE",
      remedy: "flotilla runs delete --tenant acme --yes",
    });
  });

  test("what to type again reaches no further than what was asked for, in any shell", () => {
    expect(asOptions({ code: "MODEL_KEY_REJECTED", tenant: "acme", agent: undefined })).toBe(" --code MODEL_KEY_REJECTED --tenant acme");
    expect(asOptions({ agent: "Ann's desk; $(rm)" })).toBe(` --agent 'Ann'\\''s desk; $(rm)'`);
  });
});
