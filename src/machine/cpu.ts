import { CAUSE, CONFIG, CP0, EBASE, FTLB, STATUS } from "../isa/cp0.ts";
import { EXC_CODE, VECTOR_OFFSET, type ExcCode } from "../isa/exceptions.ts";
import { levelIncludes } from "../isa/row.ts";
import type { CpuClock, TranslationCache } from "./cpu-contracts.ts";
import type { CpuModel } from "./cpu-models.ts";
import type { CpuSnapshot } from "./cpu-snapshot.ts";
import { CpuState } from "./cpu-state.ts";
import { cp0Table, type Cp0Spec } from "./cp0-table.ts";
import { endsInstruction, recordsInstruction } from "./exception-kinds.ts";
import { Fpu } from "./fpu/fpu.ts";
import type { Memory } from "./memory.ts";
import { MODE, type Mode } from "./modes.ts";
import type { RefillLog } from "./refill-log.ts";
import { SegmentMap } from "./segments.ts";
import { CPU_STRIDE, SEGMENT_ROUTES, STATE } from "./state-layout.ts";
import { setTlbExceptionRegisters, Tlb } from "./tlb.ts";

const NO_CACHE: TranslationCache = {
  contextChanged() {},
  invalidate() {},
  invalidateAll() {},
  protectPage() {},
};
const NO_CLOCK: CpuClock = { count: () => 0, setCount() {}, rearm() {}, modeChanged() {} };

/**
 * A host CPU: its registers ({@link CpuState}), TLB, modes, interrupts and exceptions. It executes nothing by itself.
 * The engine runs instructions on the same state and calls back for what is more than registers and memory.
 */
export class Cpu extends CpuState {
  readonly tlb: Tlb;
  readonly cp0Specs: ReadonlyMap<number, Cp0Spec>;
  /** The same by flat index, with a place for each register that there can be. */
  readonly cp0SpecAt: readonly (Cp0Spec | null)[];
  readonly segments = new SegmentMap();
  /** Coprocessor 1, null if the model has none. */
  readonly fpu: Fpu | null;
  /** WAIT was executed and no interrupt has ended it yet. */
  waiting = false;
  /** Told of each exception taken at the refill vector, if the machine reports them (`MachineConfig.reportRefills`). */
  onRefill: (() => void) | null = null;
  /** Which pages the last refill exceptions were for, if the machine keeps that (`MachineConfig.refillLog`). */
  refillLog: RefillLog | null = null;
  translations: TranslationCache = NO_CACHE;
  clock: CpuClock = NO_CLOCK;
  /** SDBBP in kernel mode leaves the machine instead of raising an exception. */
  hostCalls = false;
  /**
   * ERET leaves LLbit alone, as ERETNC of later releases does. A hypervisor's host is like that: which of its
   * returns stand for an ERET of the guest only the hypervisor knows, and it clears LLbit for those. Otherwise
   * a TLB refill between a guest's LL and SC would make the SC fail.
   */
  get eretKeepsLink(): boolean {
    return this.get(STATE.eretKeepsLink) !== 0;
  }
  set eretKeepsLink(keeps: boolean) {
    this.set(STATE.eretKeepsLink, keeps ? 1 : 0);
  }
  /**
   * An exception counts as an instruction, interrupts apart. So time passes whatever a program does: a vector
   * that raises the same exception again would otherwise never use up its slice. Not so on a hypervisor's host,
   * where refills and exits take no guest time; there only an instruction that an exception ends counts, with
   * the branch before it.
   */
  exceptionsTakeTime = false;
  /** Code of the SDBBP that left the machine. */
  hostCallCode = 0;
  /** Hardware interrupt lines into IP7..IP2 (bit n for IPn), the timer's own left out. */
  private lines = 0;

  /** A CPU in its reset state: number 0 executes, the others are parked. */
  constructor(model: CpuModel, memory: Memory, number = 0) {
    super(model, memory, number);
    this.hasUserAccess = levelIncludes(model.isa, "mips32r5");
    this.tlb = new Tlb(memory.i32, model, number);
    this.cp0Specs = cp0Table(model, memory.endian);
    this.cp0SpecAt = Array.from(this.cp0, (_, index) => this.cp0Specs.get(index) ?? null);
    this.fpu = model.fpu === null ? null : new Fpu(model.fpu, this);
    this.publishSegments();
    this.reset();
  }

