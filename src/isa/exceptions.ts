/** Cause.ExcCode values (MIPS32 PRA, Cause register, table of ExcCode values). */
export const EXC_CODE = {
  Int: 0,
  Mod: 1,
  TLBL: 2,
  TLBS: 3,
  AdEL: 4,
  AdES: 5,
  IBE: 6,
  DBE: 7,
  Sys: 8,
  Bp: 9,
  RI: 10,
  CpU: 11,
  Ov: 12,
  Tr: 13,
  MSAFPE: 14,
  FPE: 15,
  TLBRI: 19,
  TLBXI: 20,
  MSADis: 21,
  MDMX: 22,
  WATCH: 23,
  MCheck: 24,
} as const;

/** Offsets of the exception vectors from their base (MIPS32 PRA, "Exception Vector Locations"). */
export const VECTOR_OFFSET = {
  refill: 0x000,
  general: 0x180,
  /** With Cause.IV; vectored interrupts have theirs from here on. */
  interrupt: 0x200,
} as const;

export type ExcCode = (typeof EXC_CODE)[keyof typeof EXC_CODE];

/** Name of an ExcCode value, or `exc<N>` for a reserved one. */
export function excCodeName(code: number): string {
  for (const [name, value] of Object.entries(EXC_CODE)) if (value === code) return name;
  return `exc${code}`;
}
