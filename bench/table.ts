/** What a benchmark found, and how it is printed. */

export interface Row {
  readonly name: string;
  /** Figures by column; a row need not have all columns. */
  readonly values: Readonly<Record<string, number>>;
  /** What the figures were computed from, for the JSON file. */
  readonly samples?: Readonly<Record<string, readonly number[]>>;
}

export interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
  /** Why there are no rows. */
  readonly skipped?: string;
}

function figure(value: number): string {
  if (Number.isInteger(value)) return String(value);
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}

/** A section as lines of text, columns aligned. */
export function format({ title, rows, skipped }: Section): string {
  if (skipped !== undefined) return `${title}\n  skipped: ${skipped}\n`;
  const columns = [...new Set(rows.flatMap(({ values }) => Object.keys(values)))];
  const width = Math.max(...rows.map(({ name }) => name.length));
  const head = `  ${"".padEnd(width)}${columns.map((column) => `  ${column.padStart(10)}`).join("")}`;
  const body = rows.map(({ name, values }) => {
    const cells = columns.map((column) => {
      const value = values[column];
      return `  ${(value === undefined ? "" : figure(value)).padStart(Math.max(10, column.length))}`;
    });
    return `  ${name.padEnd(width)}${cells.join("")}`.trimEnd();
  });
  return [title, head, ...body, ""].join("\n");
}
