/** Sections of a benchmark as a part of a document. */
import { figure, type Section } from "./table.ts";

/** What `--json` leaves. */
export interface BenchRecord {
  readonly machine: string;
  readonly revision?: string;
  readonly runs: number;
  readonly sections: readonly Section[];
}

/** Comments around the part of a document that is made from a record. */
const PART = /(?<=<!-- figures: .*-->\n)[^]*(?=<!-- end of figures -->)/;

/** `document` with its figures made anew. Throws if it has no place for them. */
export function withFigures(document: string, record: BenchRecord): string {
  if (!PART.test(document)) throw new Error("the document has no place for figures");
  return document.replace(PART, () => `\n${figures(record)}\n`);
}

function figures({ machine, revision, runs, sections }: BenchRecord): string {
  const of = revision === undefined ? "" : ` of ${revision}`;
  const samples = runs === 1 ? "one run of each side" : `medians of ${runs} runs of each side`;
  return [`Measured on ${machine}; ${samples}${of}.\n`, ...sections.map(table)].join("\n");
}

/** A table, with columns as wide as Prettier makes them. */
function table({ title, rows, notes = [] }: Section): string {
  const columns = [...new Set(rows.flatMap(({ values }) => Object.keys(values)))];
  const lines = [
    ["", ...columns],
    ...rows.map(({ name, values }) => [
      name,
      ...columns.map((column) => (values[column] === undefined ? "" : figure(values[column]))),
    ]),
  ];
  const widths = ["", ...columns].map((_, column) =>
    Math.max(3, ...lines.map((line) => line[column]!.length)),
  );
  const cells = (line: readonly string[]): string =>
    `| ${line.map((text, i) => (i === 0 ? text.padEnd(widths[i]!) : text.padStart(widths[i]!))).join(" | ")} |`;
  const rule = `| ${widths.map((width, i) => (i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`)).join(" | ")} |`;
  const [head, ...body] = lines.map(cells);
  return [
    `### ${title}\n`,
    ...(rows.length === 0 ? [] : [head, rule, ...body, ""]),
    ...notes.map((note) => `${note}\n`),
  ].join("\n");
}
