import { choice, counter, list, record } from "../state/fields.ts";

/**
 * What KVM counts for each vcpu, under KVM's names (its debugfs files). Several of them overlap: a WAIT is
 * counted as `wait` and as the Coprocessor Unusable exception by which it left the guest.
 */
export const COUNTER_NAMES = [
  "wait",
  "cache",
  "signal",
  "interrupt",
  "cop_unusable",
  "tlbmod",
  "tlbmiss_ld",
  "tlbmiss_st",
  "addrerr_st",
  "addrerr_ld",
  "syscall",
  "resvd_inst",
  "break_inst",
  "trap_inst",
  "msa_fpe",
  "fpe",
  "msa_disabled",
  "flush_dcache",
  "halt_successful_poll",
  "halt_attempted_poll",
  "halt_poll_invalid",
  "halt_wakeup",
  "mmio_exits",
] as const;

export type CounterName = (typeof COUNTER_NAMES)[number];

/** Host exception code → the counter of the exit it caused. Disjoint: each exit has exactly one cause. */
const EXIT_CAUSES = new Map<number, CounterName>([
  [0, "interrupt"],
  [1, "tlbmod"],
  [2, "tlbmiss_ld"],
  [3, "tlbmiss_st"],
  [4, "addrerr_ld"],
  [5, "addrerr_st"],
  [8, "syscall"],
  [9, "break_inst"],
  [10, "resvd_inst"],
  [11, "cop_unusable"],
  [13, "trap_inst"],
  [14, "msa_fpe"],
  [15, "fpe"],
  [21, "msa_disabled"],
]);

/** Cause of an exit: KVM's counter for it, or `other` for what a guest never causes in a sound host. */
export type ExitCause = CounterName | "other";

/** The cause by which host exception `code` is counted. */
export function exitCause(code: number): ExitCause {
  return EXIT_CAUSES.get(code) ?? "other";
}

/** How often each cause came, in the order in which they came first. */
type ByCause = readonly { readonly cause: ExitCause; readonly times: number }[];

/** The figures of a vcpu as plain data: `counters` and `figures` in the order of their names here. */
export interface StatsSnapshot {
  readonly counters: readonly number[];
  readonly exits: ByCause;
  readonly fastExits: ByCause;
  readonly figures: readonly number[];
}

/** The figures of {@link VcpuStats} that are single numbers. */
const FIGURES = [
  ...(["guestTlbLookups", "asidChanges", "gvaPtesInvalidated", "gvaPtesFilled", "slowRefills"] as const),
  ...(["translated", "delivered"] as const),
] as const;

const CAUSES: readonly ExitCause[] = [...COUNTER_NAMES, "other"];
const BY_CAUSE = list(record<ByCause[number]>({ cause: choice(CAUSES), times: counter }), 0, CAUSES.length);

/** How they are kept. */
export const STATS_SNAPSHOT = record<StatsSnapshot>({
  counters: list(counter, COUNTER_NAMES.length),
  exits: BY_CAUSE,
  fastExits: BY_CAUSE,
  figures: list(counter, FIGURES.length),
});

/** For each exception code the place of its cause among {@link CAUSES}: a counter's is the same among their names. */
const PLACE_OF_CODE = Uint8Array.from({ length: 32 }, (_, code) => CAUSES.indexOf(exitCause(code)));

/** Counts by cause. No name is looked for to count one: exits are counted in hundreds of nanoseconds. */
class CauseCounts {
  private readonly times = new Float64Array(CAUSES.length);
  /** Places of the causes that came, in the order in which they came first. */
  private readonly order: number[] = [];

  /** Counts `times` more of what exception `code` causes. */
  add(code: number, times: number): void {
    this.addAt(PLACE_OF_CODE[code]!, times);
  }

  private addAt(place: number, times: number): void {
    if (this.times[place] === 0 && !this.order.includes(place)) this.order.push(place);
    this.times[place]! += times;
  }

  list(): ByCause {
    return this.order.map((place) => ({ cause: CAUSES[place]!, times: this.times[place]! }));
  }

  record(): Partial<Record<ExitCause, number>> {
    return Object.fromEntries(this.list().map(({ cause, times }) => [cause, times]));
  }

  restore(saved: ByCause): void {
    this.times.fill(0);
    this.order.length = 0;
    for (const { cause, times } of saved) this.addAt(CAUSES.indexOf(cause), times);
  }
}

/** The figures of one vcpu since it was created. */
export class VcpuStats {
  /** KVM's counters, in the order of their names. */
  private readonly times = new Float64Array(COUNTER_NAMES.length);
  private readonly exitCounts = new CauseCounts();
  private readonly fastExitCounts = new CauseCounts();
  guestTlbLookups = 0;
  /** Writes to the guest's EntryHi that changed its ASID. */
  asidChanges = 0;
  gvaPtesInvalidated = 0;
  gvaPtesFilled = 0;
  /** Host TLB misses that the hypervisor served itself, with the generated refill turned off. */
  slowRefills = 0;
  /** Instructions that dynamic translation replaced. */
  translated = 0;
  /** Exceptions given to the guest, interrupts included. */
  delivered = 0;

  snapshot(): StatsSnapshot {
    return {
      counters: [...this.times],
      exits: this.exitCounts.list(),
      fastExits: this.fastExitCounts.list(),
      figures: FIGURES.map((name) => this[name]),
    };
  }

  restore({ counters, exits, fastExits, figures }: StatsSnapshot): void {
    this.times.set(counters);
    this.exitCounts.restore(exits);
    this.fastExitCounts.restore(fastExits);
    FIGURES.forEach((name, n) => (this[name] = figures[n]!));
  }

  /** Adds one to a counter of KVM's. */
  count(name: CounterName): void {
    this.times[COUNTER_NAMES.indexOf(name)]!++;
  }

  /** Counts an exit caused by host exception `code`. */
  countExit(code: number): void {
    this.exitCounts.add(code, 1);
    const place = PLACE_OF_CODE[code]!;
    if (place < COUNTER_NAMES.length) this.times[place]!++;
  }

  /** Counts `times` exits that generated code settled, by the exception that they would have left for. */
  countFastExits(code: number, times: number): void {
    if (times > 0) this.fastExitCounts.add(code, times);
  }

  /** KVM's counters. */
  get counters(): Record<CounterName, number> {
    const entries = COUNTER_NAMES.map((name, n) => [name, this.times[n]!]);
    return Object.fromEntries(entries) as Record<CounterName, number>;
  }

  /** Crossings from the guest into the hypervisor proper, by cause. */
  get exits(): Partial<Record<ExitCause, number>> {
    return this.exitCounts.record();
  }

  /** What generated code settled inside the machine, by the cause it would have left for. */
  get fastExits(): Partial<Record<ExitCause, number>> {
    return this.fastExitCounts.record();
  }

  /** Exits of all causes. */
  get totalExits(): number {
    return this.exitCounts.list().reduce((total, { times }) => total + times, 0);
  }
}
