/**
 * The FPU's control registers, and the numbers by which its encodings name formats and functions (MIPS32 PRA,
 * volume I, chapter "FPU Programming Model"; volume II for the encodings), stated once.
 */

/** Numbers of the control registers. FCCR, FEXR and FENR are views of parts of FCSR. */
export const FCR = { FIR: 0, FCCR: 25, FEXR: 26, FENR: 28, FCSR: 31 } as const;

/** Fields of FIR. */
// prettier-ignore
export const FIR = {
  PRID_SHIFT: 8, S: 1 << 16, D: 1 << 17, W: 1 << 20, L: 1 << 21, F64: 1 << 22, HAS2008: 1 << 23,
} as const;

/**
 * IEEE exceptions, as bits of the causes, enables and flags in FCSR. Unimplemented operation is a cause only, and
 * cannot be disabled.
 */
export const IEEE = {
  inexact: 1,
  underflow: 2,
  overflow: 4,
  divisionByZero: 8,
  invalid: 16,
  unimplemented: 32,
} as const;

/** Fields of FCSR. */
// prettier-ignore
export const FCSR = {
  RM: 0x3, FLAGS: 0x7c, FLAGS_SHIFT: 2, ENABLES: 0xf80, ENABLES_SHIFT: 7, CAUSES: 0x3_f000, CAUSES_SHIFT: 12,
  NAN2008: 1 << 18, ABS2008: 1 << 19, FCC0: 1 << 23, FS: 1 << 24,
} as const;

/** Rounding modes, as FCSR.RM has them. */
export const ROUNDING = { nearest: 0, zero: 1, up: 2, down: 3 } as const;
export type RoundingMode = (typeof ROUNDING)[keyof typeof ROUNDING];

/** Bit number of condition code `cc` in FCSR: the first one lies apart. */
export const conditionBit = (cc: number): number => (cc === 0 ? 23 : 24 + cc);

/** Values of the fmt field (bits 25:21 of COP1). */
export const FMT = { s: 16, d: 17, w: 20, l: 21, ps: 22 } as const;
export type FormatName = keyof typeof FMT;

/** Values of the function field (bits 5:0 of COP1) of what computes or converts. */
// prettier-ignore
export const FPU_FUNCTION = {
  add: 0, sub: 1, mul: 2, div: 3, sqrt: 4, abs: 5, mov: 6, neg: 7,
  roundL: 8, truncL: 9, ceilL: 10, floorL: 11, roundW: 12, truncW: 13, ceilW: 14, floorW: 15,
  recip: 21, rsqrt: 22, cvtS: 32, cvtD: 33, cvtW: 36, cvtL: 37,
} as const;

/** Values of bits 5:3 of COP1X multiply-add instructions. */
export const MULTIPLY_ADD = { madd: 4, msub: 5, nmadd: 6, nmsub: 7 } as const;

/** Conditions of C.cond, by their number: bit 0 unordered, bit 1 equal, bit 2 less, bit 3 signals on any NaN. */
// prettier-ignore
export const CONDITIONS = [
  "f",  "un",   "eq",  "ueq", "olt", "ult", "ole", "ule",
  "sf", "ngle", "seq", "ngl", "lt",  "nge", "le",  "ngt",
] as const;
