import { createProducer } from "../../src/producer.ts";
import type { fleet } from "./fleet.ts";

await using producer = createProducer<typeof fleet>({ redis: process.env["REDIS_URL"] });

const run = await producer.submit("triage", "I was charged twice for order 1842.", { tenant: "acme", idempotencyKey: "ticket-1842" });
for await (const event of run.events()) console.error(event.type);

const { reply, refundCents } = await run.output();
console.log(`${reply} (${refundCents} cents)`);
