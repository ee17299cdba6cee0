/** Orders names by likeness, so that an error about an unknown one shows the meant one first. */

/** The names, most alike first. */
export const closestFirst = (name: string, known: Iterable<string>): string[] =>
  [...known].toSorted((a, b) => distance(name, a) - distance(name, b) || (a < b ? -1 : 1));

/** Edit distance, ignoring case. */
function distance(from: string, to: string): number {
  const a = from.toLowerCase();
  const b = to.toLowerCase();
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
