/** What a run has cost, for people. */
import type { Stats } from "../index.ts";

const count = (value: number): string => value.toLocaleString("en-US");
const plural = (value: number, one: string, many = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : many}`;

/**
 * Lines that sum up a run which took `seconds`, of a guest that had executed so many instructions `before`. What did
 * not happen at all has no line.
 */
export function summary(stats: Stats, seconds: number, before = 0): string[] {
  const { instructions, guestInstructions, refills } = stats;
  const executed = instructions - before;
  const mips = seconds > 0 ? executed / seconds / 1e6 : 0;
  const now = before === 0 ? "" : `${count(instructions)}, now `;
  const lines = [
    line(
      "instructions",
      `${now}${count(executed)} in ${seconds.toFixed(2)} s, ${mips.toFixed(1)} million per second`,
    ),
  ];
  if (guestInstructions !== instructions) lines.push(line("  by the guest", count(guestInstructions)));
  const add = (name: string, ...parts: [value: number, text: string][]): void => {
    if (parts.some(([value]) => value > 0)) lines.push(line(name, parts.map(([, text]) => text).join(", ")));
  };
  add(
    "refills",
    [refills.fast, `${count(refills.fast)} fast`],
    [refills.slow, `${count(refills.slow)} slow`],
  );
  add("host TLB", [stats.hostTlbWrites, plural(stats.hostTlbWrites, "write")]);
  add(
    "guest TLB",
    [stats.guestTlbLookups, plural(stats.guestTlbLookups, "lookup")],
    [stats.asidChanges, plural(stats.asidChanges, "ASID change")],
  );
  add(
    "GVA tables",
    [stats.gvaPtesFilled, `${plural(stats.gvaPtesFilled, "PTE")} filled`],
    [stats.gvaPtesInvalidated, `${count(stats.gvaPtesInvalidated)} invalidated`],
  );
  return [...lines, ...causes("exits", stats.exits), ...causes("fast exits", stats.fastExits)];
}

const NAME_WIDTH = 16;
const line = (name: string, text: string): string => `${name.padEnd(NAME_WIDTH)}${text}`;

/** A total and its parts, the largest first. */
function causes(title: string, byCause: Readonly<Record<string, number>>): string[] {
  const parts = Object.entries(byCause)
    .filter(([, value]) => value > 0)
    .sort(([nameA, a], [nameB, b]) => b - a || (nameA < nameB ? -1 : 1));
  if (parts.length === 0) return [];
  const total = parts.reduce((sum, [, value]) => sum + value, 0);
  const width = count(total).length;
  const row = (name: string, value: number): string => line(name, count(value).padStart(width));
  return [row(title, total), ...parts.map(([name, value]) => row(`  ${name}`, value))];
}
