import { ENTRY_HI } from "../isa/cp0.ts";
import { counter, integer, list, record, type Field } from "../state/fields.ts";
import type { AsidHolder } from "./host-mm.ts";
import type { HostTlb } from "./host-tlb.ts";

/** What the host TLB compares: the low bits of a context word. */
export const ASID_MASK = ENTRY_HI.ASID;

/** The first version. Context 0 therefore belongs to none. */
export const FIRST_VERSION = ASID_MASK + 1;

/** Where the numbers of each host CPU are, as plain data. */
export interface AsidsSnapshot {
  /** Per CPU, the context word given out last. */
  readonly last: readonly number[];
  readonly wraps: number;
}

/** How it is kept on a host with `cpus` CPUs. */
export const asidsSnapshot = (cpus: number): Field<AsidsSnapshot> =>
  record<AsidsSnapshot>({ last: list(integer(FIRST_VERSION, 0xffff_ffff), cpus), wraps: counter });

/**
 * The host's address space numbers. A context word is version | ASID; all address spaces, those of guests and
 * those of host processes, draw from one counter per CPU. When its ASIDs are used up the CPU's TLB is flushed
 * and a new version begins, which makes every older context word stale at once. New ones are drawn on the CPU that
 * executes only.
 */
export class HostAsids {
  private readonly tlb: HostTlb;
  /** Per CPU, the context word given out last. */
  private readonly last: number[];
  /** Versions begun since the start: each took a TLB flush. */
  wraps = 0;

  constructor(tlb: HostTlb, cpus: number) {
    this.tlb = tlb;
    this.last = Array.from({ length: cpus }, () => FIRST_VERSION);
  }

  /** What was given out on each CPU. */
  snapshot(): AsidsSnapshot {
    return { last: [...this.last], wraps: this.wraps };
  }

  /** Goes on counting behind what a snapshot says. */
  resume({ last, wraps }: AsidsSnapshot): void {
    this.last.splice(0, this.last.length, ...last);
    this.wraps = wraps;
  }

  /** True if `mm`'s context word on `cpu` is of the current version. */
  isCurrent(mm: AsidHolder, cpu = this.tlb.cpu): boolean {
    return ((mm.context(cpu) ^ this.last[cpu]!) & ~ASID_MASK) === 0;
  }

  /** True if `mm`'s context word on the CPU that executes is of the current version, with ASID `asid`. */
  isIn(mm: AsidHolder, asid: number): boolean {
    const { cpu } = this.tlb;
    const current = (this.last[cpu]! & ~ASID_MASK) | asid;
    return mm.context(cpu) === current >>> 0;
  }

  /** Gives `mm` a new context word on the CPU that executes and returns it. */
  getNew(mm: AsidHolder): number {
    const { cpu } = this.tlb;
    let context = (this.last[cpu]! + 1) >>> 0;
    if ((context & ASID_MASK) === 0) {
      this.tlb.flushAllNonWired();
      this.wraps++;
      // The word itself has run over: version 0 would make fresh (zero) context words look valid.
      if (context === 0) context = FIRST_VERSION;
    }
    this.last[cpu] = context;
    mm.setContext(context, cpu);
    this.tlb.forgetRefills(context & ASID_MASK);
    return context;
  }

  /** Makes sure that `mm`'s context word on the CPU that executes is current. True if it had to be renewed. */
  check(mm: AsidHolder): boolean {
    if (this.isCurrent(mm)) return false;
    this.getNew(mm);
    return true;
  }

  /** The ASID in `mm`'s context word: meaningful while that is current. */
  asid(mm: AsidHolder, cpu = this.tlb.cpu): number {
    return mm.context(cpu) & ASID_MASK;
  }

  /** Continues counting on `cpu` behind `context`: for restoring a saved machine. */
  restore(context: number, cpu = this.tlb.cpu): void {
    this.last[cpu] = context >>> 0;
  }
  /** The context word given out last on `cpu`. */
  lastGiven(cpu = this.tlb.cpu): number {
    return this.last[cpu]!;
  }
}
