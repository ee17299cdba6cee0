/** `flotilla/guardrails`: checks that many fleets need, and the places where they stand. They are plain guardrails of the Agents SDK. */
export { guardInput, guardOutput, guardToolInput, guardToolOutput, type TextCheck, type ToolCheckOptions } from "./text-check.ts";
export { allowedText, deniedText, maxLength, type PatternOptions } from "./plain-checks.ts";
export {
  findPersonalData,
  maskPersonalData,
  maskToolOutput,
  noPersonalData,
  PERSONAL_DATA_KINDS,
  type PersonalDataKind,
  type PersonalDataOptions,
} from "./personal-data.ts";
export type { Span } from "./span.ts";
export { type LinkOptions, linksOnlyTo } from "./links.ts";
export { type JudgeOptions, judgedBy } from "./judge.ts";
