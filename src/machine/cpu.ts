import { CAUSE, CP0, EBASE, ENTRY_HI, LL_ADDR_SHIFT, STATUS } from "../isa/cp0.ts";
import { EXC_CODE, VECTOR_OFFSET, type ExcCode } from "../isa/exceptions.ts";
import { levelIncludes } from "../isa/row.ts";
import type { CpuModel } from "./cpu-models.ts";
import { cp0Table, type Cp0Spec } from "./cp0-table.ts";
import { Fpu } from "./fpu/fpu.ts";
import type { Memory } from "./memory.ts";
import { MODE, type Mode } from "./modes.ts";
import { SegmentMap } from "./segments.ts";
import { CP0_BYTES, CPU_STRIDE, SEGMENT_ROUTES, STATE, STATE_BLOCK } from "./state-layout.ts";
import { setTlbExceptionRegisters, Tlb } from "./tlb.ts";

/** What the engine caches of translations; the CPU tells it what became stale. */
export interface TranslationCache {
  /**
   * The mode or the ASID changed. `userAccess` says whether user-access instructions (EVA) may be executed: the
   * CPU has them and coprocessor 0 is usable.
   */
  contextChanged(mode: Mode, asid: number, userAccess: boolean): void;
  /** Translations of `bytes` bytes from `va` are stale in `asid`, or in every ASID if `asid` is -1. */
  invalidate(va: number, bytes: number, asid: number): void;
  /** Every translation is stale. */
  invalidateAll(): void;
  /** The engine must not store by itself to the page of RAM at memory offset `pageOffset` any more. */
  protectPage(pageOffset: number): void;
}

/** The time as the CPU sees and uses it. */
export interface CpuClock {
  /** Value of CP0 Count. */
  count(): number;
  setCount(value: number): void;
  /** Compare or what Count depends on was written: work out anew when they will be equal. */
  rearm(): void;
  /** The mode changed: time may start or stop (a guest's time passes only while the guest runs). */
  modeChanged(): void;
}

/** Why the engine came back. */
export const EXIT = {
  /** The budget is used up, or something asked for a look at pending interrupts. */
  budget: 0,
  /** WAIT was executed. */
  wait: 1,
  /** SDBBP was executed in kernel mode on a machine that serves it: a call out to the embedder. */
  hostCall: 2,
} as const;

/** Exceptions by an instruction itself, which BadInstr records (MIPS32 PRA release 5, BadInstr register). */
export const BAD_INSTR_CODES: ReadonlySet<number> = new Set<ExcCode>([
  EXC_CODE.Mod,
  EXC_CODE.TLBL,
  EXC_CODE.TLBS,
  EXC_CODE.AdEL,
  EXC_CODE.AdES,
  EXC_CODE.Sys,
  EXC_CODE.Bp,
  EXC_CODE.RI,
  EXC_CODE.CpU,
  EXC_CODE.Ov,
  EXC_CODE.Tr,
  EXC_CODE.FPE,
  EXC_CODE.TLBRI,
  EXC_CODE.TLBXI,
]);

/**
 * Exceptions that end the instruction which raised them: whoever handles one does what the instruction asks for,
 * or something else in its place, and does not execute it again.
 */
const ENDS_INSTRUCTION: ReadonlySet<number> = new Set([
  EXC_CODE.Sys,
  EXC_CODE.Bp,
  EXC_CODE.RI,
  EXC_CODE.CpU,
  EXC_CODE.Ov,
  EXC_CODE.Tr,
  EXC_CODE.FPE,
]);

/** True if the instruction that raised exception `code` is over with it, and was counted as retired. */
export function endsInstruction(code: number): boolean {
  return ENDS_INSTRUCTION.has(code);
}

const NO_CACHE: TranslationCache = {
  contextChanged() {},
  invalidate() {},
  invalidateAll() {},
  protectPage() {},
};
const NO_CLOCK: CpuClock = { count: () => 0, setCount() {}, rearm() {}, modeChanged() {} };

/** The registers in a state block, as they are seen from TypeScript. */
interface Registers {
  /** The block itself, as words: index by {@link STATE} offset / 4. */
  readonly state: Int32Array;
  readonly gpr: Int32Array;
  readonly cp0: Int32Array;
  readonly cp0High: Int32Array;
}

/** The registers in the state block at memory offset `block`. */
function registersAt(memory: Memory, block: number): Registers {
  const { buffer } = memory.wasm;
  const shift = block - STATE_BLOCK.executing;
  return {
    state: new Int32Array(buffer, shift, (STATE_BLOCK.executing + STATE_BLOCK.bytes) / 4),
    gpr: new Int32Array(buffer, shift + STATE.gpr, 32),
    cp0: new Int32Array(buffer, shift + STATE.cp0, CP0_BYTES / 4),
    cp0High: new Int32Array(buffer, shift + STATE.cp0High, CP0_BYTES / 4),
  };
}

