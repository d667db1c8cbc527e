import { EXC_CODE } from "../../isa/exceptions.ts";
import { FCSR, FMT, FPU_FUNCTION, IEEE, MULTIPLY_ADD, ROUNDING, type RoundingMode } from "../../isa/fpu.ts";
import type { Cpu } from "../cpu.ts";
import { Arithmetic } from "./arithmetic.ts";
import {
  bitsOf,
  DOUBLE,
  doubleOf,
  doubleWords,
  SINGLE,
  singleOf,
  singleWord,
  type Datum,
  type FloatFormat,
} from "./format.ts";
import type { Fpu } from "./fpu.ts";
import { LONG, roundToInteger, toInteger, WORD, type IntegerFormat } from "./integers.ts";

/** Functions of conversions to an integer: its format, and the rounding mode if it is not that of FCSR. */
const TO_INTEGER: ReadonlyMap<number, readonly [IntegerFormat, RoundingMode | null]> = new Map([
  [FPU_FUNCTION.roundL, [LONG, ROUNDING.nearest]],
  [FPU_FUNCTION.truncL, [LONG, ROUNDING.zero]],
  [FPU_FUNCTION.ceilL, [LONG, ROUNDING.up]],
  [FPU_FUNCTION.floorL, [LONG, ROUNDING.down]],
  [FPU_FUNCTION.cvtL, [LONG, null]],
  [FPU_FUNCTION.roundW, [WORD, ROUNDING.nearest]],
  [FPU_FUNCTION.truncW, [WORD, ROUNDING.zero]],
  [FPU_FUNCTION.ceilW, [WORD, ROUNDING.up]],
  [FPU_FUNCTION.floorW, [WORD, ROUNDING.down]],
  [FPU_FUNCTION.cvtW, [WORD, null]],
]);

/** Bits of a condition of C.cond. */
const CONDITION = { unordered: 1, equal: 2, less: 4, signaling: 8 } as const;

/**
 * The instructions of the FPU that compute, compare and convert. The coprocessor is
 * usable; each returns false if an exception was raised: reserved instruction where a 64-bit datum cannot be in
 * the register named, or floating point.
 */
export class FpuOps {
  private readonly executing: () => Cpu;
  private readonly arithmetic = new Arithmetic();
  /** FCSR bits that the arithmetic was configured with. */
  private configured = -1;

  /** `executing` is the CPU that executes; it has an FPU. */
  constructor(executing: () => Cpu) {
    this.executing = executing;
  }

  private get fpu(): Fpu {
    return this.executing().fpu!;
  }

  private reserved(): false {
    this.executing().raise(EXC_CODE.RI);
    return false;
  }

  /** Whether 64-bit data can be in these registers: with FR = 0 only in even ones. */
  private holdDoubles(...registers: readonly number[]): boolean {
    return this.fpu.wide || registers.every((n) => n % 2 === 0);
  }

  /** Starts an operation. */
  private begin(): Arithmetic {
    const { arithmetic } = this;
    const bits = this.fpu.fcsr & (FCSR.RM | FCSR.FS | FCSR.NAN2008);
    if (bits !== this.configured) {
      this.configured = bits;
      arithmetic.configure(
        (bits & FCSR.RM) as RoundingMode,
        (bits & FCSR.FS) !== 0,
        (bits & FCSR.NAN2008) !== 0,
      );
    }
    arithmetic.flags = 0;
    return arithmetic;
  }

  /** Ends it with what it has raised. False, with the exception raised, if that traps. */
  private end(): boolean {
    if (!this.fpu.signal(this.arithmetic.flags)) return true;
    this.executing().raise(EXC_CODE.FPE);
    return false;
  }

  private read(format: FloatFormat, n: number): Datum {
    const { fpu } = this;
    return format === SINGLE ? singleOf(fpu.word(n)) : doubleOf(fpu.upper(n), fpu.lower(n));
  }

  private write(format: FloatFormat, n: number, value: Datum): void {
    const { fpu } = this;
    if (format === SINGLE) fpu.setWord(n, singleWord(value));
    else this.writeWords(n, ...doubleWords(value));
  }

  private writeWords(n: number, upper: number, lower: number): void {
    this.fpu.setUpper(n, upper);
    this.fpu.setLower(n, lower);
  }

