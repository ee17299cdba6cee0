/** An HTTP server on loopback that passes every call on and keeps what the caller sent: for what a proxy behind it does not pass on itself. */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

export interface RecordedCall {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface HeaderRecorder extends AsyncDisposable {
  readonly url: string;
  readonly calls: readonly RecordedCall[];
}

export async function startHeaderRecorder(target: string): Promise<HeaderRecorder> {
  const calls: RecordedCall[] = [];
  const passOn = async (asked: IncomingMessage, answered: ServerResponse): Promise<void> => {
    const { method = "POST", headers } = asked;
    const body = await buffer(asked);
    calls.push({ headers, body: body.toString("utf8") });
    const onward = request(new URL(asked.url ?? "/", target), { method, headers }, (reply) => {
      answered.writeHead(reply.statusCode ?? 502, reply.headers);
      reply.pipe(answered);
    });
    onward.once("error", () => answered.destroy());
    // Who hangs up here hangs up there.
    answered.once("close", () => {
      if (!answered.writableFinished) onward.destroy();
    });
    onward.end(body);
  };
  const server = createServer((asked, answered) => void passOn(asked, answered).catch(() => answered.destroy()));
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  // A server that listens on a port has an address of this form.
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    calls,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
