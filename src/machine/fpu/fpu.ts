import { STATUS, CP0 } from "../../isa/cp0.ts";
import { conditionBit, FCR, FCSR, IEEE, type RoundingMode } from "../../isa/fpu.ts";
import type { FpuModel } from "../cpu-models.ts";
import { STATE } from "../state-layout.ts";

const FCCR_MASK = 0xff;
/** FENR shows FCSR.FS in this bit. */
const FENR_FS = 0x4;
/** FCC7 to FCC1 start at this bit of FCSR and at bit 1 of FCCR. */
const FCC1_SHIFT = 25;

/** The registers of the CPU that an FPU belongs to. Where they lie changes with the CPU that executes. */
export interface FpuRegisters {
  /** The state block, as words. */
  readonly state: Int32Array;
  readonly cp0: Int32Array;
}

/**
 * The state of coprocessor 1: 32 registers, FCSR, and the views of it.
 *
 * A register is a word and an upper half, which lie in two arrays in the state block. With Status.FR = 1 the two
 * are a register of 64 bits; with FR = 0 there are only the words, and a pair of them holds a double: the even
 * register its lower half, the odd one behind it the upper.
 */
export class Fpu {
  readonly model: FpuModel;
  private readonly cpu: FpuRegisters;

  constructor(model: FpuModel, cpu: FpuRegisters) {
    this.model = model;
    this.cpu = cpu;
  }

  /** The state after reset: FCSR as the model has it. Registers keep their contents. */
  reset(): void {
    this.fcsr = this.model.fcsrReset;
  }

  get fcsr(): number {
    return this.cpu.state[STATE.fcsr >>> 2]!;
  }
  private set fcsr(value: number) {
    this.cpu.state[STATE.fcsr >>> 2] = value;
  }

  /** Status.FR: registers are 64 bits wide. */
  get wide(): boolean {
    return (this.cpu.cp0[CP0.Status]! & STATUS.FR) !== 0;
  }

  get roundingMode(): RoundingMode {
    return (this.fcsr & FCSR.RM) as RoundingMode;
  }

  // --- registers ---

  /** Place of the upper half of the 64-bit datum in register `n`, and of its lower half. */
  private upperPlace(n: number): number {
    return this.wide ? (STATE.fprUpper >>> 2) + n : (STATE.fpr >>> 2) + (n | 1);
  }
  private lowerPlace(n: number): number {
    return (STATE.fpr >>> 2) + (this.wide ? n : n & ~1);
  }

  /** The word in register `n`. */
  word(n: number): number {
    return this.cpu.state[(STATE.fpr >>> 2) + n]!;
  }
  setWord(n: number, value: number): void {
    this.cpu.state[(STATE.fpr >>> 2) + n] = value;
  }

  /** The upper half of the 64-bit datum in register `n`. */
  upper(n: number): number {
    return this.cpu.state[this.upperPlace(n)]!;
  }
  setUpper(n: number, value: number): void {
    this.cpu.state[this.upperPlace(n)] = value;
  }

  /** The lower half of the 64-bit datum in register `n`. */
  lower(n: number): number {
    return this.cpu.state[this.lowerPlace(n)]!;
  }
  setLower(n: number, value: number): void {
    this.cpu.state[this.lowerPlace(n)] = value;
  }

  // --- control registers ---

  /** Value of control register `number`; those that do not exist read as zero. */
  readControl(number: number): number {
    const { fcsr } = this;
    switch (number) {
      case FCR.FIR:
        return this.model.fir;
      case FCR.FCCR:
        return ((fcsr >>> (FCC1_SHIFT - 1)) & (FCCR_MASK & ~1)) | ((fcsr & FCSR.FCC0) !== 0 ? 1 : 0);
      case FCR.FEXR:
        return fcsr & (FCSR.CAUSES | FCSR.FLAGS);
      case FCR.FENR:
        return (fcsr & (FCSR.ENABLES | FCSR.RM)) | ((fcsr & FCSR.FS) !== 0 ? FENR_FS : 0);
      case FCR.FCSR:
        return fcsr;
      default:
        return 0;
    }
  }

  /** Writes control register `number`. */
  writeControl(number: number, value: number): void {
    switch (number) {
      case FCR.FCCR:
        this.writeFcsr(
          ((value & FCCR_MASK & ~1) << (FCC1_SHIFT - 1)) | ((value & 1) !== 0 ? FCSR.FCC0 : 0),
          FCC_MASK,
        );
        return;
      case FCR.FEXR:
        this.writeFcsr(value, FCSR.CAUSES | FCSR.FLAGS);
        return;
      case FCR.FENR:
        this.writeFcsr(
          (value & (FCSR.ENABLES | FCSR.RM)) | ((value & FENR_FS) !== 0 ? FCSR.FS : 0),
          FCSR.ENABLES | FCSR.RM | FCSR.FS,
        );
        return;
      case FCR.FCSR:
        this.writeFcsr(value, -1);
        return;
      default:
    }
  }

  private writeFcsr(value: number, bits: number): void {
    const mask = bits & this.model.fcsrWritable;
    this.fcsr = (this.fcsr & ~mask) | (value & mask);
  }

  /** An exception that is a cause and enabled; unimplemented operation always is. */
  get trapPending(): boolean {
    const { fcsr } = this;
    const enabled = ((fcsr & FCSR.ENABLES) >>> FCSR.ENABLES_SHIFT) | IEEE.unimplemented;
    return (((fcsr & FCSR.CAUSES) >>> FCSR.CAUSES_SHIFT) & enabled) !== 0;
  }

  /**
   * An operation raised `exceptions`, or none: they become the causes. True if one of them traps; otherwise they are
   * added to the flags.
   */
  signal(exceptions: number): boolean {
    this.fcsr = (this.fcsr & ~FCSR.CAUSES) | (exceptions << FCSR.CAUSES_SHIFT);
    if (this.trapPending) return true;
    this.fcsr |= exceptions << FCSR.FLAGS_SHIFT;
    return false;
  }

  setCondition(cc: number, value: boolean): void {
    const bit = 1 << conditionBit(cc);
    this.fcsr = value ? this.fcsr | bit : this.fcsr & ~bit;
  }
}

/** All condition codes in FCSR. */
const FCC_MASK = (0xfe << (FCC1_SHIFT - 1)) | FCSR.FCC0;
