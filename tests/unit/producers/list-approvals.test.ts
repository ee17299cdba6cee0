/** Pages of what waits for a person. */
import { expect, test } from "vitest";
import { listApprovals } from "../../../src/producers/list-approvals.ts";
import { createMemoryRunStore } from "../../../src/testing/memory-run-store.ts";
import { createVirtualClock } from "../../../src/testing/virtual-clock.ts";
import { approval, awaitingApproval, end, running } from "../../support/run-store-fixture.ts";

async function setup() {
  const clock = createVirtualClock();
  const store = createMemoryRunStore({ clock });
  const asking = async (overrides: object, ...agents: string[]): Promise<string> => {
    const runId = await running(store, "a", overrides);
    const approvals = agents.map((agent, index) => ({ ...approval(`c${index}`), agent }));
    await end(store, runId, "a", { type: "suspended", suspension: "approval", approvals });
    return runId;
  };
  return { store, asking };
}

test("the calls of one run stay together, and a page says where the next begins", async () => {
  const { store, asking } = await setup();
  const runIds = [await asking({}, "a", "b"), await asking({}, "a"), await asking({}, "a")].toSorted().toReversed();
  const seen: string[] = [];
  let before: string | undefined;
  do {
    const page = await listApprovals(store, { limit: 2, before });
    seen.push(...page.approvals.map(({ runId }) => runId));
    ({ before } = page);
  } while (before !== undefined);
  expect([...new Set(seen)]).toEqual(runIds);
  expect(seen).toHaveLength(4);
});

test("by agent and tenant, beyond what one read of the store brings", async () => {
  const { store, asking } = await setup();
  const wanted = await asking({ tenant: "umbrella" }, "auditor", "desk");
  for (let count = 0; count < 120; count++) await asking({}, "desk");
  expect(await listApprovals(store, { agent: "auditor" })).toMatchObject({
    approvals: [{ runId: wanted, agent: "auditor" }],
    before: undefined,
  });
  expect((await listApprovals(store, { tenant: "umbrella" })).approvals).toHaveLength(2);
  expect((await listApprovals(store, { tenant: "nobody" })).approvals).toEqual([]);
});

test("what no longer waits is no longer listed", async () => {
  const { store } = await setup();
  const runId = await running(store);
  await end(store, runId, "a", awaitingApproval("c1"));
  await store.cancel(runId, 1_000);
  expect((await listApprovals(store, {})).approvals).toEqual([]);
});
