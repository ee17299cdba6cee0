/** How this machine runs a compose file. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The plugin of Docker, or the older program of its own. */
export async function composeCommand(): Promise<readonly string[] | undefined> {
  for (const command of [["docker", "compose"], ["docker-compose"]]) {
    const [program = "", ...args] = command;
    const isThere = await run(program, [...args, "version"]).then(
      () => true,
      () => false,
    );
    if (isThere) return command;
  }
  return undefined;
}
