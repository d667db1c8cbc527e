import { GPR } from "../../isa/registers.ts";
import type { Assembler } from "../../uasm/assembler.ts";
import type { Label } from "../../uasm/label.ts";
import { VCPU } from "../layout.ts";
import { mfc0, mtc0, type CodeTarget } from "./target.ts";

/**
 * Guest registers that the code of fast exits uses for itself; they wait in their slots of the vcpu structure. k0 is
 * free for use too (its slot was written by the stub), and the guest's k1 is in the temporary.
 */
// prettier-ignore
export const BORROWED: readonly number[] = [
  GPR.at, GPR.v0, GPR.v1, GPR.a0, GPR.a1, GPR.a2, GPR.a3, GPR.t0, GPR.t1, GPR.t2,
];

/** Offset of guest register `reg` in the vcpu structure. */
export function slot(reg: number): number {
  return VCPU.gprs + 4 * reg;
}

/** Emits stores of borrowed registers to their slots; k1 is the VCPU pointer. */
export function emitBorrow(asm: Assembler, borrowed: readonly number[]): void {
  for (const reg of borrowed) asm.sw(reg, slot(reg), GPR.k1);
}

/** Emits what gives borrowed registers back; k1 is the VCPU pointer. */
export function emitGiveBack(asm: Assembler, borrowed: readonly number[]): void {
  for (const reg of borrowed) asm.lw(reg, slot(reg), GPR.k1);
}

/** Emits: t1 = guest register `reg`, wherever it is while registers are borrowed. */
export function emitReadGuest(
  asm: Assembler,
  target: CodeTarget,
  reg: number,
  borrowed: readonly number[],
): void {
  const { k0, k1, t1 } = GPR;
  if (reg === k1) mfc0(asm, t1, target.scratch.temp);
  else if (reg === k0 || borrowed.includes(reg)) asm.lw(t1, slot(reg), k1);
  else asm.move(t1, reg);
}

/** Emits: guest register `reg` = t1. */
export function emitWriteGuest(
  asm: Assembler,
  target: CodeTarget,
  reg: number,
  borrowed: readonly number[],
): void {
  const { k0, k1, t1, zero } = GPR;
  if (reg === zero) asm.nop();
  else if (reg === k1) mtc0(asm, t1, target.scratch.temp);
  else if (reg === k0 || borrowed.includes(reg)) asm.sw(t1, slot(reg), k1);
  else asm.move(reg, t1);
}

/** Routines that reach a guest register by its number: 32 entries of two words each. */
export interface RegisterTables {
  /** Puts the register into t1 and returns to k0. */
  readonly read: Label;
  /** Takes the register's new value from t1 and goes on at the label given to {@link emitRegisterTables}. */
  readonly write: Label;
}

/** Emits the tables. Wherever the guest's register is now, its entry knows. */
export function emitRegisterTables(
  asm: Assembler,
  target: CodeTarget,
  tables: RegisterTables,
  afterWrite: Label,
): void {
  asm.bind(tables.read);
  for (let reg = 0; reg < 32; reg++) {
    asm.jr(GPR.k0);
    emitReadGuest(asm, target, reg, BORROWED);
  }
  asm.bind(tables.write);
  for (let reg = 0; reg < 32; reg++) {
    asm.b(afterWrite);
    emitWriteGuest(asm, target, reg, BORROWED);
  }
}

/** Puts into `reg` the address of the table entry for the register that field `shift` of the word in a0 or a1 names. */
function emitEntryAddress(asm: Assembler, word: number, shift: number, table: Label, reg: number): void {
  asm.ext(GPR.at, word, shift, 5);
  asm.sll(GPR.at, GPR.at, 3);
  asm.loadAddress(reg, table);
  asm.addu(reg, reg, GPR.at);
}

/** Position of register fields in an instruction word. */
export const FIELD = { rs: 21, rt: 16, rd: 11 } as const;

/** Emits: t1 = the guest register that field `shift` of the instruction in `word` names. Clobbers at and k0. */
export function emitReadRegister(asm: Assembler, tables: RegisterTables, word: number, shift: number): void {
  emitEntryAddress(asm, word, shift, tables.read, GPR.t1);
  asm.comment("t1 = that register").jalr(GPR.k0, GPR.t1);
  asm.nop();
}

/** Emits: the guest register that rt of the instruction in a0 names = t1. Clobbers at and k0, and goes on elsewhere. */
export function emitWriteRegister(asm: Assembler, tables: RegisterTables): void {
  emitEntryAddress(asm, GPR.a0, FIELD.rt, tables.write, GPR.k0);
  asm.comment("that register = t1").jr(GPR.k0);
  asm.nop();
}
