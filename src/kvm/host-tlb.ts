import { CONFIG, CP0, ENTRY_HI, FTLB } from "../isa/cp0.ts";
import { FTLB_PAGES } from "../machine/cpu-models.ts";
import type { Machine } from "../machine/machine.ts";
import { counter, record } from "../state/fields.ts";
import { toKseg0, type Gva } from "./addresses.ts";

/** Set in CP0 Index by a probe that found nothing. */
const PROBE_FAILED = 0x8000_0000;
/** Config4.IE from which on EntryHi.EHINV exists. */
const EHINV_LEVEL = 2;

/** True if TLBWI with EntryHi.EHINV makes an entry match nothing (MIPS32 PRA, "Configuration Register 4", IE). */
function hasEhinv(machine: Machine): boolean {
  const { ops } = machine;
  if ((ops.readCp0(CP0.Config3) & CONFIG.M) === 0) return false;
  return ((ops.readCp0(CP0.Config4) >>> CONFIG.C4_IE_SHIFT) & 3) >= EHINV_LEVEL;
}

/** What the hypervisor has done to the host TLB, as plain data. */
export interface HostTlbCounts {
  readonly writes: number;
  readonly hits: number;
  readonly misses: number;
}

/** How it is kept. */
export const HOST_TLB_COUNTS = record<HostTlbCounts>({ writes: counter, hits: counter, misses: counter });

/**
 * The hypervisor's hold on the host TLB, that of the CPU that executes. It acts as the host's kernel, with the privileged operations that
 * kernel code would execute, so the CPU must be in kernel mode. EntryHi is as before after each call.
 */
export class HostTlb {
  private readonly machine: Machine;
  private readonly pageSize: number;
  /** Entries can be made to match nothing at all (Config4.IE). */
  private readonly ehinv: boolean;
  /** Entries written by the hypervisor, invalidations and flushes included. */
  writes = 0;
  /** Single invalidations that found an entry, and those that did not. */
  hits = 0;
  misses = 0;

  constructor(machine: Machine, pageSize: number) {
    this.machine = machine;
    this.pageSize = pageSize;
    this.ehinv = hasEhinv(machine);
  }

  snapshot(): HostTlbCounts {
    return { writes: this.writes, hits: this.hits, misses: this.misses };
  }

  restore({ writes, hits, misses }: HostTlbCounts): void {
    this.writes = writes;
    this.hits = hits;
    this.misses = misses;
  }

  /** Number of the CPU that executes. */
  get cpu(): number {
    return this.machine.cpu.number;
  }

  /** The refills that the CPU has noted for `asid` were for another address space. */
  forgetRefills(asid: number): void {
    this.machine.cpu.refillLog?.forget(asid);
  }

  /**
   * The EntryHi of an entry that is to match no access. Without EHINV it differs between indices, because two
   * entries may never match alike, and lies in kseg0; that is no place for it where user mode may be mapped there.
   */
  uniqueEntryHi(index: number): number {
    return this.ehinv ? ENTRY_HI.EHINV : toKseg0(index * 2 * this.pageSize);
  }

  /** TLBWI or TLBWR. As instructions they move PC on; here no instruction is executed. */
  private execute(operation: "tlbwi" | "tlbwr"): void {
    const { cpu, ops } = this.machine;
    const { pc } = cpu;
    ops[operation]();
    cpu.setPc(pc);
    this.writes++;
  }

  /** Has the set-associative part, if the host's TLB has one, hold pages of the host's size (Config4.MMUExtDef = 3). */
  enableFtlb(): void {
    const { ops } = this.machine;
    const config4 = ops.readCp0(CP0.Config4);
    if ((config4 & FTLB.C4_EXT_DEF) !== FTLB.C4_EXT_DEF) return;
    const pages = FTLB_PAGES.find(({ pairShift }) => 2 ** pairShift === 2 * this.pageSize);
    if (pages === undefined) return;
    ops.writeCp0(CP0.Config4, (config4 & ~FTLB.C4_PAGE_SIZE) | (pages.code << FTLB.C4_PAGE_SIZE_SHIFT));
    ops.writeCp0(CP0.Config6, ops.readCp0(CP0.Config6) | FTLB.C6_EN);
  }

  private overwrite(index: number): void {
    const { ops } = this.machine;
    ops.writeCp0(CP0.Index, index);
    ops.writeCp0(CP0.EntryHi, this.uniqueEntryHi(index));
    ops.writeCp0(CP0.EntryLo0, 0);
    ops.writeCp0(CP0.EntryLo1, 0);
    this.execute("tlbwi");
  }

  /**
   * Drops the entry that maps the pair of pages around `gva` in `asid`, if there is one. Index 0 is a match
   * like any other. Returns the index of the entry, or -1.
   */
  invalidate(gva: Gva, asid: number): number {
    const { cpu, ops } = this.machine;
    const saved = ops.readCp0(CP0.EntryHi);
    ops.writeCp0(CP0.EntryHi, (gva & ENTRY_HI.VPN2 & ~(2 * this.pageSize - 1)) | (asid & ENTRY_HI.ASID));
    ops.tlbp();
    const index = ops.readCp0(CP0.Index);
    const found = (index & PROBE_FAILED) === 0;
    if (found) {
      this.overwrite(index);
      this.hits++;
    } else this.misses++;
    ops.writeCp0(CP0.EntryHi, saved);
    return found ? index % cpu.tlb.entries : -1;
  }

  /** Drops every entry that is not wired. */
  flushAllNonWired(): void {
    const { cpu, ops } = this.machine;
    const saved = ops.readCp0(CP0.EntryHi);
    for (let index = ops.readCp0(CP0.Wired); index < cpu.tlb.entries; index++) this.overwrite(index);
    ops.writeCp0(CP0.EntryHi, saved);
  }

  /** Writes EntryLo0 and EntryLo1 for the pair around `gva` in `asid` into the matching entry, else a random one. */
  write(gva: Gva, asid: number, entryLo0: number, entryLo1: number): void {
    const { ops } = this.machine;
    const saved = ops.readCp0(CP0.EntryHi);
    ops.writeCp0(CP0.EntryHi, (gva & ENTRY_HI.VPN2 & ~(2 * this.pageSize - 1)) | (asid & ENTRY_HI.ASID));
    ops.tlbp();
    ops.writeCp0(CP0.EntryLo0, entryLo0);
    ops.writeCp0(CP0.EntryLo1, entryLo1);
    this.execute((ops.readCp0(CP0.Index) & PROBE_FAILED) === 0 ? "tlbwi" : "tlbwr");
    ops.writeCp0(CP0.EntryHi, saved);
  }
}
