/**
 * Preloaded into a worker process: makes it a release whose protocol minor is DEPLOY_MINOR, in what it writes and in what it accepts, as an
 * edit of that one line would.
 */
import { registerHooks } from "node:module";

const LINE = /^export const PROTOCOL_MINOR = \d+;$/m;
const minor = process.env["DEPLOY_MINOR"];

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (minor === undefined || !url.endsWith("/src/protocol/job.ts")) return loaded;
    const source = Buffer.from(
      typeof loaded.source === "object" ? new Uint8Array(loaded.source as ArrayBuffer) : (loaded.source ?? ""),
    ).toString();
    if (!LINE.test(source)) throw new Error("src/protocol/job.ts no longer says PROTOCOL_MINOR in one line");
    return { ...loaded, source: source.replace(LINE, `export const PROTOCOL_MINOR = ${minor};`) };
  },
});
