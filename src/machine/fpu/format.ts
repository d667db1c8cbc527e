import { IEEE } from "../../isa/fpu.ts";

/** A binary floating-point format. Each value of either is a JavaScript number. */
export interface FloatFormat {
  /** Bits of the significand, the leading one included. */
  readonly precision: number;
  /** Exponents of the smallest normal number and of the largest numbers, for significands from 1 to 2. */
  readonly minExponent: number;
  readonly maxExponent: number;
  /** Largest finite number. */
  readonly max: number;
}

export const SINGLE: FloatFormat = {
  precision: 24,
  minExponent: -126,
  maxExponent: 127,
  max: (2 - 2 ** -23) * 2 ** 127,
};
export const DOUBLE: FloatFormat = {
  precision: 53,
  minExponent: -1022,
  maxExponent: 1023,
  max: Number.MAX_VALUE,
};

/** A floating-point datum: its value, or the bits of a NaN in its format. */
export type Datum = number | bigint;

const WORDS = new Int32Array(2);
const AS_SINGLE = new Float32Array(WORDS.buffer);
const AS_DOUBLE = new Float64Array(WORDS.buffer);
/** Which of the two words is the lower half of a double, in the byte order of the computer underneath. */
const LOW = new Uint8Array(Uint32Array.of(1).buffer)[0]!;
const LOWER = 1 - LOW;
const UPPER = LOW;

/** The datum in a word. */
export function singleOf(word: number): Datum {
  const isNan = (word & 0x7f80_0000) === 0x7f80_0000 && (word & 0x7f_ffff) !== 0;
  if (isNan) return BigInt(word >>> 0);
  WORDS[0] = word;
  return AS_SINGLE[0]!;
}

/** The datum in a pair of words. */
export function doubleOf(upper: number, lower: number): Datum {
  const isNan = (upper & 0x7ff0_0000) === 0x7ff0_0000 && ((upper & 0xf_ffff) | lower) !== 0;
  if (isNan) return bitsOf(upper, lower);
  WORDS[UPPER] = upper;
  WORDS[LOWER] = lower;
  return AS_DOUBLE[0]!;
}

/** A pair of words as one pattern. */
export const bitsOf = (upper: number, lower: number): bigint =>
  (BigInt(upper >>> 0) << 32n) | BigInt(lower >>> 0);

/** The word that holds `value`, a number of single precision or the bits of a NaN. */
export function singleWord(value: Datum): number {
  if (typeof value === "bigint") return Number(BigInt.asIntN(32, value));
  AS_SINGLE[0] = value;
  return WORDS[0]!;
}

/** Upper and lower word of `value`. */
export function doubleWords(value: Datum): [upper: number, lower: number] {
  if (typeof value === "bigint")
    return [Number(BigInt.asIntN(32, value >> 32n)), Number(BigInt.asIntN(32, value))];
  AS_DOUBLE[0] = value;
  return [WORDS[UPPER]!, WORDS[LOWER]!];
}

/** 2 to the power of `exponent`, which a normal double can have. */
export function powerOfTwo(exponent: number): number {
  WORDS[UPPER] = (exponent + 1023) << 20;
  WORDS[LOWER] = 0;
  return AS_DOUBLE[0]!;
}

const SIGN_BIT = { single: 31n, double: 63n } as const;
/** Bits by which the fraction of a double is longer. */
const LONGER = 29n;

/** What a NaN is and which one is the default, by FCSR.NAN2008 (volume I, "FPU NaN encodings"). */
export class NanRules {
  private readonly nan2008: boolean;
  constructor(nan2008: boolean) {
    this.nan2008 = nan2008;
  }

  /** The NaN that operations make. */
  makeDefault({ precision }: FloatFormat): bigint {
    const quietBit = 1n << BigInt(precision - 2);
    const exponent = precision === SINGLE.precision ? 0x7f80_0000n : 0x7ff0_0000_0000_0000n;
    return exponent | (this.nan2008 ? quietBit : quietBit - 1n);
  }

  isSignaling(nan: Datum, { precision }: FloatFormat): boolean {
    if (typeof nan !== "bigint") return false;
    const top = ((nan >> BigInt(precision - 2)) & 1n) !== 0n;
    return top !== this.nan2008;
  }

  /**
   * Result of an operation with a NaN among its operands: the first that signals, made quiet, else the first. The
   * old encoding has no way to make one quiet: there the result is always the default NaN, as in QEMU.
   */
  propagate(format: FloatFormat, a: Datum, b: Datum): { nan: bigint; flags: number } {
    const signaling = [a, b].find((datum) => this.isSignaling(datum, format));
    const flags = signaling === undefined ? 0 : IEEE.invalid;
    if (!this.nan2008) return { nan: this.makeDefault(format), flags };
    const chosen = signaling ?? (typeof a === "bigint" ? a : b);
    return { nan: (chosen as bigint) | (1n << BigInt(format.precision - 2)), flags };
  }
  /** A quiet NaN of one format in the other: sign and leading bits of the fraction. */
  convert(nan: bigint, from: FloatFormat, to: FloatFormat): bigint {
    if (!this.nan2008) return this.makeDefault(to);
    const toDouble = from === SINGLE;
    const [sign, fraction] = toDouble
      ? [nan >> SIGN_BIT.single, (nan & 0x7f_ffffn) << LONGER]
      : [nan >> SIGN_BIT.double, (nan & 0xf_ffff_ffff_ffffn) >> LONGER];
    const exponent = toDouble ? 0x7ff0_0000_0000_0000n : 0x7f80_0000n;
    return (sign << (toDouble ? SIGN_BIT.double : SIGN_BIT.single)) | exponent | fraction;
  }
}
