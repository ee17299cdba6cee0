/**
 * Runs before every script of package.json: makes sure that what package-lock.json names is installed, and says nothing when it is.
 * Plain JavaScript for Node 20 with nothing installed: the installation itself brings Node 24 (tools/node24) for everything that follows.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const OLDEST = [22, 18];

const problem = nodeProblem();
if (problem !== undefined) {
  console.error(problem);
  process.exit(1);
}
const reason = staleBecause();
if (reason !== undefined) install(reason);

/** What is wrong with this machine's Node, if the installation cannot bring a newer one. */
function nodeProblem() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const isRecent = major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
  if (isRecent || bringsNode()) return undefined;
  return `Node ${process.versions.node} is too old for Flotilla, and there is no Node 24 to bring along for ${process.platform}-${process.arch}: install Node 24 (see .nvmrc) and run this again.`;
}

/** tools/node24 has glibc builds of Node for Linux only. */
function bringsNode() {
  if (process.platform !== "linux" || !["x64", "arm64"].includes(process.arch)) return false;
  return process.report.getReport().header.glibcVersionRuntime !== undefined;
}

/**
 * Compares what is installed with what is locked by content: a checkout changes the times of files that stayed the same.
 * Optional packages may be absent, since each platform takes its own.
 */
function staleBecause() {
  const locked = packagesOf("package-lock.json");
  const installed = packagesOf("node_modules/.package-lock.json");
  if (locked === undefined) return undefined;
  if (installed === undefined) return "nothing is installed yet";
  for (const [path, wanted] of Object.entries(locked)) {
    if (path === "") continue;
    const found = installed[path];
    if (found === undefined && wanted.optional) continue;
    if (found?.version !== wanted.version || found?.integrity !== wanted.integrity) return "package-lock.json has changed";
  }
  return undefined;
}

function packagesOf(path) {
  try {
    return JSON.parse(readFileSync(new URL(path, new URL("../", import.meta.url)), "utf8")).packages;
  } catch (error) {
    if (error.code === "ENOENT" || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function install(why) {
  console.error(`setup: running npm ci, because ${why} (about half a minute) …`);
  const npm = process.env.npm_execpath;
  const args = ["ci", "--loglevel=error", "--no-audit", "--no-fund"];
  const options = {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    shell: npm === undefined && process.platform === "win32",
  };
  const done = npm === undefined ? spawnSync("npm", args, options) : spawnSync(process.execPath, [npm, ...args], options);
  if (done.status === 0) return;
  console.error(`${done.stdout ?? ""}${done.stderr ?? ""}${done.error?.message ?? ""}`.trim());
  console.error("setup: npm ci failed; nothing was run.");
  process.exit(1);
}
