import { ROUNDING, type RoundingMode } from "../../isa/fpu.ts";

/** An integer format that floating-point numbers are converted to. */
export interface IntegerFormat {
  readonly min: bigint;
  readonly max: bigint;
}

export const WORD: IntegerFormat = { min: -(2n ** 31n), max: 2n ** 31n - 1n };
export const LONG: IntegerFormat = { min: -(2n ** 63n), max: 2n ** 63n - 1n };

/** `value` as an integer, rounded by `mode`; a number that is not finite stays what it is. */
export function roundToInteger(value: number, mode: RoundingMode): number {
  switch (mode) {
    case ROUNDING.nearest: {
      const below = Math.floor(value);
      const rest = value - below;
      if (rest === 0.5) return below % 2 === 0 ? below : below + 1;
      return rest > 0.5 ? below + 1 : below;
    }
    case ROUNDING.zero:
      return Math.trunc(value);
    case ROUNDING.up:
      return Math.ceil(value);
    default:
      return Math.floor(value);
  }
}

/** An integral number as an integer of `format`, or null if it is out of range. */
export function toInteger(value: number, { min, max }: IntegerFormat): bigint | null {
  if (!Number.isFinite(value)) return null;
  const integer = BigInt(value);
  return integer < min || integer > max ? null : integer;
}
