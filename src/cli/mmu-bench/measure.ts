/** Runs the loops and says what one event of each costs. */
import { createGuest, type Guest, type GuestConfig, type Stats } from "../../index.ts";
import { kernelImage } from "./image.ts";
import type { MmuProgram } from "./programs.ts";

const MEMORY = 64 << 20;

/** How long is measured. */
export interface Effort {
  /** Seconds for an engine to get warm. */
  readonly warm: number;
  /** Seconds of a stretch, and how many of them there are. */
  readonly stretch: number;
  readonly stretches: number;
}

/** What gives figures that are worth something. */
const FULL_EFFORT: Effort = { warm: 0.3, stretch: 0.1, stretches: 5 };

/** Guest time of one call of `run`: the clock is looked at in between. */
const SLICE_TICKS = 20_000;
/** Guest time in which every loop is past what it has to set up. */
const SETUP_TICKS = 60_000;

/** What one event costs beyond the instructions of the loop around it. */
export interface Cost {
  readonly name: string;
  /** Null if it cannot be told from noise. */
  readonly nanoseconds: number | null;
  /** Instructions of the host: of generated code and of handlers. */
  readonly hostInstructions: number;
  readonly exits: number;
  /** Absent where fewer of them are part of what it is compared with. */
  readonly fastExits?: number;
  /** The real system's host instructions. */
  readonly real?: number;
}

interface PerEvent {
  readonly nanoseconds: number;
  readonly guestInstructions: number;
  readonly hostInstructions: number;
  readonly exits: number;
  readonly fastExits: number;
}

const total = (byCause: Readonly<Record<string, number>>): number =>
  Object.values(byCause).reduce((sum, count) => sum + count, 0);

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

/**
 * The time that stretches agree on, their median: null if the middle half of them lies as far apart as the time is long,
 * for then it may be anything. Under load the difference of two loops is mostly what the load did to one of them.
 */
export function agreedTime(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  const quarter = Math.floor(sorted.length / 4);
  const spread = sorted.at(-1 - quarter)! - sorted[quarter]!;
  const middle = median(values);
  return middle > spread ? middle : null;
}

/** A program in its endless loop. */
class Running {
  readonly program: MmuProgram;
  private readonly guest: Guest;

  constructor(program: MmuProgram, config: Partial<GuestConfig>, warm: number) {
    this.program = program;
    const common = { kernel: kernelImage(program.code), memory: MEMORY, onConsole: () => {} };
    this.guest = createGuest({ ...common, ...config, ...program.config });
    this.run(warm, SETUP_TICKS);
  }

  /** Runs for at least that long, on the clock and in guest time. Returns the seconds that it took. */
  private run(seconds: number, ticks = 0): number {
    const began = performance.now();
    const until = this.guest.time + ticks;
    for (;;) {
      const result = this.guest.run(SLICE_TICKS);
      if (result.kind !== "running")
        throw new Error(`${this.program.name}: the guest ended (${result.kind})`);
      const passed = (performance.now() - began) / 1000;
      if (passed >= seconds && this.guest.time >= until) return passed;
    }
  }

  /** One stretch: what happened in it, for each event. */
  stretch(long: number): PerEvent {
    const { events } = this.program;
    const before = this.guest.stats();
    const seconds = this.run(long);
    const after = this.guest.stats();
    const count = events(after) - events(before);
    if (count === 0) throw new Error(`${this.program.name}: it did not happen`);
    const each = (of: (stats: Stats) => number): number => (of(after) - of(before)) / count;
    return {
      nanoseconds: (seconds * 1e9) / count,
      guestInstructions: each(({ guestInstructions }) => guestInstructions),
      hostInstructions: each(({ instructions, guestInstructions }) => instructions - guestInstructions),
      exits: each(({ exits }) => total(exits)),
      fastExits: each(({ fastExits }) => total(fastExits)),
    };
  }

  destroy(): void {
    this.guest.destroy();
  }
}

const FIGURES = ["nanoseconds", "hostInstructions", "exits", "fastExits"] as const;

/**
 * What one event of `program` costs beyond what the same number of guest instructions costs in `plain`. The two take
 * turns, so that whatever else the computer does meets both.
 */
export function measure(
  program: MmuProgram,
  plain: MmuProgram,
  config: Partial<GuestConfig>,
  { warm, stretch, stretches }: Effort = FULL_EFFORT,
): Cost {
  const loop = new Running(program, config, warm);
  const without = new Running(plain, { ...config, ...program.config }, warm);
  const costs = Array.from({ length: stretches }, (): PerEvent => {
    const [other, own] = [without.stretch(stretch), loop.stretch(stretch)];
    const share = own.guestInstructions / other.guestInstructions;
    const beyond = FIGURES.map((figure) => [figure, own[figure] - share * other[figure]] as const);
    return { ...own, ...Object.fromEntries(beyond) };
  });
  loop.destroy();
  without.destroy();
  const middle = (figure: (typeof FIGURES)[number]): number => median(costs.map((cost) => cost[figure]));
  const fastExits = middle("fastExits");
  return {
    name: program.name,
    nanoseconds: agreedTime(costs.map(({ nanoseconds }) => nanoseconds)),
    hostInstructions: middle("hostInstructions"),
    exits: middle("exits"),
    ...(fastExits < 0 ? {} : { fastExits }),
    ...(program.real === undefined ? {} : { real: program.real }),
  };
}
