/** What a benchmark found, and how it is printed. */
import { geometricMean } from "./statistics.ts";

export interface Row {
  readonly name: string;
  /** Figures by column; a row need not have all columns. */
  readonly values: Readonly<Record<string, number>>;
  /** Those of the figures that say how many times as long A takes as B, the most telling one first. */
  readonly ratios?: Readonly<Record<string, number>>;
  /** What the figures were computed from, for the JSON file. */
  readonly samples?: Readonly<Record<string, readonly number[]>>;
}

export interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
  /** What is to be said besides: why rows are missing. */
  readonly notes?: readonly string[];
}

/** Least width of a column. */
const CELL = 10;

/** A figure with as many digits as say something. */
export function figure(value: number): string {
  if (Number.isInteger(value)) return String(value);
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}

/** A section as lines of text, columns aligned. */
export function format({ title, rows, notes = [] }: Section): string {
  const columns = [...new Set(rows.flatMap(({ values }) => Object.keys(values)))];
  const width = Math.max(0, ...rows.map(({ name }) => name.length));
  const head = `  ${"".padEnd(width)}${columns.map((column) => `  ${column.padStart(CELL)}`).join("")}`;
  const body = rows.map(({ name, values }) => {
    const cells = columns.map((column) => {
      const value = values[column];
      return `  ${(value === undefined ? "" : figure(value)).padStart(Math.max(CELL, column.length))}`;
    });
    return `  ${name.padEnd(width)}${cells.join("")}`.trimEnd();
  });
  return [title, ...(rows.length === 0 ? [] : [head, ...body]), ...notes.map((note) => `  ${note}`), ""].join(
    "\n",
  );
}

/** What rows of one kind amount to: the geometric means of their ratios, and the greatest of the first ratios. */
export function summaryRows(rows: readonly Row[]): Row[] {
  const [first, ...others] = rows.map(({ name, ratios = {} }) => ({ name, ratios }));
  if (first === undefined) return [];
  const columns = Object.keys(first.ratios);
  const all = [first, ...others];
  const means = columns.map((column) => [column, geometricMean(all.map(({ ratios }) => ratios[column]!))]);
  const slowest = all.reduce((a, b) => (b.ratios[columns[0]!]! > a.ratios[columns[0]!]! ? b : a));
  return [
    { name: "geometric mean", values: Object.fromEntries(means) as Record<string, number> },
    { name: `slowest: ${slowest.name}`, values: slowest.ratios },
  ];
}
