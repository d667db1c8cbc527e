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

const byCause = (counts: Partial<Record<ExitCause, number>>): ByCause =>
  Object.entries(counts).map(([cause, times]) => ({ cause: cause as ExitCause, times }));

function takeCauses(counts: Partial<Record<ExitCause, number>>, saved: ByCause): void {
  for (const { cause } of byCause(counts)) delete counts[cause];
  for (const { cause, times } of saved) counts[cause] = times;
}

/** The figures of one vcpu since it was created. */
export class VcpuStats {
  /** KVM's counters. */
  readonly counters: Record<CounterName, number>;
  /** Crossings from the guest into the hypervisor proper, by cause. */
  readonly exits: Partial<Record<ExitCause, number>> = {};
  /** What generated code settled inside the machine, by the cause it would have left for. */
  readonly fastExits: Partial<Record<ExitCause, number>> = {};
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

  constructor() {
    this.counters = Object.fromEntries(COUNTER_NAMES.map((name) => [name, 0])) as Record<CounterName, number>;
  }

  snapshot(): StatsSnapshot {
    return {
      counters: COUNTER_NAMES.map((name) => this.counters[name]),
      exits: byCause(this.exits),
      fastExits: byCause(this.fastExits),
      figures: FIGURES.map((name) => this[name]),
    };
  }

  restore({ counters, exits, fastExits, figures }: StatsSnapshot): void {
    COUNTER_NAMES.forEach((name, n) => (this.counters[name] = counters[n]!));
    takeCauses(this.exits, exits);
    takeCauses(this.fastExits, fastExits);
    FIGURES.forEach((name, n) => (this[name] = figures[n]!));
  }

  /** Counts an exit caused by host exception `code`. */
  countExit(code: number): void {
    const cause = exitCause(code);
    this.exits[cause] = (this.exits[cause] ?? 0) + 1;
    if (cause !== "other") this.counters[cause]++;
  }

  /** Exits of all causes. */
  get totalExits(): number {
    let total = 0;
    for (const count of Object.values(this.exits)) total += count;
    return total;
  }
}
