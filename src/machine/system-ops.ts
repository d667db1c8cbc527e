import { CP0, EBASE, ENTRY_HI, HWRENA, INDEX, STATUS } from "../isa/cp0.ts";
import { EXC_CODE } from "../isa/exceptions.ts";
import type { Cpu } from "./cpu.ts";
import { EXIT } from "./cpu-contracts.ts";
import { Cp0Access } from "./cp0-access.ts";
import { ACCESS, type Mmu } from "./mmu.ts";
import { MODE, type Mode } from "./modes.ts";
import { STATE } from "./state-layout.ts";
import { legalPageMask, type TlbEntry } from "./tlb.ts";

/** The engine goes on with the next instruction. */
export const NEXT = 0;
/** The engine takes PC, mode and soft TLB banks from the state block: something there changed. */
export const RELOAD = 1;
export type Continuation = typeof NEXT | typeof RELOAD;

/**
 * The privileged operations, as the engine calls them in the middle of an instruction: PC and delay slot are
 * those of the instruction, which counts as retired. Each returns how to go on; a value is left at
 * `STATE.mmioData`. Also used by the hypervisor, which acts as the host's kernel.
 */
export class SystemOps extends Cp0Access {
  private readonly mmu: Mmu;

  constructor(cpu: Cpu, mmu: Mmu) {
    super(cpu);
    this.mmu = mmu;
  }

  private result(value: number): Continuation {
    this.cpu.memory.i32[STATE.mmioData >>> 2] = value;
    return NEXT;
  }

  /** Ends the instruction here and has the engine fetch the next one anew. */
  private refetch(): Continuation {
    this.cpu.advance();
    return RELOAD;
  }

  /** True, with CpU raised, if the current mode may not use CP0. */
  denied(): boolean {
    if (this.cpu.cp0Usable) return false;
    this.cpu.raise(EXC_CODE.CpU, 0);
    return true;
  }

  // --- CP0 registers ---

  mfc0(number: number, select: number): Continuation {
    if (this.denied()) return RELOAD;
    return this.result(this.readCp0(number * 8 + select));
  }

  mtc0(number: number, select: number, value: number): Continuation {
    if (this.denied()) return RELOAD;
    return this.writeCp0(number * 8 + select, value) ? this.refetch() : NEXT;
  }

  mfhc0(number: number, select: number): Continuation {
    if (this.denied()) return RELOAD;
    return this.result(this.readCp0High(number * 8 + select));
  }

  mthc0(number: number, select: number, value: number): Continuation {
    if (this.denied()) return RELOAD;
    this.writeCp0High(number * 8 + select, value);
    return NEXT;
  }

  /** There is one register set: the previous set is the current one. */
  rdpgpr(source: number): Continuation {
    if (this.denied()) return RELOAD;
    return this.result(this.cpu.gpr[source]!);
  }
  wrpgpr(target: number, value: number): Continuation {
    if (this.denied()) return RELOAD;
    if (target !== 0) this.cpu.gpr[target] = value;
    return NEXT;
  }

  di(): Continuation {
    return this.changeInterruptEnable(0);
  }
  ei(): Continuation {
    return this.changeInterruptEnable(STATUS.IE);
  }
  private changeInterruptEnable(enable: number): Continuation {
    if (this.denied()) return RELOAD;
    const { cpu } = this;
    const old = cpu.cp0[CP0.Status]!;
    cpu.cp0[CP0.Status] = (old & ~STATUS.IE) | enable;
    if (cpu.interruptDeliverable) cpu.endSlice();
    return this.result(old);
  }

  // --- TLB ---

  tlbp(): Continuation {
    if (this.denied()) return RELOAD;
    const { cp0, tlb } = this.cpu;
    const index = tlb.probe(cp0[CP0.EntryHi]!, this.cpu.asid);
    cp0[CP0.Index] = index >= 0 ? index : cp0[CP0.Index]! | INDEX.P;
    return NEXT;
  }

  tlbr(): Continuation {
    if (this.denied()) return RELOAD;
    const { cpu } = this;
    const index = cpu.tlb.named(cpu.cp0[CP0.Index]!);
    const entry = cpu.tlb.read(index);
    const asid = cpu.asid;
    const invalid = cpu.model.tlbInvalidate && !cpu.tlb.isUsed(index);
    cpu.cp0[CP0.EntryHi] = invalid ? ENTRY_HI.EHINV : entry.entryHi;
    cpu.cp0[CP0.PageMask] = entry.pageMask;
    cpu.cp0[CP0.EntryLo0] = entry.entryLo0;
    cpu.cp0[CP0.EntryLo1] = entry.entryLo1;
    if (cpu.model.xpa) {
      const [high0, high1] = cpu.tlb.readHigh(index);
      cpu.cp0High[CP0.EntryLo0] = high0;
      cpu.cp0High[CP0.EntryLo1] = high1;
    }
    if (asid === cpu.asid) return NEXT;
    cpu.modeMayHaveChanged();
    return this.refetch();
  }

