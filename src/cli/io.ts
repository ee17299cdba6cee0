/** Where a command speaks: data to stdout, talk to stderr. Colours only on a terminal. */

export interface CliIo {
  /** Data: what another program reads. */
  out(line: string): void;
  /** Data without a line end, such as text that is being made. */
  write(text: string): void;
  /** Talk: what a person reads. */
  say(line: string): void;
  /** Replaces the present line of talk; only where `isTerminal`. */
  redraw(line: string): void;
  /** True when talk goes to a terminal. */
  readonly isTerminal: boolean;
  /** The whole standard input; undefined when it is a terminal. */
  readInput(): Promise<string | undefined>;
  /** A person's line of answer; undefined when standard input is no terminal. */
  ask(question: string): Promise<string | undefined>;
}

/** Rows as aligned columns, two spaces apart. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  return rows.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}

export function formatMs(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1_000)} s`;
  return ms < 86_400_000 ? `${(ms / 3_600_000).toFixed(1)} h` : `${(ms / 86_400_000).toFixed(1)} d`;
}

export const formatCount = (count: number): string => count.toLocaleString("en-US");

export const plural = (count: number, one: string, many = `${one}s`): string => `${formatCount(count)} ${count === 1 ? one : many}`;

/** One line, cut for reading. Control characters would let a model's text drive the terminal. */
export function oneLine(text: string, max: number): string {
  const flat = printable(text).replace(/\s+/g, " ").trim();
  return flat.length <= max ? flat : `${flat.slice(0, max - 1)}…`;
}

/** Text without control characters other than line end and tab. */
export const printable = (text: string): string => text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "");
