/** TLS: a fleet trusts the CA it is given and nothing else, on every kind of address. */
import { fileURLToPath } from "node:url";
import { beforeEach, expect, test } from "vitest";
import { connectRedis } from "../../src/redis/connection.ts";
import { checkRedis } from "../../src/redis/start-up-checks.ts";
import { makeCertificates, tlsSettings } from "../support/redis-certificates.ts";
import { judge, openLoadedFleet } from "../support/redis-load.ts";
import { execute, freePort, missingPrograms, openServerRoom, until } from "../support/redis-servers.ts";

const tags = ["tls", "redis", "processes"];
const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

beforeEach((context) => {
  const missing = missingPrograms("redis-server", "redis-cli", "openssl");
  if (missing !== undefined) context.skip(missing);
});

async function setup(settings: Readonly<Record<string, string>> = {}) {
  const room = openServerRoom();
  const files = await makeCertificates(room.dir);
  const port = await freePort();
  await room.start("tls", { settings: { ...tlsSettings(files, port), ...settings } });
  const cli = async (...args: readonly string[]): Promise<string> => {
    const trust = ["--tls", "--cacert", files.ca, "--cert", files.cert, "--key", files.key];
    return (await execute("redis-cli", ["-h", "127.0.0.1", "-p", String(port), ...trust, ...args])).stdout;
  };
  return { room, files, port, cli, [Symbol.asyncDispose]: () => room[Symbol.asyncDispose]() };
}

const good = (accepted: number) => ({ accepted, ended: { completed: accepted }, lost: 0, doubled: 0 });

test("a fleet runs over TLS under a CA of its own, with every connection it has", { tags }, async () => {
  await using it = await setup();
  const loaded = await openLoadedFleet(`rediss://127.0.0.1:${it.port}?ca=${it.files.ca}`);
  await using _ = loaded.bundle;
  expect(await judge(loaded.load(10), loaded.effects)).toEqual(good(10));
  const clients = await it.cli("client", "list");
  for (const name of ["worker:worker", "heartbeat:worker", "producer:producer"]) expect(clients).toContain(`name=${name}`);
});

test("a certificate that the given CA did not sign ends the start, and plain text gets no answer", { tags }, async () => {
  await using it = await setup();
  for (const url of [`rediss://127.0.0.1:${it.port}`, `redis://127.0.0.1:${it.port}`]) {
    const redis = connectRedis({ url, role: "worker" });
    await expect(checkRedis(redis)).rejects.toMatchObject({ code: "BACKEND_UNREACHABLE" });
    redis.disconnect();
  }
  expect(() => connectRedis({ url: `rediss://127.0.0.1:${it.port}?ca=${it.room.dir}/absent.pem`, role: "worker" })).toThrow(
    /ca file cannot be read/,
  );
  expect(() => connectRedis({ url: `redis://127.0.0.1:${it.port}?ca=${it.files.ca}`, role: "worker" })).toThrow(
    /names TLS files but not TLS/,
  );
});

test("the command line trusts NODE_EXTRA_CA_CERTS", { tags }, async () => {
  await using it = await setup();
  const env = { PATH: process.env["PATH"], REDIS_URL: `rediss://127.0.0.1:${it.port}` };
  const doctor = async (more: Readonly<Record<string, string>>): Promise<string> => {
    const run = execute(process.execPath, [MAIN, "doctor", "--json"], { cwd: it.room.dir, env: { ...env, ...more } });
    return (await run.catch((error: { readonly stdout: string }) => error)).stdout;
  };
  expect(await doctor({ NODE_EXTRA_CA_CERTS: it.files.ca })).toContain('"check":"redis","state":"ok"');
  expect(await doctor({})).toContain('"code":"BACKEND_UNREACHABLE"');
});

test("a server that asks for a certificate gets the one that the address names", { tags }, async () => {
  await using it = await setup({ "tls-auth-clients": "yes" });
  const { ca, cert, key } = it.files;
  const loaded = await openLoadedFleet(`rediss://127.0.0.1:${it.port}?ca=${ca}&cert=${cert}&key=${key}`);
  await using _ = loaded.bundle;
  expect(await judge(loaded.load(5), loaded.effects)).toEqual(good(5));
});

test("a Cluster is reached over TLS", { tags: [...tags, "cluster"] }, async () => {
  await using it = await setup({
    "cluster-enabled": "yes",
    "tls-cluster": "yes",
    "cluster-announce-ip": "127.0.0.1",
    "cluster-port": String(await freePort()),
  });
  await it.cli("cluster", "addslotsrange", "0", "16383");
  await until("the Cluster is whole", 10_000, async () => (await it.cli("cluster", "info")).includes("cluster_state:ok"));
  const loaded = await openLoadedFleet(`rediss+cluster://127.0.0.1:${it.port}?ca=${it.files.ca}`);
  await using _ = loaded.bundle;
  expect(await judge(loaded.load(5), loaded.effects)).toEqual(good(5));
});

test("sentinels are asked over TLS, and so is the primary that they name", { tags: [...tags, "sentinel"] }, async () => {
  await using it = await setup();
  const port = await freePort();
  const settings = { ...tlsSettings(it.files, port), "tls-replication": "yes", "sentinel monitor": `main 127.0.0.1 ${it.port} 1` };
  await it.room.start("sentinel", { sentinel: true, settings });
  const loaded = await openLoadedFleet(`rediss+sentinel://127.0.0.1:${port}/main?ca=${it.files.ca}`);
  await using _ = loaded.bundle;
  expect(await judge(loaded.load(5), loaded.effects)).toEqual(good(5));
});
