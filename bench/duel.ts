/** Two machines by turns, A, B, A, B ..., as whole processes; medians and their ratio. */
import type { Job, Machine } from "./machines.ts";
import { type Moment, type Run, run } from "./process.ts";
import { median } from "./statistics.ts";
import type { Row } from "./table.ts";

/** The part of a run that counts, by what the console shows at its ends. */
export interface Span {
  /** The start of the process, if absent. */
  readonly from?: string;
  readonly to: string;
  /** A part of it that does not count. */
  readonly without?: readonly [from: string, to: string];
}

/** What one side does. */
export interface Entry {
  readonly machine: Machine;
  /** What its columns are called. */
  readonly label: string;
  readonly job: Job;
  readonly span: Span;
  /** The same without what the span is about: what it counts up to its `to` is not the span's. */
  readonly rest?: { readonly job: Job; readonly to: string };
}

/** A comparison. */
export interface Duel {
  readonly name: string;
  readonly a: Entry;
  readonly b: Entry;
  /** The part of the output that must be the same on both sides; without it, outputs may differ. */
  readonly answer?: (output: string) => string;
}

/** A time that passed, by the clock and on all processors together. */
interface Spent {
  readonly seconds: number;
  readonly cpuSeconds: number | undefined;
}

/** Runs both sides `rounds` times. Throws if they give different answers. */
export async function measure(duel: Duel, rounds: number): Promise<Row> {
  const { name, a, b, answer } = duel;
  const spent = { a: [] as Spent[], b: [] as Spent[] };
  for (let round = 0; round < rounds; round++) {
    const runs = { a: await runEntry(a), b: await runEntry(b) };
    if (answer !== undefined && answer(runs.a.output) !== answer(runs.b.output))
      throw new Error(
        `${name}: ${a.label} answers "${answer(runs.a.output)}", ${b.label} "${answer(runs.b.output)}"`,
      );
    spent.a.push(spentIn(runs.a, a.span));
    spent.b.push(spentIn(runs.b, b.span));
  }
  return row(duel, spent.a, spent.b);
}

async function runEntry({ machine, job, span }: Entry): Promise<Run> {
  return run(machine.command(job), { until: span.to });
}

/** The time between two moments of a run. */
function between(from: Moment, to: Moment): Spent {
  const cpu = [from.cpuSeconds, to.cpuSeconds] as const;
  return {
    seconds: to.seconds - from.seconds,
    cpuSeconds: cpu[0] === undefined || cpu[1] === undefined ? undefined : cpu[1] - cpu[0],
  };
}

/** The time that counts. @throws {Error} if an end of the span was never shown. */
export function spentIn(one: Run, { from, to, without }: Span): Spent {
  const moment = (text: string): Moment => {
    const found = one.when(text);
    if (found === undefined) throw new Error(`the console never showed "${text}"`);
    return found;
  };
  const all = between(from === undefined ? { seconds: 0, cpuSeconds: 0 } : moment(from), moment(to));
  if (without === undefined) return all;
  const part = between(moment(without[0]), moment(without[1]));
  return {
    seconds: all.seconds - part.seconds,
    cpuSeconds:
      all.cpuSeconds === undefined || part.cpuSeconds === undefined
        ? undefined
        : all.cpuSeconds - part.cpuSeconds,
  };
}

function row({ name, a, b }: Duel, spentByA: readonly Spent[], spentByB: readonly Spent[]): Row {
  const columns: [unit: string, a: number[], b: number[]][] = [
    ["", spentByA.map(({ seconds }) => seconds), spentByB.map(({ seconds }) => seconds)],
  ];
  const cpu = [spentByA, spentByB].map((spent) => spent.flatMap(({ cpuSeconds }) => cpuSeconds ?? []));
  if (cpu.every((values) => values.length === spentByA.length)) columns.push(["CPU ", cpu[0]!, cpu[1]!]);
  const values: Record<string, number> = {};
  const samples: Record<string, readonly number[]> = {};
  const ratios: Record<string, number> = {};
  for (const [unit, ofA, ofB] of columns) {
    const [columnA, columnB] = [`${a.label} ${unit}s`, `${b.label} ${unit}s`];
    const ratio = unit === "" ? `${a.label} ÷ ${b.label}` : `${unit}÷`;
    values[columnA] = median(ofA);
    values[columnB] = median(ofB);
    values[ratio] = ratios[ratio] = median(ofA) / median(ofB);
    samples[columnA] = ofA;
    samples[columnB] = ofB;
  }
  return { name, values, ratios, samples };
}
