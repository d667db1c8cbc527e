import { EXC_CODE, type ExcCode } from "../isa/exceptions.ts";

/** Exceptions by code, as bits. */
const bitsOf = (codes: readonly ExcCode[]): number =>
  codes.reduce<number>((bits, code) => bits | (1 << code), 0);

/** Exceptions by an instruction itself, which BadInstr records (MIPS32 PRA release 5, BadInstr register). */
const BAD_INSTR_CODES = bitsOf([
  EXC_CODE.Mod,
  EXC_CODE.TLBL,
  EXC_CODE.TLBS,
  EXC_CODE.AdEL,
  EXC_CODE.AdES,
  EXC_CODE.Sys,
  EXC_CODE.Bp,
  EXC_CODE.RI,
  EXC_CODE.CpU,
  EXC_CODE.Ov,
  EXC_CODE.Tr,
  EXC_CODE.FPE,
  EXC_CODE.TLBRI,
  EXC_CODE.TLBXI,
]);

/**
 * Exceptions that end the instruction which raised them: whoever handles one does what the instruction asks for,
 * or something else in its place, and does not execute it again.
 */
const ENDING_CODES = bitsOf([
  EXC_CODE.Sys,
  EXC_CODE.Bp,
  EXC_CODE.RI,
  EXC_CODE.CpU,
  EXC_CODE.Ov,
  EXC_CODE.Tr,
  EXC_CODE.FPE,
]);

/** True if the instruction that raised exception `code` is over with it, and was counted as retired. */
export function endsInstruction(code: number): boolean {
  return ((ENDING_CODES >>> code) & 1) !== 0;
}

/** True if exception `code` is one by an instruction itself, which BadInstr records. */
export function recordsInstruction(code: number): boolean {
  return ((BAD_INSTR_CODES >>> code) & 1) !== 0;
}
