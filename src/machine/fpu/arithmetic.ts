import { IEEE, ROUNDING, type RoundingMode } from "../../isa/fpu.ts";
import { exactly, product, quotient, round, squareRoot, sum, type Exact, type Rounding } from "./exact.ts";
import { NanRules, SINGLE, type Datum, type FloatFormat } from "./format.ts";

/** Between these magnitudes neither products, nor their parts and errors, overflow or lose bits. */
const SAFE_MIN = 2 ** -960;
const SAFE_MAX = 2 ** 960;
/** Larger magnitudes than this are normal numbers of single precision, whatever they were rounded from. */
const SINGLE_MIN = 2 ** -126;
const DOUBLE_MIN = 2 ** -1022;
/** Splits a double into halves of 26 bits. */
const SPLITTER = 2 ** 27 + 1;

const isSafe = (magnitude: number): boolean => magnitude > SAFE_MIN && magnitude < SAFE_MAX;

/** Rounding error of `product`, a * b rounded to nearest (Dekker); all of them within the safe range. */
function productError(a: number, b: number, rounded: number): number {
  const [bigA, bigB] = [a * SPLITTER, b * SPLITTER];
  const [highA, highB] = [bigA - (bigA - a), bigB - (bigB - b)];
  const [lowA, lowB] = [a - highA, b - highB];
  return lowA * lowB - (rounded - highA * highB - lowA * highB - highA * lowB);
}

/** Whether the sum of a and b, rounded to nearest, is exact (Knuth). */
function sumIsExact(a: number, b: number, rounded: number): boolean {
  const virtual = rounded - a;
  return a - (rounded - virtual) + (b - virtual) === 0;
}

/**
 * Arithmetic on data of one format at a time, with IEEE exceptions collected in `flags`.
 *
 * Rounding to nearest is what JavaScript's own arithmetic does. There results of single precision are rounded twice,
 * to 53 bits and to 24, which is the same as once for these operations since 53 >= 2 * 24 + 2; whether a result is
 * exact is found from its error. Whatever is near the limits of a format, and every other rounding mode, goes the
 * exact way.
 */
export class Arithmetic {
  /** Exceptions since someone cleared them, as bits of IEEE. */
  flags = 0;
  nans = new NanRules(false);
  private mode: RoundingMode = ROUNDING.nearest;
  private flush = false;

  /** Takes over rounding mode, FS and NAN2008. */
  configure(mode: RoundingMode, flush: boolean, nan2008: boolean): void {
    this.mode = mode;
    this.flush = flush;
    this.nans = new NanRules(nan2008);
  }

  private rounding(format: FloatFormat): Rounding {
    return { format, mode: this.mode, flush: this.flush };
  }

  /** Rounds to a format by the current mode. */
  round(exact: Exact, format: FloatFormat): number {
    const { value, flags } = round(exact, this.rounding(format));
    this.flags |= flags;
    return value;
  }

  /** A result rounded to nearest, of which it is known whether it is exact. */
  private nearest(value: number, exact: boolean): number {
    if (!exact) this.flags |= IEEE.inexact;
    return value;
  }

  /** The result of an invalid operation. */
  invalid(format: FloatFormat): bigint {
    this.flags |= IEEE.invalid;
    return this.nans.makeDefault(format);
  }

  /** The result where a or b is a NaN. */
  private nan(format: FloatFormat, a: Datum, b: Datum): bigint {
    const { nan, flags } = this.nans.propagate(format, a, b);
    this.flags |= flags;
    return nan;
  }

  /** Whether a value rounded to nearest is the result, but for what its error says. */
  private isPlain(value: number, format: FloatFormat): boolean {
    const magnitude = Math.abs(value);
    return format === SINGLE ? magnitude > SINGLE_MIN && magnitude < Infinity : isSafe(magnitude);
  }

