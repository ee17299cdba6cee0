/**
 * The signal a tool of the SDK is run under. When its attempt is stopped, a tool that throws must not be taken to have failed: the SDK would
 * turn the error into text for the model, and that text would stand in the journal as the result of a call whose effect nobody knows.
 *
 * The SDK passes an error on as it is when the signal's reason is a ToolTimeoutError, whatever the error is. So that is what the reason is.
 */
import { ToolTimeoutError } from "@openai/agents";

class ToolStoppedError extends ToolTimeoutError {
  constructor(toolName: string, reason: unknown) {
    super({ toolName, timeoutMs: 0 });
    this.message = `The attempt that ran tool ${toolName} was stopped: ${reason instanceof Error ? reason.name : String(reason)}.`;
  }
}

/** @param own what the SDK gave the call: aborted for a failed sibling or a stopped attempt */
export function stoppingSignal(attempt: AbortSignal, own: AbortSignal | undefined, toolName: string): AbortSignal {
  const controller = new AbortController();
  const sources = own === undefined ? [attempt] : [attempt, own];
  const stop = (): void => {
    for (const source of sources) source.removeEventListener("abort", stop);
    // A sibling's failure keeps its reason: the SDK knows it by that.
    controller.abort(attempt.aborted ? new ToolStoppedError(toolName, attempt.reason) : own?.reason);
  };
  if (sources.some(({ aborted }) => aborted)) stop();
  else for (const source of sources) source.addEventListener("abort", stop, { once: true });
  return controller.signal;
}