  tlbwi(): Continuation {
    if (this.denied()) return RELOAD;
    const { cp0, tlb } = this.cpu;
    const index = tlb.named(cp0[CP0.Index]!);
    if ((cp0[CP0.EntryHi]! & ENTRY_HI.EHINV) === 0) return this.writeTlb(index, this.entryToWrite());
    this.invalidateEntry(index);
    this.cpu.tlbWritten();
    return this.refetch();
  }

  tlbwr(): Continuation {
    if (this.denied()) return RELOAD;
    const entry = this.entryToWrite();
    return this.writeTlb(this.randomPlace(entry), entry);
  }

  /**
   * Invalidates the entries that belong to the ASID in EntryHi and are not global, wired ones included: those of the
   * VTLB, or with an Index in the FTLB those of that set.
   */
  tlbinv(): Continuation {
    if (this.denied()) return RELOAD;
    const { tlb, asid, cp0 } = this.cpu;
    for (const index of tlb.invalidatedWith(tlb.named(cp0[CP0.Index]!))) {
      const own = !tlb.isGlobal(index) && (tlb.entryHi(index) & ENTRY_HI.ASID) === asid;
      if (own) this.invalidateEntry(index);
    }
    return this.refetch();
  }

  /** Invalidates entries as {@link tlbinv} does, whatever their ASID. */
  tlbinvf(): Continuation {
    if (this.denied()) return RELOAD;
    const { tlb, cp0 } = this.cpu;
    for (const index of tlb.invalidatedWith(tlb.named(cp0[CP0.Index]!))) this.invalidateEntry(index);
    return this.refetch();
  }

  private invalidateEntry(index: number): void {
    const { tlb } = this.cpu;
    if (!tlb.isUsed(index)) return;
    this.dropTranslations(index);
    tlb.invalidate(index);
  }

  /** What TLBWI and TLBWR write. */
  private entryToWrite(): TlbEntry {
    const { cp0, cp0High } = this.cpu;
    return {
      entryHi: cp0[CP0.EntryHi]!,
      pageMask: cp0[CP0.PageMask]!,
      entryLo0: cp0[CP0.EntryLo0]!,
      entryLo1: cp0[CP0.EntryLo1]!,
      high0: cp0High[CP0.EntryLo0]!,
      high1: cp0High[CP0.EntryLo1]!,
    };
  }

  private randomPlace(entry: TlbEntry): number {
    const { tlb, cp0, retiredSinceWired } = this.cpu;
    return tlb.randomPlace(entry, cp0[CP0.Wired]! >>> 0, retiredSinceWired);
  }

  /** A machine check tells of an entry that another one conflicts with, or that has no place in its set of the FTLB. */
  private writeTlb(index: number, entry: TlbEntry): Continuation {
    const { cpu } = this;
    const { cp0, tlb } = cpu;
    const isTaken = tlb.takes(index, entry.entryHi, legalPageMask(entry.pageMask));
    if (!isTaken || (cpu.model.tlbMachineCheck && tlb.conflicts(index, entry))) {
      cp0[CP0.Status] = cp0[CP0.Status]! | STATUS.TS;
      cpu.raise(EXC_CODE.MCheck);
      return RELOAD;
    }
    this.replaceEntry(index, entry);
    return this.refetch();
  }

  private replaceEntry(index: number, entry: TlbEntry): void {
    const { cpu } = this;
    if (cpu.tlb.isUsed(index)) this.dropTranslations(index);
    cpu.tlb.write(index, entry);
    cpu.tlbWritten();
    // What no entry mapped before, nobody has kept anything of.
    if (!cpu.model.tlbMachineCheck) this.dropTranslations(index);
  }

  /**
   * Writes `entry` into a random place, for the hardware page walker. False if it would match what another entry
   * matches already: then the refill handler is to meet the machine check.
   */
  fillTlb(entry: TlbEntry): boolean {
    const index = this.placeToFill(entry);
    if (index >= 0) this.replaceEntry(index, entry);
    return index >= 0;
  }

  /** The place that {@link fillTlb} would write `entry` to now, or -1. */
  placeToFill(entry: TlbEntry): number {
    const { tlb, pc, asid, cp0 } = this.cpu;
    let index = this.randomPlace(entry);
    // Not the entry that maps the instruction: whether it is fetched again meanwhile would show.
    if (index === tlb.probe(pc, asid)) index = tlb.alternative(index, cp0[CP0.Wired]!);
    return tlb.conflicts(index, entry) ? -1 : index;
  }

