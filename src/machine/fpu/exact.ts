import { IEEE, ROUNDING, type RoundingMode } from "../../isa/fpu.ts";
import { powerOfTwo, type FloatFormat } from "./format.ts";

/**
 * Exact arithmetic, rounded once: what every other path must agree with. A number is taken apart into integer
 * significand and exponent; sums and products are exact, quotients and roots have a last bit that stands for all
 * that comes behind.
 */

/** ± significand * 2^exponent. */
export interface Exact {
  readonly negative: boolean;
  readonly significand: bigint;
  readonly exponent: number;
}

/** A number of a format, and the IEEE exceptions that rounding to it raised. */
export interface Rounded {
  readonly value: number;
  readonly flags: number;
}

/** How a result becomes a number of its format. `flush`: FCSR.FS, tiny results become zero. */
export interface Rounding {
  readonly format: FloatFormat;
  readonly mode: RoundingMode;
  readonly flush: boolean;
}

const bitLength = (value: bigint): number => value.toString(2).length;

/** Takes a finite number apart. */
export function exactly(value: number): Exact {
  const negative = value < 0 || Object.is(value, -0);
  let significand = Math.abs(value);
  let exponent = 0;
  if (significand !== 0 && significand < 2 ** -1000) {
    significand *= 2 ** 1000;
    exponent -= 1000;
  }
  while (!Number.isInteger(significand)) {
    significand *= 2 ** 26;
    exponent -= 26;
  }
  return { negative, significand: BigInt(significand), exponent };
}

/** Whether what was cut off makes the magnitude one larger: `rest` of `whole`. */
function roundsUp(mode: RoundingMode, negative: boolean, odd: boolean, rest: bigint, half: bigint): boolean {
  switch (mode) {
    case ROUNDING.nearest:
      return rest > half || (rest === half && odd);
    case ROUNDING.up:
      return !negative && rest !== 0n;
    case ROUNDING.down:
      return negative && rest !== 0n;
    default:
      return false;
  }
}

/** `significand` without its last `shift` bits, rounded. */
function shortened(
  { negative, significand }: Exact,
  shift: number,
  mode: RoundingMode,
): { kept: bigint; inexact: boolean } {
  if (shift <= 0) return { kept: significand << BigInt(-shift), inexact: false };
  const bits = BigInt(shift);
  const kept = significand >> bits;
  const rest = significand & ((1n << bits) - 1n);
  const up = roundsUp(mode, negative, (kept & 1n) !== 0n, rest, 1n << (bits - 1n));
  return { kept: up ? kept + 1n : kept, inexact: rest !== 0n };
}

/** What an overflow becomes: infinity, or the largest number where rounding goes towards zero. */
function overflowed({ format, mode }: Rounding, negative: boolean): number {
  const away =
    mode === ROUNDING.nearest || (mode === ROUNDING.up && !negative) || (mode === ROUNDING.down && negative);
  const magnitude = away ? Infinity : format.max;
  return negative ? -magnitude : magnitude;
}

/**
 * Rounds to a format. Underflow is signaled if the result is tiny after rounding and inexact; a flushed result
 * raises nothing (volume I leaves both to the implementation; this is what QEMU does).
 */
export function round(exact: Exact, rounding: Rounding): Rounded {
  const { format, mode, flush } = rounding;
  const { negative, significand, exponent } = exact;
  const zero = negative ? -0 : 0;
  if (significand === 0n) return { value: zero, flags: 0 };
  const { precision, minExponent, maxExponent } = format;
  const leading = exponent + bitLength(significand) - 1;
  if (leading < minExponent && flush) return { value: zero, flags: 0 };
  const last = Math.max(leading, minExponent) - precision + 1;
  const { kept, inexact } = shortened(exact, last - exponent, mode);
  if (last + bitLength(kept) - 1 > maxExponent)
    return { value: overflowed(rounding, negative), flags: IEEE.overflow | IEEE.inexact };
  let flags = inexact ? IEEE.inexact : 0;
  if (inexact && leading < minExponent && isTiny(exact, leading, rounding)) flags |= IEEE.underflow;
  // In two steps where the last bit lies below all normal numbers: neither rounds.
  const scaled = Number(kept) * powerOfTwo(Math.max(last, -1022));
  const magnitude = last < -1022 ? scaled * powerOfTwo(last + 1022) : scaled;
  return { value: negative ? -magnitude : magnitude, flags };
}

/** Whether the result would still be below all normal numbers if exponents had no limit. */
function isTiny(exact: Exact, leading: number, { format, mode }: Rounding): boolean {
  const { precision, minExponent } = format;
  if (leading < minExponent - 1) return true;
  const { kept } = shortened(exact, leading - precision + 1 - exact.exponent, mode);
  return bitLength(kept) <= precision;
}

/** a + b. Exact zeros of opposite sign, or cancellation, give +0, or -0 when rounding down. */
export function sum(a: Exact, b: Exact, mode: RoundingMode): Exact {
  const exponent = Math.min(a.exponent, b.exponent);
  const aligned = ({ negative, significand, exponent: own }: Exact): bigint => {
    const shifted = significand << BigInt(own - exponent);
    return negative ? -shifted : shifted;
  };
  const total = aligned(a) + aligned(b);
  if (total === 0n) {
    const bothZero = a.significand === 0n && a.negative === b.negative;
    return { negative: bothZero ? a.negative : mode === ROUNDING.down, significand: 0n, exponent: 0 };
  }
  return { negative: total < 0n, significand: total < 0n ? -total : total, exponent };
}

export function product(a: Exact, b: Exact): Exact {
  return {
    negative: a.negative !== b.negative,
    significand: a.significand * b.significand,
    exponent: a.exponent + b.exponent,
  };
}

/** Bits beyond those of any format that quotients and roots are worked out to. */
const MORE_BITS = 60;

/** Adds a last bit that says whether anything comes behind. */
const sticky = (value: bigint, exact: boolean): bigint => (value << 1n) | (exact ? 0n : 1n);

/** a / b; b is not zero. */
export function quotient(a: Exact, b: Exact): Exact {
  const shift = Math.max(0, MORE_BITS + bitLength(b.significand) - bitLength(a.significand));
  const dividend = a.significand << BigInt(shift);
  const whole = dividend / b.significand;
  return {
    negative: a.negative !== b.negative,
    significand: sticky(whole, whole * b.significand === dividend),
    exponent: a.exponent - b.exponent - shift - 1,
  };
}

/** Square root of a number that is not negative. */
export function squareRoot(a: Exact): Exact {
  let shift = Math.max(0, 2 * MORE_BITS - bitLength(a.significand));
  if ((a.exponent - shift) % 2 !== 0) shift++;
  const radicand = a.significand << BigInt(shift);
  const root = integerRoot(radicand);
  return {
    negative: a.negative,
    significand: sticky(root, root * root === radicand),
    exponent: (a.exponent - shift) / 2 - 1,
  };
}

/** Largest integer whose square is not more than `value` (Newton). */
function integerRoot(value: bigint): bigint {
  if (value === 0n) return 0n;
  let root = 1n << BigInt((bitLength(value) + 1) >> 1);
  for (;;) {
    const next = (root + value / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}
