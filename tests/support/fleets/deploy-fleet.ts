/** The fleet of the process tests, as one deploy of many. */
import { createFleet } from "../../../src/index.ts";
import { fleet as promiseFleet } from "./promise-fleet.ts";

export const fleet = createFleet({ ...promiseFleet.options, version: process.env["DEPLOY_VERSION"] ?? "0" });
