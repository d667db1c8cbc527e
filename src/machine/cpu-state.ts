import { CP0, ENTRY_HI, LL_ADDR_SHIFT } from "../isa/cp0.ts";
import type { CpuModel } from "./cpu-models.ts";
import type { RegistersSnapshot } from "./cpu-snapshot.ts";
import type { Memory } from "./memory.ts";
import { CP0_BYTES, CPU_STRIDE, STATE, STATE_BLOCK } from "./state-layout.ts";

/** What the upper word of 64 bits counts in. A power that is written out is worked out each time by V8. */
const TWO_TO_32 = 0x1_0000_0000;
/** Bytes that the bits of LLAddr count, and those of its upper half. */
const LL_UNIT = 1 << LL_ADDR_SHIFT;
const LL_HIGH_UNIT = 0x10_0000_0000;

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
 * The registers of a host CPU, and the count of its instructions: what engine and TypeScript share in a state block.
 * Of several CPUs one executes; the registers of the others are elsewhere meanwhile ({@link park}), and can be reached
 * all the same. What changes more than a register is {@link Cpu}'s.
 */
export abstract class CpuState {
  /** 0 for the first; EBase.CPUNum. */
  readonly number: number;
  readonly model: CpuModel;
  readonly memory: Memory;
  /** This CPU's state block, as words: index by {@link STATE} offset / 4. */
  state: Int32Array;
  /** General registers, signed; `$zero` is index 0 and always 0. */
  gpr: Int32Array;
  /** CP0 registers by flat index, as raw 32-bit patterns. Write through `writeCp0` unless you own the field. */
  cp0: Int32Array;
  /** Upper halves of the CP0 registers that have one, by the same index. */
  cp0High: Int32Array;
  private readonly executing: Registers;
  private readonly parked: Registers;

  constructor(model: CpuModel, memory: Memory, number: number) {
    this.number = number;
    this.model = model;
    this.memory = memory;
    this.executing = registersAt(memory, STATE_BLOCK.executing);
    this.parked = registersAt(memory, STATE_BLOCK.parked + number * CPU_STRIDE);
    const registers = number === 0 ? this.executing : this.parked;
    this.state = registers.state;
    this.gpr = registers.gpr;
    this.cp0 = registers.cp0;
    this.cp0High = registers.cp0High;
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

  protected get(offset: number): number {
    return this.state[offset >>> 2]!;
  }
  protected set(offset: number, value: number): void {
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
  /** Physical address of the last LL. */
  get linkedAddress(): number {
    return this.get64(STATE.linkedAddress);
  }
  /** LL at physical address `pa`. */
  link(pa: number): void {
    this.set(STATE.llBit, 1);
    this.set64(STATE.linkedAddress, pa);
    // PA[35:5], what is above in the upper half. LLbit takes bit 0 where it is shown.
    this.cp0[CP0.LLAddr] = Math.floor(pa / LL_UNIT) * (this.model.llb ? 2 : 1);
    if (this.model.xpa) this.cp0High[CP0.LLAddr] = Math.floor(pa / LL_HIGH_UNIT);
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
  protected get64(offset: number): number {
    return (this.get(offset) >>> 0) + this.get(offset + 4) * TWO_TO_32;
  }
  protected set64(offset: number, value: number): void {
    this.set(offset, value);
    this.set(offset + 4, Math.floor(value / TWO_TO_32));
  }

  /** Instructions retired since reset, this moment. */
  get instructions(): number {
    return this.get64(STATE.sliceEnd) - this.get(STATE.remaining);
  }
  /** Starts a slice: the engine will execute at most `length` instructions before it comes back. */
  openSlice(length: number): void {
    this.set64(STATE.sliceEnd, this.instructions + length);
    this.set(STATE.remaining, length);
  }
  /** Instructions retired since Wired was written last: what Random depends on. */
  get retiredSinceWired(): number {
    return this.instructions - this.get64(STATE.randomStart);
  }
  /** Wired was written. */
  restartRandom(): void {
    this.set64(STATE.randomStart, this.instructions);
  }
  /** Makes the engine come back before the next instruction. */
  endSlice(): void {
    this.openSlice(0);
  }
  /** Ends the slice after at most `length` more instructions. */
  shortenSlice(length: number): void {
    if (length < this.get(STATE.remaining)) this.openSlice(length);
  }
  /** What user mode may execute when it is entered, by the quick forms of the engine. */
  get guestRemaining(): number {
    return this.get(STATE.guestRemaining);
  }
  set guestRemaining(length: number) {
    this.set(STATE.guestRemaining, length);
  }
  /** What other modes may execute when they are entered from user mode, by the same. */
  set hostSlice(length: number) {
    this.set(STATE.hostSlice, length);
  }
  /** Makes the engine return `reason` before it executes another instruction. */
  requestExit(reason: number): void {
    this.set(STATE.exitReason, reason);
  }
  /** Makes the engine return `reason` in front of the current instruction, of which nothing has happened yet. */
  exitBefore(reason: number): void {
    this.set(STATE.remaining, this.get(STATE.remaining) + 1);
    this.requestExit(reason);
  }

  // --- snapshots ---

  /** Registers and counts. Not to be called while the CPU executes. */
  protected registers(): RegistersSnapshot {
    return {
      gpr: this.gpr.slice(),
      hi: this.hi,
      lo: this.lo,
      pc: this.pc,
      branchTarget: this.inDelaySlot ? this.get(STATE.branchTarget) >>> 0 : null,
      cp0: this.cp0.slice(),
      cp0High: this.cp0High.slice(),
      fpu: this.state.slice(STATE.fpr >>> 2, (STATE.fcsr >>> 2) + 1),
      link: this.llBit ? this.linkedAddress : null,
      instructions: this.instructions,
      randomStart: this.get64(STATE.randomStart),
      refills: this.refills,
      tlbWrites: this.tlbWrites,
    };
  }

  /** Takes over what {@link registers} gave. The slice is used up. */
  protected restoreRegisters(saved: RegistersSnapshot): void {
    this.gpr.set(saved.gpr);
    this.gpr[0] = 0;
    this.hi = saved.hi;
    this.lo = saved.lo;
    this.set(STATE.pc, saved.pc);
    this.set(STATE.inDelaySlot, saved.branchTarget === null ? 0 : 1);
    this.set(STATE.branchTarget, saved.branchTarget ?? 0);
    this.cp0.set(saved.cp0);
    this.cp0High.set(saved.cp0High);
    this.state.set(saved.fpu, STATE.fpr >>> 2);
    this.set(STATE.llBit, saved.link === null ? 0 : 1);
    this.set64(STATE.linkedAddress, saved.link ?? 0);
    this.set(STATE.exitReason, 0);
    this.set64(STATE.refills, saved.refills);
    this.set64(STATE.tlbWrites, saved.tlbWrites);
    // Random is a function of the instructions since then.
    this.set64(STATE.randomStart, Math.min(saved.randomStart, saved.instructions));
    this.set64(STATE.sliceEnd, saved.instructions);
    this.set(STATE.remaining, 0);
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
}
