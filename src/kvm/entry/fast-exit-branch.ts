import { encode } from "../../isa/encode.ts";
import { GPR } from "../../isa/registers.ts";
import type { Assembler } from "../../uasm/assembler.ts";
import type { Label } from "../../uasm/label.ts";
import { emitReadRegister, FIELD, type RegisterTables } from "./fast-exit-registers.ts";

/** Primary opcodes and functions of branches (MIPS32 instruction set, opcode tables), as far as tested here. */
const OPCODE = {
  /** J and JAL, when the last bit is left out. */
  jump: encode("j", { index: 0 }) >>> 26,
  /** BEQ, BNE, BLEZ, BGTZ by the last two bits; bit 4 makes them likely. */
  compare: encode("beq", { rs: 0, rt: 0, offset: 0 }) >>> 26,
  compareMask: 0x2c,
  likely: 0x10,
} as const;
/** JR and JALR, when the last bit is left out. */
const FUNCTION_JUMP = { mask: 0x3e, match: encode("jr", { rs: 0 }) & 0x3f } as const;

/**
 * Emits: a2 = where control goes behind the delay slot of the branch whose word is in a1 and whose address is in
 * a2. The CPU has executed the branch, and the delay slot has changed nothing yet, so that the registers decide
 * now as they did then. Branches of coprocessors go to `bail`. Clobbers at, k0, t1 and t2.
 */
export function emitBranchTarget(asm: Assembler, tables: RegisterTables, bail: Label): void {
  const { at, k0, a1, a2, t1, t2, zero } = GPR;
  const [special, regimm, jump, order, have, taken, done] = [
    asm.label("branch_by_register"),
    asm.label("branch_by_sign"),
    asm.label("branch_jump"),
    asm.label("branch_by_order"),
    asm.label("branch_decided"),
    asm.label("branch_taken"),
    asm.label("branch_done"),
  ];
  asm.bind("branch");
  asm.srl(k0, a1, 26);
  asm.beqz(k0, special);
  asm.addiu(at, k0, -1);
  asm.beqz(at, regimm);
  asm.srl(at, k0, 1);
  asm.addiu(at, at, -OPCODE.jump / 2);
  asm.beqz(at, jump);
  asm.andi(at, k0, OPCODE.compareMask);
  asm.addiu(at, at, -OPCODE.compare);
  asm.bnez(at, bail);
  asm.comment("a likely branch with a slot was taken").andi(at, k0, OPCODE.likely);
  asm.bnez(at, taken);
  asm.nop();
  emitReadRegister(asm, tables, a1, FIELD.rs);
  asm.move(t2, t1);
  emitReadRegister(asm, tables, a1, FIELD.rt);
  asm.comment("by order or by equality?").ext(at, a1, 27, 1);
  asm.bnez(at, order);
  asm.xor(t1, t1, t2);
  asm.b(have);
  asm.comment("equal").sltiu(t1, t1, 1);
  asm.bind(order);
  asm.comment("not positive").slti(t1, t2, 1);
  asm.bind(have);
  asm.comment("the other way round?").ext(at, a1, 26, 1);
  asm.xor(t1, t1, at);
  asm.bnez(t1, taken);
  asm.nop();
  asm.b(done);
  asm.comment("not taken").addiu(a2, a2, 8);

  asm.bind(regimm);
  asm.comment("traps and SYNCI are no branches").ext(at, a1, 18, 2);
  asm.bnez(at, bail);
  asm.comment("likely").ext(at, a1, 17, 1);
  asm.bnez(at, taken);
  asm.nop();
  emitReadRegister(asm, tables, a1, FIELD.rs);
  asm.comment("negative").srl(t1, t1, 31);
  asm.ext(at, a1, 16, 1);
  asm.xor(t1, t1, at);
  asm.bnez(t1, taken);
  asm.nop();
  asm.b(done);
  asm.addiu(a2, a2, 8);

  asm.bind(special);
  asm.andi(at, a1, FUNCTION_JUMP.mask);
  asm.addiu(at, at, -FUNCTION_JUMP.match);
  asm.bnez(at, bail);
  asm.nop();
  emitReadRegister(asm, tables, a1, FIELD.rs);
  asm.b(done);
  asm.move(a2, t1);

  asm.bind(jump);
  asm.comment("in the slot's 256 MiB").addiu(a2, a2, 4);
  asm.sll(at, a1, 6);
  asm.srl(at, at, 4);
  asm.ins(a2, zero, 0, 28);
  asm.b(done);
  asm.or(a2, a2, at);

  asm.bind(taken);
  asm.sll(at, a1, 16);
  asm.sra(at, at, 14);
  asm.addu(a2, a2, at);
  asm.addiu(a2, a2, 4);
  asm.bind(done);
}
