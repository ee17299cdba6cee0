/**
 * The compose file's producer: submits the support desk's mail, waits for every ticket, and tells on which host each turn was made.
 * Usage: submit-tickets.ts [how many]. The exit code is 1 when a ticket did not complete.
 */
import { readTickets, toInput } from "../examples/support-desk/tickets.ts";
import { systemClock } from "../src/clock.ts";
import { createProducer, type RunHandle } from "../src/producer.ts";

const tickets = readTickets().slice(0, Number(process.argv[2] ?? Number.POSITIVE_INFINITY));
const tellEvery = Math.ceil(tickets.length / 4);
const turnsPerHost = new Map<string, number>();
let completed = 0;
const startedAtMs = performance.now();

await using producer = createProducer({ redis: process.env["REDIS_URL"] });
await firstWorker();
const requests = tickets.map((ticket) => ({ agent: "triage", input: toInput(ticket), metadata: { ticket: ticket.id } }));
const runs: Promise<void>[] = [];
for await (const answer of producer.submitMany(requests)) {
  if ("error" in answer) throw answer.error;
  runs.push(follow(answer.run));
}
console.error(`${runs.length} tickets submitted`);
await Promise.all(runs);

const tookMs = Math.round(performance.now() - startedAtMs);
console.log(JSON.stringify({ tickets: tickets.length, completed, tookMs, turnsPerHost: Object.fromEntries(turnsPerHost) }));
if (completed < tickets.length) process.exitCode = 1;

/** Compose starts its services in any order: until a worker has announced its agents, nobody knows where one lives. */
async function firstWorker(): Promise<void> {
  for (let second = 0; second < 60; second += 1) {
    if ((await producer.store.agents()).some(({ name }) => name === "triage")) return;
    if (second === 0) console.error("waiting for the first worker …");
    await systemClock.sleep(1_000);
  }
}

/** Follows a run to its end and counts its turns by the host of the worker that made them: in a container, its short id. */
async function follow(run: RunHandle): Promise<void> {
  const hostOf = new Map<number, string>();
  for await (const event of run.events()) {
    // A worker's id is `<host>-<pid>-<start>`.
    if (event.type === "attempt.started") hostOf.set(event.attempt, event.worker.replace(/-\d+-[^-]+$/, ""));
    if (event.type !== "turn.completed") continue;
    const host = hostOf.get(event.attempt) ?? "?";
    turnsPerHost.set(host, (turnsPerHost.get(host) ?? 0) + 1);
  }
  const result = await run.result();
  if (result.status !== "completed") console.error(`${run.id} ended as ${result.status}`);
  else if (++completed % tellEvery === 0) console.error(`${completed} completed`);
}
