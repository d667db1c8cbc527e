import type { CodePart } from "../../src/index.ts";
import type { Miss, MissStep } from "../../src/web/index.ts";

/** Where instructions on the way of a miss are executed. */
interface Part {
  readonly name: string;
  readonly colour: `--${string}`;
}

const PARTS: Readonly<Record<CodePart | "guest", Part>> = {
  refill: { name: "refill handler", colour: "--c1" },
  "fast-exit": { name: "fast exit", colour: "--c4" },
  exit: { name: "way out", colour: "--c2" },
  entry: { name: "way in", colour: "--c6" },
  host: { name: "host kernel", colour: "--c7" },
  guest: { name: "guest", colour: "--c3" },
};

/** The part of the machine's code that `of` names. */
export const partOf = (of: CodePart | "guest"): Part => PARTS[of];

/** A piece of the way of a miss: instructions in the same part one after another, and the exit behind them. */
export interface Stretch {
  readonly part: CodePart | "guest";
  readonly steps: readonly MissStep[];
  /** The cause of the exit that was taken behind the last of them. */
  readonly exit: string | null;
}

/** The way of a miss in pieces. */
export function stretchesOf({ steps }: Miss): Stretch[] {
  const found: { part: Stretch["part"]; steps: MissStep[]; exit: string | null }[] = [];
  for (const step of steps) {
    const last = found.at(-1);
    if (last?.part === step.part && last.exit === null) last.steps.push(step);
    else found.push({ part: step.part, steps: [step], exit: null });
    if (step.exit !== undefined) found.at(-1)!.exit = step.exit;
  }
  return found;
}

/** Instructions of the host on the way of a miss. */
export const hostInstructions = ({ steps }: Miss): number =>
  steps.filter(({ part }) => part !== "guest").length;