  /** Puts CP0 and PC into their reset state. General registers and the TLB keep their contents. */
  reset(): void {
    this.cp0.fill(0);
    this.cp0High.fill(0);
    for (const [index, spec] of this.cp0Specs) this.cp0[index] = spec.reset;
    this.cp0[CP0.EBase]! |= this.number;
    this.ftlbChanged();
    this.segmentsChanged();
    this.fpu?.reset();
    this.lines = 0;
    this.waiting = false;
    this.setPc(0xbfc0_0000);
    this.set(STATE.llBit, 0);
    this.set(STATE.exitReason, 0);
    this.modeMayHaveChanged();
  }

  // --- snapshots ---

  /** All that the CPU is but its TLB. Not to be called while it executes. */
  snapshot(): CpuSnapshot {
    const { userInstructions, lines, waiting } = this;
    return { registers: this.registers(), userInstructions, lines, waiting };
  }

  /** Takes over a snapshot, outside any slice. What the engine keeps of translations is dropped. */
  restore({ registers, userInstructions, lines, waiting }: CpuSnapshot): void {
    this.refillLog?.moved(this.refills, registers.refills);
    this.restoreRegisters(registers);
    this.lines = lines;
    this.waiting = waiting;
    this.ftlbChanged();
    this.segmentsChanged();
    this.translations.invalidateAll();
    this.modeMayHaveChanged();
    const elsewhere = this.isKernel ? userInstructions : registers.instructions - userInstructions;
    this.set64(STATE.retiredElsewhere, elsewhere);
  }

  // --- modes ---

  /** Operating mode, as of the last {@link modeMayHaveChanged}. */
  get mode(): Mode {
    return this.get(STATE.mode) as Mode;
  }

  private computeMode(): Mode {
    const status = this.cp0[CP0.Status]!;
    if ((status & STATUS.ERL) !== 0) return MODE.error;
    if ((status & STATUS.EXL) !== 0) return MODE.kernel;
    if ((status & STATUS.KSU) === STATUS.UM) return MODE.user;
    return (status & STATUS.KSU) === STATUS.SM ? MODE.supervisor : MODE.kernel;
  }

  /** To be called after Status or EntryHi.ASID changed: tells the engine and the clock. */
  modeMayHaveChanged(): void {
    const mode = this.computeMode();
    const wasKernel = this.isKernel;
    this.set(STATE.mode, mode);
    const usable = this.cp0Usable;
    this.set(STATE.cp0Usable, usable ? 1 : 0);
    this.set(STATE.fpuUsable, this.fpuUsable ? 1 : 0);
    this.asidChanged();
    if (this.isKernel !== wasKernel) this.clock.modeChanged();
  }

  /** The same where only EntryHi.ASID changed: tells the engine. */
  asidChanged(): void {
    this.translations.contextChanged(
      this.mode,
      this.asid,
      this.hasUserAccess && this.get(STATE.cp0Usable) !== 0,
    );
  }

  /** Instructions retired in user mode: only of a CPU whose `modeChanged` calls {@link retireElsewhere} each time. */
  get userInstructions(): number {
    const elsewhere = this.get64(STATE.retiredElsewhere);
    return this.isKernel ? elsewhere : this.instructions - elsewhere;
  }
  /** Kernel mode was entered or left: those counted elsewhere are now those of the other kind. */
  retireElsewhere(): void {
    this.set64(STATE.retiredElsewhere, this.instructions - this.get64(STATE.retiredElsewhere));
  }

  /** Whether the CPU has the user-access instructions of EVA. */
  readonly hasUserAccess: boolean;

  /** To be called after a SegCtl register changed. */
  segmentsChanged(): void {
    if (!this.model.segmentControl) return;
    const { cp0 } = this;
    this.segments.set([cp0[CP0.SegCtl0]!, cp0[CP0.SegCtl1]!, cp0[CP0.SegCtl2]!]);
    this.publishSegments();
    this.translations.invalidateAll();
  }

