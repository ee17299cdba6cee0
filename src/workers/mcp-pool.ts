/**
 * One connection to each MCP server of the fleet's agents per process, shared by all its runs. A server that is away does not keep the
 * worker from starting: runs that need it are retried, and it is connected again in the background.
 */
import { connectMcpServers, type MCPServer } from "@openai/agents";
import type { Catalog } from "../agents/catalog.ts";
import type { Clock } from "../clock.ts";
import type { Log } from "../telemetry/log.ts";

const RECONNECT_MS = 10_000;

export async function openMcpPool(catalog: Catalog, clock: Clock, log: Log): Promise<{ close(): Promise<void> }> {
  const servers = [...new Set([...catalog.values()].flatMap(({ agent }): MCPServer[] => agent.mcpServers))];
  if (servers.length === 0) return { close: async () => undefined };
  const pool = await connectMcpServers(servers, { connectInParallel: true, dropFailed: false });
  const complain = (): void => {
    for (const server of pool.failed) {
      log.warn(
        { event: "mcp.unreachable", server: server.name, err: pool.errors.get(server) },
        "an MCP server is away; its tools fail until it is back",
      );
    }
  };
  complain();
  const closing = new AbortController();
  const reconnecting = (async () => {
    while (!closing.signal.aborted) {
      await clock.sleep(RECONNECT_MS, closing.signal);
      if (closing.signal.aborted || pool.failed.length === 0) continue;
      await pool.reconnect({ failedOnly: true }).catch(() => undefined);
      complain();
    }
  })();
  return {
    async close() {
      closing.abort();
      await reconnecting;
      await pool.close();
    },
  };
}