  add(format: FloatFormat, a: Datum, b: Datum): Datum {
    if (typeof a === "bigint" || typeof b === "bigint") return this.nan(format, a, b);
    const whole = a + b;
    if (Number.isNaN(whole)) return this.invalid(format);
    if (!Number.isFinite(a) || !Number.isFinite(b)) return whole;
    if (this.mode === ROUNDING.nearest) {
      const rounded = format === SINGLE ? Math.fround(whole) : whole;
      const magnitude = Math.abs(rounded);
      const tiny = magnitude < (format === SINGLE ? SINGLE_MIN : DOUBLE_MIN);
      // Sums that are not normal numbers are exact: all their bits are there.
      if (tiny && (!this.flush || rounded === 0)) return rounded;
      if (!tiny && magnitude < (format === SINGLE ? Infinity : SAFE_MAX))
        return this.nearest(rounded, rounded === whole && sumIsExact(a, b, whole));
    }
    return this.round(sum(exactly(a), exactly(b), this.mode), format);
  }

  sub(format: FloatFormat, a: Datum, b: Datum): Datum {
    return this.add(format, a, typeof b === "bigint" ? b : -b);
  }

  mul(format: FloatFormat, a: Datum, b: Datum): Datum {
    if (typeof a === "bigint" || typeof b === "bigint") return this.nan(format, a, b);
    const whole = a * b;
    if (Number.isNaN(whole)) return this.invalid(format);
    if (a === 0 || b === 0 || !Number.isFinite(a) || !Number.isFinite(b)) return whole;
    if (this.mode === ROUNDING.nearest) {
      if (format === SINGLE) {
        const rounded = Math.fround(whole);
        if (this.isPlain(rounded, format)) return this.nearest(rounded, rounded === whole);
      } else if (isSafe(Math.abs(whole)) && isSafe(Math.abs(a)) && isSafe(Math.abs(b)))
        return this.nearest(whole, productError(a, b, whole) === 0);
    }
    return this.round(product(exactly(a), exactly(b)), format);
  }

  div(format: FloatFormat, a: Datum, b: Datum): Datum {
    if (typeof a === "bigint" || typeof b === "bigint") return this.nan(format, a, b);
    const whole = a / b;
    if (Number.isNaN(whole)) return this.invalid(format);
    if (b === 0 && Number.isFinite(a)) this.flags |= IEEE.divisionByZero;
    if (a === 0 || b === 0 || !Number.isFinite(a) || !Number.isFinite(b)) return whole;
    if (this.mode === ROUNDING.nearest) {
      if (format === SINGLE) {
        const rounded = Math.fround(whole);
        if (this.isPlain(rounded, format)) return this.nearest(rounded, rounded * b === a);
      } else if (isSafe(Math.abs(whole)) && isSafe(Math.abs(a)) && isSafe(Math.abs(b))) {
        const back = whole * b;
        return this.nearest(whole, back === a && productError(whole, b, back) === 0);
      }
    }
    return this.round(quotient(exactly(a), exactly(b)), format);
  }

  sqrt(format: FloatFormat, a: Datum): Datum {
    if (typeof a === "bigint") return this.nan(format, a, a);
    if (a < 0) return this.invalid(format);
    if (a === 0 || a === Infinity) return a;
    if (this.mode === ROUNDING.nearest) {
      const whole = Math.sqrt(a);
      if (format === SINGLE) {
        const rounded = Math.fround(whole);
        return this.nearest(rounded, rounded * rounded === a);
      }
      if (isSafe(a)) {
        const back = whole * whole;
        return this.nearest(whole, back === a && productError(whole, whole, back) === 0);
      }
    }
    return this.round(squareRoot(exactly(a)), format);
  }

  /** A NaN of one format in the other: its leading bits, or the default NaN (`NanRules.propagate`). */
  convertNan(nan: bigint, from: FloatFormat, to: FloatFormat): bigint {
    const quiet = this.nan(from, nan, nan);
    return this.nans.convert(quiet, from, to);
  }

  /** A number of any precision up to 53 bits as one of `format`. */
  narrow(format: FloatFormat, value: number): number {
    if (!Number.isFinite(value) || value === 0) return value;
    if (this.mode === ROUNDING.nearest && format === SINGLE) {
      const rounded = Math.fround(value);
      if (this.isPlain(rounded, format)) return this.nearest(rounded, rounded === value);
    }
    return this.round(exactly(value), format);
  }
}