/**
 * A host CPU: registers, CP0, TLB and exceptions. It executes nothing by itself. The engine runs
 * instructions on the same state and calls back for what is more than registers and memory. Of several CPUs one
 * executes; the registers of the others are elsewhere meanwhile ({@link park}), and can be reached all the same.
 */
export class Cpu {
  /** 0 for the first; EBase.CPUNum. */
  readonly number: number;
  readonly model: CpuModel;
  readonly memory: Memory;
  readonly tlb: Tlb;
  /** This CPU's state block, as words: index by {@link STATE} offset / 4. */
  state: Int32Array;
  /** General registers, signed; `$zero` is index 0 and always 0. */
  gpr: Int32Array;
  /** CP0 registers by flat index, as raw 32-bit patterns. Write through `writeCp0` unless you own the field. */
  cp0: Int32Array;
  /** Upper halves of the CP0 registers that have one, by the same index. */
  cp0High: Int32Array;
  readonly cp0Specs: ReadonlyMap<number, Cp0Spec>;
  readonly segments = new SegmentMap();
  /** Coprocessor 1, null if the model has none. */
  readonly fpu: Fpu | null;
  /** WAIT was executed and no interrupt has ended it yet. */
  waiting = false;
  /** Instructions retired when Wired was written last, which sets Random to the last entry. */
  private randomStart = 0;
  /** Physical address of the last LL. */
  linkedAddress = 0;
  private readonly executing: Registers;
  private readonly parked: Registers;
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
  /** Instructions retired before the current slice, and the length of that slice. */
  private retiredBefore = 0;
  private sliceLength = 0;

  /** A CPU in its reset state: number 0 executes, the others are parked. */
  constructor(model: CpuModel, memory: Memory, number = 0) {
    this.number = number;
    this.model = model;
    this.memory = memory;
    this.hasUserAccess = levelIncludes(model.isa, "mips32r5");
    this.tlb = new Tlb(memory.i32, model.tlbEntries, number);
    this.executing = registersAt(memory, STATE_BLOCK.executing);
    this.parked = registersAt(memory, STATE_BLOCK.parked + number * CPU_STRIDE);
    const registers = number === 0 ? this.executing : this.parked;
    this.state = registers.state;
    this.gpr = registers.gpr;
    this.cp0 = registers.cp0;
    this.cp0High = registers.cp0High;
    this.cp0Specs = cp0Table(model, memory.endian);
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
    this.segmentsChanged();
    this.fpu?.reset();
    this.lines = 0;
    this.waiting = false;
    this.setPc(0xbfc0_0000);
    this.set(STATE.llBit, 0);
    this.set(STATE.exitReason, 0);
    this.modeMayHaveChanged();
  }

  // --- which of several CPUs executes ---

  /** Makes room for another CPU's state block. */
  park(): void {
    this.move(this.executing, this.parked);
  }

  /** Takes the place of the CPU that executes, which was parked before. */
  unpark(): void {
    this.move(this.parked, this.executing);
  }

  private move(from: Registers, to: Registers): void {
    const first = STATE_BLOCK.executing >>> 2;
    to.state.set(from.state.subarray(first), first);
    this.state = to.state;
    this.gpr = to.gpr;
    this.cp0 = to.cp0;
    this.cp0High = to.cp0High;
  }

  private get(offset: number): number {
    return this.state[offset >>> 2]!;
  }
  private set(offset: number, value: number): void {
    this.state[offset >>> 2] = value;
  }

  /** Address of the next instruction, unsigned. */
  get pc(): number {
    return this.get(STATE.pc) >>> 0;
  }
  get inDelaySlot(): boolean {
    return this.get(STATE.inDelaySlot) !== 0;
  }
  get hi(): number {
    return this.get(STATE.hi);
  }
  set hi(value: number) {
    this.set(STATE.hi, value);
  }
  get lo(): number {
    return this.get(STATE.lo);
  }
  set lo(value: number) {
    this.set(STATE.lo, value);
  }
  get llBit(): boolean {
    return this.get(STATE.llBit) !== 0;
  }
  clearLlBit(): void {
    this.set(STATE.llBit, 0);
  }
  /** LL at physical address `pa`. */
  link(pa: number): void {
    this.set(STATE.llBit, 1);
    this.linkedAddress = pa;
    // PA[35:5], what is above in the upper half. LLbit takes bit 0 where it is shown.
    this.cp0[CP0.LLAddr] = Math.floor(pa / 2 ** LL_ADDR_SHIFT) * (this.model.llb ? 2 : 1);
    if (this.model.xpa) this.cp0High[CP0.LLAddr] = Math.floor(pa / 2 ** 36);
  }

  /** Continues at `pc`, outside any delay slot. */
  setPc(pc: number): void {
    this.set(STATE.pc, pc);
    this.set(STATE.inDelaySlot, 0);
  }

  /** Continues behind the current instruction: the next word, or the branch target after a delay slot. */
  advance(): void {
    this.setPc(this.inDelaySlot ? this.get(STATE.branchTarget) : this.get(STATE.pc) + 4);
  }

