/** Guards when a supervisor takes runs back, when it starts its child again, and when it gives up. Time is a virtual clock's. */
import { expect, test } from "vitest";
import { silentLog } from "../../../src/telemetry/log.ts";
import { createVirtualClock, settleMicrotasks } from "../../../src/testing/virtual-clock.ts";
import { startSupervisor, type SupervisorDeps, type SupervisorOptions } from "../../../src/workers/supervisor.ts";
import type { ChildEnd } from "../../../src/workers/supervisor-child.ts";
import type { FromChild, ToChild } from "../../../src/workers/supervisor-messages.ts";

const STARTED: FromChild = { type: "started", workerId: "w", retentionMs: 1, maxDeaths: 5 };
const RUN_A = { runId: "r0-01jd3xk2v7w8y9z0a1b2c3d4e5", token: "a" };
const RUN_B = { runId: "r0-01jd3xk2v7w8y9z0a1b2c3d4e6", token: "b" };
const KILLED: ChildEnd = { code: null, how: "SIGKILL" };
const exited = (code: number): ChildEnd => ({ code, how: `exit code ${code}` });

interface FakeChild {
  say(message: FromChild): void;
  end(how: ChildEnd): Promise<void>;
  readonly heard: ToChild[];
  wasKilled: boolean;
}

function setup(options: Partial<SupervisorOptions> = {}, takeBack?: SupervisorDeps["takeBack"]) {
  const clock = createVirtualClock();
  const children: FakeChild[] = [];
  const taken: string[][] = [];
  const supervisor = startSupervisor(
    {
      clock,
      log: silentLog,
      takeBack:
        takeBack ??
        (async (held) => {
          taken.push(held.map(({ token }) => token));
          return held.length;
        }),
      startChild(onMessage) {
        const ended = Promise.withResolvers<ChildEnd>();
        const child: FakeChild = {
          say: onMessage,
          async end(how) {
            ended.resolve(how);
            await settleMicrotasks();
          },
          heard: [],
          wasKilled: false,
        };
        children.push(child);
        const kill = (): void => {
          child.wasKilled = true;
          ended.resolve(KILLED);
        };
        return { pid: children.length, ended: ended.promise, send: (message) => child.heard.push(message), kill };
      },
    },
    options,
  );
  const latest = (): FakeChild => {
    const child = children.at(-1);
    if (child === undefined) throw new Error("no child was started");
    return child;
  };
  /** Starts, works and dies. */
  const crash = async (): Promise<void> => {
    latest().say(STARTED);
    await latest().end(KILLED);
  };
  return { supervisor, clock, children, latest, taken, crash };
}

test("what a dead child held is taken back at once, and only what it still held", async () => {
  const { latest, taken, children } = setup();
  latest().say(STARTED);
  latest().say({ type: "held", added: [RUN_A, RUN_B], removed: [] });
  latest().say({ type: "held", added: [], removed: [RUN_A.token] });
  expect(taken).toEqual([]);
  await latest().end(KILLED);
  expect(taken).toEqual([["b"]]);
  expect(children).toHaveLength(1);
});

test("restarts wait twice as long each time, up to a bound, and anew after a minute of health", async () => {
  const { clock, children, latest, crash } = setup({ maxCrashes: 100 });
  for (const pauseMs of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
    await crash();
    const before = children.length;
    await clock.advance(pauseMs - 1);
    expect(children).toHaveLength(before);
    await clock.advance(1);
    expect(children).toHaveLength(before + 1);
  }
  latest().say(STARTED);
  await clock.advance(60_000);
  await latest().end(exited(1));
  await clock.advance(1_000);
  expect(children).toHaveLength(9);
});

test("ten crashes within five minutes end it with one error", async () => {
  const { supervisor, clock, children, crash } = setup();
  const ended = expect(supervisor.ended).rejects.toMatchObject({ code: "WORKER_CRASHED" });
  for (let crashes = 0; crashes < 10; crashes += 1) {
    await crash();
    await clock.advance(30_000);
  }
  await ended;
  expect(children).toHaveLength(10);
});

test("crashes that lie far apart do not add up", async () => {
  const { clock, children, crash } = setup({ maxCrashes: 3 });
  for (let crashes = 0; crashes < 6; crashes += 1) {
    await crash();
    await clock.advance(3 * 60_000);
  }
  expect(children).toHaveLength(7);
});

test("a start-up that is refused is not tried again: its exit code passes through", async () => {
  const { supervisor, latest, children, taken } = setup({ passingCodes: [4] });
  await latest().end(exited(4));
  expect(await supervisor.ended).toBe(4);
  expect(children).toHaveLength(1);
  expect(taken).toEqual([]);
});

test("after a good start, a start-up that Redis refuses is tried again, and one that the fleet file refuses is not", async () => {
  const { supervisor, clock, latest, children, crash } = setup({ passingCodes: [4] });
  await crash();
  await clock.advance(1_000);
  await latest().end(exited(4));
  await clock.advance(2_000);
  expect(children).toHaveLength(3);
  await latest().end(exited(2));
  expect(await supervisor.ended).toBe(2);
});

test("the first stop is gentle, the second is not, and the child's exit code passes through", async () => {
  const { supervisor, latest } = setup();
  latest().say(STARTED);
  supervisor.stop();
  expect(latest().heard).toEqual([{ type: "stop", atOnce: false }]);
  supervisor.stop();
  expect(latest().heard.at(-1)).toEqual({ type: "stop", atOnce: true });
  await latest().end(exited(0));
  expect(await supervisor.ended).toBe(0);
});

test("a child that does not stop is killed, and its runs are taken back before the supervisor ends", async () => {
  const { supervisor, clock, latest, taken } = setup();
  latest().say(STARTED);
  latest().say({ type: "held", added: [RUN_A], removed: [] });
  supervisor.stop();
  await clock.advance(44_999);
  expect(latest().wasKilled).toBe(false);
  await clock.advance(1);
  expect(latest().wasKilled).toBe(true);
  expect(await supervisor.ended).toBe(1);
  expect(taken).toEqual([["a"]]);
});

test("a stop during the pause before a restart ends it at once", async () => {
  const { supervisor, crash, children } = setup();
  await crash();
  supervisor.stop();
  expect(await supervisor.ended).toBe(0);
  expect(children).toHaveLength(1);
});

test("a store that does not answer costs neither the restart nor the supervisor", async () => {
  const { clock, children, crash } = setup({}, () => Promise.reject(new Error("Redis is away")));
  await crash();
  await clock.advance(1_000);
  expect(children).toHaveLength(2);
});