  /** To be called after Config4 or Config6 changed: whether there is an FTLB, and which pages it is for. */
  ftlbChanged(): void {
    if (this.model.ftlb === null) return;
    const { cp0 } = this;
    const enabled = (cp0[CP0.Config6]! & FTLB.C6_EN) !== 0;
    const pages = (cp0[CP0.Config4]! & FTLB.C4_PAGE_SIZE) >>> FTLB.C4_PAGE_SIZE_SHIFT;
    cp0[CP0.Config] = (cp0[CP0.Config]! & ~CONFIG.MT) | (enabled ? CONFIG.MT_FTLB : CONFIG.MT_TLB);
    if (this.tlb.setFtlbPages(enabled ? pages : null)) this.translations.invalidateAll();
  }

  private publishSegments(): void {
    this.segments.publish(this.memory.i32, (SEGMENT_ROUTES.base + this.number * CPU_STRIDE) >>> 2);
  }

  get isKernel(): boolean {
    return this.mode === MODE.kernel || this.mode === MODE.error;
  }

  /** True if coprocessor 0 instructions may be executed. */
  get cp0Usable(): boolean {
    return this.isKernel || (this.cp0[CP0.Status]! & STATUS.CU0) !== 0;
  }

  /** True if coprocessor 1 instructions may be executed. */
  get fpuUsable(): boolean {
    return (this.cp0[CP0.Status]! & STATUS.CU1) !== 0;
  }

  // --- interrupts ---

  /** Drives hardware interrupt line IP`n` (2 to 7). */
  setInterruptLine(n: number, level: boolean): void {
    const lines = level ? this.lines | (1 << n) : this.lines & ~(1 << n);
    if (lines === this.lines) return;
    this.lines = lines;
    this.updateInterrupts();
  }

  /** Sets or clears the timer interrupt (Cause.TI and the line that IntCtl.IPTI names). */
  setTimerInterrupt(level: boolean): void {
    const cause = this.cp0[CP0.Cause]!;
    this.cp0[CP0.Cause] = level ? cause | CAUSE.TI : cause & ~CAUSE.TI;
    this.updateInterrupts();
  }

  /** Brings Cause.IP up to date and stops the slice if an interrupt can be taken now. */
  updateInterrupts(): void {
    const cause = this.cp0[CP0.Cause]!;
    const timer = (cause & CAUSE.TI) !== 0 ? 1 << (this.cp0[CP0.IntCtl]! >>> 29) : 0;
    this.cp0[CP0.Cause] = (cause & ~(CAUSE.IP & ~CAUSE.IP01)) | ((this.lines | timer) << 8);
    if (this.interruptDeliverable) this.endSlice();
  }

  /** Enabled interrupts that are pending, as bits of IP (bit 0 is IP0), whatever IE, EXL and ERL say. */
  get pendingInterrupts(): number {
    return ((this.cp0[CP0.Cause]! & this.cp0[CP0.Status]! & CAUSE.IP) >>> 8) & 0xff;
  }

  get interruptDeliverable(): boolean {
    const gate = STATUS.IE | STATUS.EXL | STATUS.ERL;
    return (this.cp0[CP0.Status]! & gate) === STATUS.IE && this.pendingInterrupts !== 0;
  }

  /** Takes the pending interrupt between two instructions. */
  takeInterrupt(): void {
    this.enter(EXC_CODE.Int, 0);
  }

  // --- exceptions ---

  /**
   * The current instruction is not retired: it raised, or it will be executed again. Neither is the branch in
   * whose delay slot it is: EPC names that, and it is executed again. Not so if the exception ends them both.
   */
  private unretire(code: ExcCode): void {
    if (endsInstruction(code)) return;
    const taken = this.exceptionsTakeTime ? 1 : 0;
    this.set(STATE.remaining, this.get(STATE.remaining) + (this.inDelaySlot ? 2 : 1) - taken);
  }

  /**
   * Raises exception `code` at the current instruction. `coprocessor` is Cause.CE.
   * EPC, BD and vector follow the PRA's chapter "Interrupts and Exceptions".
   */
  raise(code: ExcCode, coprocessor = 0): void {
    this.unretire(code);
    this.enter(code, coprocessor);
  }

