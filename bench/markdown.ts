/** Figures as a part of a document. */
import type { Figures, Measurement } from "./figures.ts";
import { figure, type Section } from "./table.ts";

/** Comments around the part of a document that is made from figures. */
const PART = /(?<=<!-- figures: .*-->\n)[^]*(?=<!-- end of figures -->)/;

/** `document` with its figures made anew. Throws if it has no place for them. */
export function withFigures(document: string, figures: readonly Figures[]): string {
  if (!PART.test(document)) throw new Error("the document has no place for figures");
  const parts = figures.map((one, n) => {
    const how = described(one);
    const isNew = n === 0 || described(figures[n - 1]!) !== how;
    return table(one, isNew ? how : undefined);
  });
  return document.replace(PART, () => `\n${parts.join("\n")}\n`);
}

function described({ machine, revision, runs }: Measurement): string {
  const of = revision === undefined ? "" : ` of ${revision}`;
  const samples = runs === 1 ? "one run of each side" : `medians of ${runs} runs of each side`;
  return `Measured on ${machine}; ${samples}${of}.`;
}

/** A table, with columns as wide as Prettier makes them. `how` says how this one and those behind it were measured. */
function table({ title, rows, notes = [] }: Section, how: string | undefined): string {
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
    ...(how === undefined ? [] : [`${how}\n`]),
    ...(rows.length === 0 ? [] : [head, rule, ...body, ""]),
    ...notes.map((note) => `${note}\n`),
  ].join("\n");
}
