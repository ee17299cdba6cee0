/** One PING over a plain socket, for servers whose fitness for a client is not known yet. */
import { createConnection } from "node:net";

export type RedisAddress = { readonly path: string } | { readonly host: string; readonly port: number };

const ANSWER_WITHIN_MS = 2_000;

/** Resolves with whether a Redis at `address` answers commands. Never rejects; a server that is still loading its data does not count. */
export const answersPing = async (address: RedisAddress): Promise<boolean> => (await sendLine(address, "PING")).startsWith("+PONG");

/** Asks the server at `address` to end. Resolves when it closed the connection or did not answer. */
export const askToShutDown = async (address: RedisAddress): Promise<void> => {
  await sendLine(address, "SHUTDOWN");
};

function sendLine(address: RedisAddress, line: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = createConnection(address);
    const finish = (answer: string): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(ANSWER_WITHIN_MS, () => finish(""));
    socket.once("connect", () => socket.write(`${line}\r\n`));
    socket.once("data", (chunk) => finish(chunk.toString()));
    socket.once("error", () => finish(""));
    socket.once("close", () => finish(""));
  });
}
