/** The measurements as one table, next to the real system's figures. */
import type { Cost } from "./measure.ts";

/** Rows about one thing. */
export interface Part {
  readonly title: string;
  readonly costs: readonly Cost[];
}

/** Exits of a boot by cause, and those of the real system. */
export interface BootExits {
  readonly guest: string;
  readonly rows: readonly { readonly name: string; readonly exits: number; readonly real?: number }[];
}

const NAME_WIDTH = 46;
const COLUMNS = ["ns", "host instr.", "exits", "fast exits", "real system"] as const;
const WIDTH = 12;

const right = (text: string): string => text.padStart(WIDTH);
/** A figure with as many digits as say something; nothing for what was not measured. */
function figure(value: number | null | undefined): string {
  if (value === undefined) return right("");
  if (value === null) return right("noise");
  const rounded = Math.abs(value) >= 100 ? Math.round(value) : Number(value.toFixed(2));
  return right(rounded.toLocaleString("en-US"));
}

function line({ name, nanoseconds, hostInstructions, exits, fastExits, real }: Cost): string {
  const cells = [nanoseconds, hostInstructions, exits, fastExits, real].map(figure);
  return `  ${name.padEnd(NAME_WIDTH)}${cells.join("")}`.trimEnd();
}

/** The first line of the table. */
export const HEAD = `${"".padEnd(NAME_WIDTH + 2)}${COLUMNS.map(right).join("")}\n`;

/** The lines of a part. */
export function textOfPart({ title, costs }: Part): string {
  return [title, ...costs.map(line), ""].join("\n");
}

/** The lines about a boot. */
export function textOfBoot({ guest, rows }: BootExits): string {
  const lines = rows.map(({ name, exits, real }) => {
    const cells = [undefined, undefined, exits, undefined, real].map(figure).join("");
    return `  ${name.padEnd(NAME_WIDTH)}${cells}`.trimEnd();
  });
  return [`exits of the boot of ${guest}, up to its shell`, ...lines, ""].join("\n");
}
