/**
 * What CACHE does to a cache, as bits 4..2 of its operand say (MIPS32 instruction set, CACHE, table of operations).
 * From `firstHit` on the operation takes an address, which is translated as that of a load.
 */
export const CACHE_OPERATION = {
  indexInvalidate: 0,
  indexLoadTag: 1,
  firstHit: 4,
} as const;
