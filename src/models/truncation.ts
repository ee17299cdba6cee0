/**
 * Makes a cut-off answer an error. The SDK's Chat Completions models take a text that ended with `finish_reason: length` for the final
 * answer, so that half an answer would be stored as the run's output.
 */
import type { Model, ModelRequest, ModelResponse, StreamEvent } from "@openai/agents";
import { FleetError } from "../protocol/errors.ts";
import { field, firstOf } from "./duck.ts";

/** The same model, which throws FleetError MODEL_OUTPUT_TRUNCATED for an answer that hit its token limit. */
export const refuseTruncated = (model: Model): Model => ({
  ...(model.supportsPromptModelSelection === undefined ? {} : { supportsPromptModelSelection: model.supportsPromptModelSelection }),
  getResponse: async (request) => checkResponse(await model.getResponse(request)),
  getStreamedResponse: (request) => checkStream(model, request),
  ...(model.getRetryAdvice === undefined ? {} : { getRetryAdvice: (advice) => model.getRetryAdvice?.(advice) }),
});

function checkResponse(response: ModelResponse): ModelResponse {
  if (isCutOff(response.providerData)) throw truncated();
  return response;
}

async function* checkStream(model: Model, request: ModelRequest): AsyncIterable<StreamEvent> {
  let isTruncated = false;
  for await (const event of model.getStreamedResponse(request)) {
    if (event.type === "model") isTruncated ||= isCutOff(event.event);
    // The last event is what the SDK builds the answer from; the text before it was shown live and is lost with the attempt.
    if (event.type === "response_done" && isTruncated) throw truncated();
    yield event;
  }
}

const isCutOff = (data: unknown): boolean => field(firstOf(field(data, "choices")), "finish_reason") === "length";

const truncated = (): FleetError =>
  new FleetError("MODEL_OUTPUT_TRUNCATED", "The model's answer was cut off at its token limit.", {
    remedy: "raise modelSettings.maxTokens of the agent, or ask for a shorter answer",
  });
