/** A producer that opens nothing before its first use. */
import type { RunProducer } from "./run-producer.ts";
import type { FleetTypes } from "./types.ts";

/** Without `conversations`: a member that is read at once would open what is to stay closed. */
export const lazyProducer = <A extends FleetTypes>(open: () => RunProducer<A>): Omit<RunProducer<A>, "conversations"> => ({
  submit: (agent, input, options) => open().submit(agent, input, options),
  submitMany: (requests) => open().submitMany(requests),
  run: (id, options) => open().run(id, options),
  list: (query) => open().list(query),
  approvals: (query) => open().approvals(query),
  stats: (query) => open().stats(query),
  costs: (query) => open().costs(query),
  remove: (id, options) => open().remove(id, options),
  removeTenant: (tenant) => open().removeTenant(tenant),
  countTenant: (tenant) => open().countTenant(tenant),
  cancelMany: (filter) => open().cancelMany(filter),
  countCancellable: (filter) => open().countCancellable(filter),
  resolveMany: (filter, resolution) => open().resolveMany(filter, resolution),
  countResolvable: (filter, resolution) => open().countResolvable(filter, resolution),
  pause: (scope, note) => open().pause(scope, note),
  resume: (scope) => open().resume(scope),
  pauses: () => open().pauses(),
  failures: (query) => open().failures(query),
  retryMany: (query, options) => open().retryMany(query, options),
});
