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