  /** COP1 function `fn` on format `fmt`: fd = fn(fs, ft). */
  operate(fn: number, fmt: number, fs: number, ft: number, fd: number): boolean {
    if (fmt === FMT.w || fmt === FMT.l) return this.convertFromInteger(fn, fmt, fs, fd);
    const format = fmt === FMT.d ? DOUBLE : SINGLE;
    const integer = TO_INTEGER.get(fn);
    if (integer !== undefined) return this.convertToInteger(format, fs, fd, ...integer);
    if (fn === FPU_FUNCTION.cvtS || fn === FPU_FUNCTION.cvtD) return this.convert(format, fs, fd);
    if (format === DOUBLE && !this.holdDoubles(fs, ft, fd)) return this.reserved();
    if (fn === FPU_FUNCTION.mov) {
      this.copy(format, fs, fd);
      return true;
    }
    if (fn === FPU_FUNCTION.abs || fn === FPU_FUNCTION.neg)
      return this.changeSign(format, fs, fd, fn === FPU_FUNCTION.neg);
    const unit = this.begin();
    const result = compute(unit, fn, format, this.read(format, fs), this.read(format, ft));
    if (!this.end()) return false;
    this.write(format, fd, result);
    return true;
  }

  private copy(format: FloatFormat, fs: number, fd: number): void {
    const { fpu } = this;
    if (format === SINGLE) fpu.setWord(fd, fpu.word(fs));
    else this.writeWords(fd, fpu.upper(fs), fpu.lower(fs));
  }

  /** ABS and NEG: arithmetic unless FCSR.ABS2008, and then any NaN is invalid. */
  private changeSign(format: FloatFormat, fs: number, fd: number, negate: boolean): boolean {
    const { fpu } = this;
    if ((fpu.fcsr & FCSR.ABS2008) === 0) {
      const unit = this.begin();
      if (typeof this.read(format, fs) === "bigint") {
        const nan = unit.invalid(format);
        if (!this.end()) return false;
        this.write(format, fd, nan);
        return true;
      }
      this.end();
    }
    const changed = (word: number): number => (negate ? word ^ 0x8000_0000 : word & 0x7fff_ffff);
    if (format === SINGLE) fpu.setWord(fd, changed(fpu.word(fs)));
    else this.writeWords(fd, changed(fpu.upper(fs)), fpu.lower(fs));
    return true;
  }

  /** COP1X multiply-add `op`: fd = ±(fs * ft ± fr), where the product is rounded too. */
  multiplyAdd(op: number, fmt: number, fr: number, fs: number, ft: number, fd: number): boolean {
    const format = fmt === FMT.d ? DOUBLE : SINGLE;
    if (format === DOUBLE && !this.holdDoubles(fr, fs, ft, fd)) return this.reserved();
    const unit = this.begin();
    const product = unit.mul(format, this.read(format, fs), this.read(format, ft));
    const addend = this.read(format, fr);
    const subtracts = op === MULTIPLY_ADD.msub || op === MULTIPLY_ADD.nmsub;
    const sum = subtracts ? unit.sub(format, product, addend) : unit.add(format, product, addend);
    if (!this.end()) return false;
    this.write(format, fd, sum);
    if (op === MULTIPLY_ADD.nmadd || op === MULTIPLY_ADD.nmsub) this.flipSign(format, fd);
    return true;
  }

  /** Changes the sign of what is in a register, of a NaN too. */
  private flipSign(format: FloatFormat, n: number): void {
    const { fpu } = this;
    if (format === SINGLE) fpu.setWord(n, fpu.word(n) ^ 0x8000_0000);
    else fpu.setUpper(n, fpu.upper(n) ^ 0x8000_0000);
  }

  /** C.cond: sets condition code `cc`. */
  compare(condition: number, fmt: number, fs: number, ft: number, cc: number): boolean {
    const format = fmt === FMT.d ? DOUBLE : SINGLE;
    if (format === DOUBLE && !this.holdDoubles(fs, ft)) return this.reserved();
    const unit = this.begin();
    const [a, b] = [this.read(format, fs), this.read(format, ft)];
    let holds: boolean;
    if (typeof a === "bigint" || typeof b === "bigint") {
      const signals = unit.nans.isSignaling(a, format) || unit.nans.isSignaling(b, format);
      if (signals || (condition & CONDITION.signaling) !== 0) unit.flags |= IEEE.invalid;
      holds = (condition & CONDITION.unordered) !== 0;
    } else
      holds =
        ((condition & CONDITION.equal) !== 0 && a === b) || ((condition & CONDITION.less) !== 0 && a < b);
    if (!this.end()) return false;
    this.fpu.setCondition(cc, holds);
    return true;
  }

