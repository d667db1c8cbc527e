/**
 * Parts of a 32-bit address for LUI and a signed 16-bit displacement: the upper half is rounded so that the
 * sign-extended lower half makes up the difference.
 */
export interface AddressParts {
  /** Operand of LUI, 0..ffff. */
  readonly high: number;
  /** Displacement of the instruction that follows, -8000..7fff. */
  readonly low: number;
}

/** Splits an address (any 32-bit number, signed or not). */
export function splitAddress(address: number): AddressParts {
  return { high: ((address + 0x8000) >>> 16) & 0xffff, low: (address << 16) >> 16 };
}
