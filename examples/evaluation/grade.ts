/** A grader of one's own, for `--grader`. Quoted by docs/how-to/evaluation.md. */
interface Line {
  readonly expected?: unknown;
}

// #region grade
/** Full marks for the right amount, half for one that is a cent off. */
export default function grade({ output }: { readonly output: unknown }, { expected }: Line) {
  const off = Math.abs(Number(output) - Number(expected));
  if (off === 0) return true;
  return { score: off <= 1 ? 0.5 : 0, why: `${off} cents off` };
}
// #endregion
