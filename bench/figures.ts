/** The figures that the documents show: each table as it was measured last. */
import type { Section } from "./table.ts";

/** How something was measured. */
export interface Measurement {
  /** Computer and Node. */
  readonly machine: string;
  readonly revision?: string;
  /** Runs of each side. */
  readonly runs: number;
}

/** What `--json` leaves. */
export interface BenchRecord extends Measurement {
  readonly sections: readonly Section[];
}

/** A table, and how it came about. */
export interface Figures extends Measurement, Section {}

/** A section without what its figures were computed from. */
function shown({ title, rows, notes }: Section): Section {
  const bare = rows.map(({ name, values }) => ({ name, values }));
  return { title, rows: bare, ...(notes === undefined || notes.length === 0 ? {} : { notes }) };
}

/** `old` with the tables of `record` in the places of those with the same titles, and new ones behind them. */
export function withRecord(old: readonly Figures[], record: BenchRecord): readonly Figures[] {
  const { sections, ...measurement } = record;
  const measured = sections.map((section): Figures => ({ ...measurement, ...shown(section) }));
  const kept = old.map((table) => measured.find(({ title }) => title === table.title) ?? table);
  return [...kept, ...measured.filter(({ title }) => old.every((table) => table.title !== title))];
}