  /** MOVF.fmt, MOVT.fmt, MOVZ.fmt and MOVN.fmt: fd = fs if `condition` is not zero. */
  moveIf(fmt: number, condition: number, fs: number, fd: number): boolean {
    const format = fmt === FMT.d ? DOUBLE : SINGLE;
    if (format === DOUBLE && !this.holdDoubles(fs, fd)) return this.reserved();
    if (condition !== 0) this.copy(format, fs, fd);
    return true;
  }

  // --- conversions ---

  /** CVT.S.D and CVT.D.S. */
  private convert(from: FloatFormat, fs: number, fd: number): boolean {
    const to = from === SINGLE ? DOUBLE : SINGLE;
    if (!this.holdDoubles(from === DOUBLE ? fs : fd)) return this.reserved();
    const unit = this.begin();
    const value = this.read(from, fs);
    const result = typeof value === "bigint" ? unit.convertNan(value, from, to) : unit.narrow(to, value);
    if (!this.end()) return false;
    this.write(to, fd, result);
    return true;
  }

  private convertFromInteger(fn: number, fmt: number, fs: number, fd: number): boolean {
    const format = fn === FPU_FUNCTION.cvtD ? DOUBLE : SINGLE;
    const { fpu } = this;
    if (fmt === FMT.l && !fpu.wide) return this.reserved();
    if (format === DOUBLE && !this.holdDoubles(fd)) return this.reserved();
    const unit = this.begin();
    let result: number;
    if (fmt === FMT.w) result = unit.narrow(format, fpu.word(fs));
    else {
      const integer = BigInt.asIntN(64, bitsOf(fpu.upper(fs), fpu.lower(fs)));
      const negative = integer < 0n;
      result = unit.round({ negative, significand: negative ? -integer : integer, exponent: 0 }, format);
    }
    if (!this.end()) return false;
    this.write(format, fd, result);
    return true;
  }

  /** CVT, ROUND, TRUNC, CEIL and FLOOR to W and L. What does not fit is invalid. */
  private convertToInteger(
    from: FloatFormat,
    fs: number,
    fd: number,
    to: IntegerFormat,
    mode: RoundingMode | null,
  ): boolean {
    const { fpu } = this;
    if (to === LONG && !fpu.wide) return this.reserved();
    if (from === DOUBLE && !this.holdDoubles(fs)) return this.reserved();
    const unit = this.begin();
    const value = this.read(from, fs);
    const rounded = typeof value === "bigint" ? NaN : roundToInteger(value, mode ?? fpu.roundingMode);
    let integer = toInteger(rounded, to);
    if (integer === null) {
      unit.flags |= IEEE.invalid;
      integer = this.outOfRange(rounded, to);
    } else if (rounded !== value) unit.flags |= IEEE.inexact;
    if (!this.end()) return false;
    if (to === WORD) fpu.setWord(fd, Number(integer));
    else this.writeWords(fd, Number(BigInt.asIntN(32, integer >> 32n)), Number(BigInt.asIntN(32, integer)));
    return true;
  }

  /** The result of a conversion that is invalid: the largest integer, by FCSR.NAN2008 the nearest one, or 0. */
  private outOfRange(value: number, to: IntegerFormat): bigint {
    if ((this.fpu.fcsr & FCSR.NAN2008) === 0) return to.max;
    if (Number.isNaN(value)) return 0n;
    return value < 0 ? to.min : to.max;
  }
}

/** The arithmetic functions of COP1. */
function compute(unit: Arithmetic, fn: number, format: FloatFormat, a: Datum, b: Datum): Datum {
  switch (fn) {
    case FPU_FUNCTION.add:
      return unit.add(format, a, b);
    case FPU_FUNCTION.sub:
      return unit.sub(format, a, b);
    case FPU_FUNCTION.mul:
      return unit.mul(format, a, b);
    case FPU_FUNCTION.div:
      return unit.div(format, a, b);
    case FPU_FUNCTION.sqrt:
      return unit.sqrt(format, a);
    case FPU_FUNCTION.recip:
      return unit.div(format, 1, a);
    case FPU_FUNCTION.rsqrt:
      return unit.div(format, 1, unit.sqrt(format, a));
    default:
      throw new RangeError(`the FPU has no function ${fn}`);
  }
}