  get asid(): number {
    return this.cp0[CP0.EntryHi]! & ENTRY_HI.ASID;
  }

  // --- retired instructions ---

  /** The 64-bit number at `offset` of the state block. */
  private get64(offset: number): number {
    return (this.get(offset) >>> 0) + this.get(offset + 4) * 2 ** 32;
  }
  private set64(offset: number, value: number): void {
    this.set(offset, value);
    this.set(offset + 4, Math.floor(value / 2 ** 32));
  }

  /** Instructions retired since reset, this moment. */
  get instructions(): number {
    return this.retiredBefore + this.sliceLength - this.get(STATE.remaining);
  }
  /** Instructions retired in the current slice. */
  get retiredInSlice(): number {
    return this.sliceLength - this.get(STATE.remaining);
  }
  /** Starts a slice: the engine will execute at most `length` instructions before it comes back. */
  openSlice(length: number): void {
    this.retiredBefore = this.instructions;
    this.sliceLength = length;
    this.set(STATE.remaining, length);
    this.sliceEndMoved();
  }
  private sliceEndMoved(): void {
    this.set64(STATE.sliceEnd, this.retiredBefore + this.sliceLength - this.randomStart);
  }
  /** Instructions retired since Wired was written last: what Random depends on. */
  get retiredSinceWired(): number {
    return this.instructions - this.randomStart;
  }
  /** Wired was written. */
  restartRandom(): void {
    this.randomStart = this.instructions;
    this.sliceEndMoved();
  }
  /** Makes the engine come back before the next instruction. */
  endSlice(): void {
    this.sliceLength -= this.get(STATE.remaining);
    this.set(STATE.remaining, 0);
    this.sliceEndMoved();
  }
  /** Ends the slice after at most `length` more instructions. */
  shortenSlice(length: number): void {
    const surplus = this.get(STATE.remaining) - length;
    if (surplus <= 0) return;
    this.sliceLength -= surplus;
    this.set(STATE.remaining, length);
    this.sliceEndMoved();
  }
  /**
   * The current instruction is not retired: it raised, or it will be executed again. Neither is the branch in
   * whose delay slot it is: EPC names that, and it is executed again. See `exceptionsTakeTime`.
   */
  private unretire(code: ExcCode): void {
    if (!this.exceptionsTakeTime && endsInstruction(code)) return;
    const taken = this.exceptionsTakeTime ? 1 : 0;
    this.set(STATE.remaining, this.get(STATE.remaining) + (this.inDelaySlot ? 2 : 1) - taken);
  }
  /** Makes the engine return `reason` before it executes another instruction. */
  requestExit(reason: number): void {
    this.set(STATE.exitReason, reason);
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
    const changed = mode !== this.mode;
    this.set(STATE.mode, mode);
    const usable = this.cp0Usable;
    this.set(STATE.cp0Usable, usable ? 1 : 0);
    this.set(STATE.fpuUsable, this.fpuUsable ? 1 : 0);
    this.translations.contextChanged(mode, this.asid, this.hasUserAccess && usable);
    if (changed) this.clock.modeChanged();
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
    this.lines = level ? this.lines | (1 << n) : this.lines & ~(1 << n);
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

  /** Exceptions taken at the refill vector since reset. */
  get refills(): number {
    return this.get64(STATE.refills);
  }
  /** TLB entries written since reset. */
  get tlbWrites(): number {
    return this.get64(STATE.tlbWrites);
  }
  /** A TLB entry was written. */
  tlbWritten(): void {
    this.set64(STATE.tlbWrites, this.tlbWrites + 1);
  }

  private enter(code: ExcCode, coprocessor: number, refill = false): void {
    const cp0 = this.cp0;
    const status = cp0[CP0.Status]!;
    let cause = cp0[CP0.Cause]! & ~(CAUSE.ExcCode | CAUSE.CE);
    cause |= (code << 2) | (coprocessor << CAUSE.CE_SHIFT);
    let offset: number = VECTOR_OFFSET.general;
    if ((status & STATUS.EXL) === 0) {
      if (this.model.badInstr && BAD_INSTR_CODES.has(code)) this.recordBadInstr();
      if (this.inDelaySlot) {
        cp0[CP0.EPC] = this.pc - 4;
        cause |= CAUSE.BD;
      } else {
        cp0[CP0.EPC] = this.pc;
        cause &= ~CAUSE.BD;
      }
      if (refill) {
        offset = VECTOR_OFFSET.refill;
        this.set64(STATE.refills, this.refills + 1);
      } else if (code === EXC_CODE.Int && (cause & CAUSE.IV) !== 0) offset = this.interruptVector();
    }
    cp0[CP0.Cause] = cause;
    cp0[CP0.Status] = status | STATUS.EXL;
    const base = (status & STATUS.BEV) !== 0 ? 0xbfc0_0200 : (cp0[CP0.EBase]! & EBASE.BASE) >>> 0;
    this.setPc(base + offset);
    this.modeMayHaveChanged();
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
