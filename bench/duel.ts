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
  /** The job without all that is measured: what it counts up to its `to` is no part's. */
  readonly rest?: { readonly job: Job; readonly to: string };
}

/** One thing that is measured in a run. */
export interface Part {
  readonly name: string;
  readonly span: Span;
  /** What of the output must be the same on both sides; without it, outputs may differ. */
  readonly answer?: (output: string) => string;
}

/** A comparison of two machines by one thing or, so that they need to start only once, by several. */
export interface Duel {
  readonly a: Entry;
  readonly b: Entry;
  /** In the order in which they end. */
  readonly parts: readonly Part[];
}

/** A time that passed, by the clock and on all processors together. */
interface Spent {
  readonly seconds: number;
  readonly cpuSeconds: number | undefined;
}

/**
 * Runs both sides `rounds` times, and calls `onRound` behind each; a row for each part. Throws if they give different
 * answers.
 */
export async function measure(
  { a, b, parts }: Duel,
  rounds: number,
  onRound: () => void = () => {},
): Promise<Row[]> {
  const runs = { a: [] as Run[], b: [] as Run[] };
  const until = parts.at(-1)!.span.to;
  for (let round = 0; round < rounds; round++) {
    const [ofA, ofB] = [
      await run(a.machine.command(a.job), { until }),
      await run(b.machine.command(b.job), { until }),
    ];
    for (const { name, answer } of parts)
      if (answer !== undefined && answer(ofA.output) !== answer(ofB.output))
        throw new Error(
          `${name}: ${a.label} answers "${answer(ofA.output)}", ${b.label} "${answer(ofB.output)}"`,
        );
    runs.a.push(ofA);
    runs.b.push(ofB);
    onRound();
  }
  return parts.map(({ name, span }) => {
    const spent = (of: readonly Run[]): Spent[] => of.map((one) => spentIn(one, span));
    return row(name, { label: a.label, spent: spent(runs.a) }, { label: b.label, spent: spent(runs.b) });
  });
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

interface Side {
  readonly label: string;
  readonly spent: readonly Spent[];
}

function row(name: string, a: Side, b: Side): Row {
  const seconds = ({ spent }: Side): number[] => spent.map((one) => one.seconds);
  const cpuSeconds = ({ spent }: Side): number[] => spent.flatMap((one) => one.cpuSeconds ?? []);
  const columns: [unit: string, a: number[], b: number[]][] = [["", seconds(a), seconds(b)]];
  if (cpuSeconds(a).length === a.spent.length) columns.push(["CPU ", cpuSeconds(a), cpuSeconds(b)]);
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
