/** What the command line needs of a fleet, so that it can be tested without one. */
import type { PayloadCodec } from "../codec/payload-codec.ts";
import type { AnyAgent } from "../agents/catalog.ts";
import type { Models } from "../models/aliases.ts";
import type { ResolveCredentials } from "../models/access.ts";
import type { Log } from "../telemetry/log.ts";
import type { HeldReport } from "../workers/held-report.ts";
import type { Env } from "./settings.ts";

export interface CliWorker {
  /** Resolves when the worker has ended, for whatever reason. */
  readonly closed: Promise<void>;
  /** Stops taking, lets durable steps finish for at most `graceMs`, then releases the runs it holds. */
  close(options: { readonly graceMs: number }): Promise<void>;
}

export interface CliWorkerOptions {
  readonly redis: string;
  readonly prefix?: string;
  readonly queues?: readonly string[];
  readonly concurrency?: number;
  readonly env: Env;
  readonly log: Log;
  /** Default: the fleet's own. */
  readonly codec?: PayloadCodec | undefined;
  readonly report?: HeldReport;
  readonly endStalledProcess?: boolean;
}

export interface CliFleet {
  /** For the doctor, which looks where the agents' models lead. */
  readonly catalog?: ReadonlyMap<string, { readonly agent: AnyAgent }>;
  readonly options?: { readonly models?: Models; readonly credentials?: ResolveCredentials };
  worker(options: CliWorkerOptions): Promise<CliWorker>;
}