  /** Has the engine forget what entry `index` maps. */
  private dropTranslations(index: number): void {
    const { tlb, translations } = this.cpu;
    const entryHi = tlb.entryHi(index);
    const bytes = tlb.halfSize(index) * 2;
    const va = (entryHi & ENTRY_HI.VPN2 & ~(bytes - 1)) >>> 0;
    translations.invalidate(va, bytes, tlb.isGlobal(index) ? -1 : entryHi & ENTRY_HI.ASID);
  }

  // --- control ---

  eret(): Continuation {
    if (this.denied()) return RELOAD;
    this.cpu.eret(false);
    return RELOAD;
  }

  eretnc(): Continuation {
    if (this.denied()) return RELOAD;
    this.cpu.eret(true);
    return RELOAD;
  }

  /** DERET outside debug mode is reserved; there is no EJTAG. */
  deret(): Continuation {
    if (this.denied()) return RELOAD;
    this.cpu.raise(EXC_CODE.RI);
    return RELOAD;
  }

  wait(): Continuation {
    if (this.denied()) return RELOAD;
    this.cpu.requestExit(EXIT.wait);
    return this.refetch();
  }

  sdbbp(code: number): Continuation {
    const { cpu } = this;
    if (!cpu.hostCalls || !cpu.isKernel) {
      cpu.raise(EXC_CODE.RI);
      return RELOAD;
    }
    cpu.hostCallCode = code;
    cpu.requestExit(EXIT.hostCall);
    return this.refetch();
  }

  /** An instruction of a coprocessor that does not have it: CpU if the coprocessor is unusable, else RI. */
  coprocessorUnusable(coprocessor: number): Continuation {
    const { cp0Usable, fpuUsable } = this.cpu;
    const usable = (coprocessor === 0 && cp0Usable) || (coprocessor === 1 && fpuUsable);
    this.cpu.raise(usable ? EXC_CODE.RI : EXC_CODE.CpU, usable ? 0 : coprocessor);
    return RELOAD;
  }

  // --- caches, ordering, hardware registers ---

  /**
   * CACHE. The machine's caches are always coherent, so nothing moves; hit operations still translate their
   * address and may raise (PRA, CACHE instruction). `op` is the 5-bit operation.
   */
  cache(op: number, va: number, mode: Mode = this.cpu.mode): Continuation {
    if (this.denied()) return RELOAD;
    const operation = op >>> 2;
    if (operation === 1) {
      // Index Load Tag: every line reads as invalid.
      this.cpu.cp0[(op & 1) === 0 ? CP0.ITagLo : CP0.DTagLo] = 0;
      return NEXT;
    }
    if (operation < 4) return NEXT;
    return this.mmu.translate(va, ACCESS.load, 1, mode) < 0 ? RELOAD : NEXT;
  }

  /** CACHEE: CACHE on an address as user mode sees it. */
  cachee(op: number, va: number): Continuation {
    return this.cache(op, va, MODE.user);
  }

  /** PREFE: nothing but the right to it; a prefetch never raises for its address. */
  prefe(): Continuation {
    return this.denied() ? RELOAD : NEXT;
  }

  synci(va: number): Continuation {
    return this.mmu.translate(va, ACCESS.load, 1) < 0 ? RELOAD : NEXT;
  }

  rdhwr(number: number): Continuation {
    const { cpu } = this;
    const enabled = cpu.cp0Usable || ((cpu.cp0[CP0.HWREna]! >>> number) & 1) !== 0;
    const value = enabled ? this.hardwareRegister(number) : null;
    if (value !== null) return this.result(value);
    cpu.raise(EXC_CODE.RI);
    return RELOAD;
  }

  private hardwareRegister(number: number): number | null {
    const { cpu } = this;
    switch (1 << number) {
      case HWRENA.CPUNum:
        return cpu.cp0[CP0.EBase]! & EBASE.CPUNUM;
      case HWRENA.SYNCI_Step:
        return cpu.model.cacheLine;
      case HWRENA.CC:
        return cpu.clock.count() | 0;
      case HWRENA.CCRes:
        return cpu.model.ccres;
      case HWRENA.ULR:
        return cpu.model.userLocal ? cpu.cp0[CP0.UserLocal]! : null;
      default:
        return null;
    }
  }

  // --- LL and SC: always here, never on the fast path ---

  /** Physical RAM offset of the word that LL or SC addresses, -1 after a fault, -2 for a device. */
  linkAddress(va: number, store: boolean, mode: Mode = this.cpu.mode): number {
    const pa = this.mmu.translate(va, store ? ACCESS.store : ACCESS.load, 4, mode);
    if (pa < 0) return -1;
    const offset = this.mmu.ramOffset(pa);
    if (!store && offset >= 0) this.cpu.link(pa);
    return offset < 0 ? -2 : offset;
  }
}