  /** Address error on `va`. */
  raiseAddressError(va: number, store: boolean): void {
    this.cp0[CP0.BadVAddr] = va;
    this.raise(store ? EXC_CODE.AdES : EXC_CODE.AdEL);
  }

  /** TLB exception on `va`: sets BadVAddr, Context and EntryHi. `refill` selects the refill vector. */
  raiseTlb(code: ExcCode, va: number, refill: boolean): void {
    setTlbExceptionRegisters(this.cp0, va);
    this.unretire(code);
    this.enter(code, 0, refill);
  }

  private enter(code: ExcCode, coprocessor: number, refill = false): void {
    const cp0 = this.cp0;
    const status = cp0[CP0.Status]!;
    let cause = cp0[CP0.Cause]! & ~(CAUSE.ExcCode | CAUSE.CE);
    cause |= (code << 2) | (coprocessor << CAUSE.CE_SHIFT);
    let offset: number = VECTOR_OFFSET.general;
    if ((status & STATUS.EXL) === 0) {
      if (this.model.badInstr && recordsInstruction(code)) this.recordBadInstr();
      if (this.inDelaySlot) {
        cp0[CP0.EPC] = this.pc - 4;
        cause |= CAUSE.BD;
      } else {
        cp0[CP0.EPC] = this.pc;
        cause &= ~CAUSE.BD;
      }
      if (refill) {
        offset = VECTOR_OFFSET.refill;
        this.refillLog?.note(this.refills, cp0[CP0.BadVAddr]!, this.asid);
        this.set64(STATE.refills, this.refills + 1);
      } else if (code === EXC_CODE.Int && (cause & CAUSE.IV) !== 0) offset = this.interruptVector();
    }
    cp0[CP0.Cause] = cause;
    cp0[CP0.Status] = status | STATUS.EXL;
    const base = (status & STATUS.BEV) !== 0 ? 0xbfc0_0200 : (cp0[CP0.EBase]! & EBASE.BASE) >>> 0;
    this.setPc(base + offset);
    this.modeMayHaveChanged();
    if (offset === VECTOR_OFFSET.refill) this.onRefill?.();
  }

  /** Reads the instruction word at a virtual address as the CPU would fetch it now; 0 if it cannot. */
  peekInstruction: (va: number) => number = () => 0;

  /**
   * BadInstr takes the instruction that raised, BadInstrP the branch before it if it is in a delay slot. They stay
   * what they are where EPC does, as in QEMU: a handler that was itself interrupted finds what EPC is about.
   */
  private recordBadInstr(): void {
    this.cp0[CP0.BadInstr] = this.peekInstruction(this.pc);
    if (this.inDelaySlot) this.cp0[CP0.BadInstrP] = this.peekInstruction(this.pc - 4);
  }

  /** Offset of the interrupt vector with Cause.IV = 1: one for all, or one each with IntCtl.VS (VI mode). */
  private interruptVector(): number {
    const spacing = this.cp0[CP0.IntCtl]! & 0x3e0;
    if (spacing === 0 || (this.cp0[CP0.Status]! & STATUS.BEV) !== 0) return VECTOR_OFFSET.interrupt;
    return VECTOR_OFFSET.interrupt + (31 - Math.clz32(this.pendingInterrupts)) * spacing;
  }

  /**
   * ERET, or ERETNC: returns from the exception. ERET clears LLbit (see `eretKeepsLink`). The caller has checked
   * that CP0 is usable.
   */
  eret(keepLink: boolean): void {
    const cp0 = this.cp0;
    const status = cp0[CP0.Status]!;
    if ((status & STATUS.ERL) !== 0) {
      cp0[CP0.Status] = status & ~STATUS.ERL;
      this.setPc(cp0[CP0.ErrorEPC]!);
    } else {
      cp0[CP0.Status] = status & ~STATUS.EXL;
      this.setPc(cp0[CP0.EPC]!);
    }
    if (!keepLink && !this.eretKeepsLink) this.clearLlBit();
    this.modeMayHaveChanged();
    if (this.interruptDeliverable) this.endSlice();
  }
}
