import { CP0, ENTRY_LO } from "../../isa/cp0.ts";
import { encode } from "../../isa/encode.ts";
import { GPR } from "../../isa/registers.ts";
import type { Assembler } from "../../uasm/assembler.ts";
import { ASID_MASK } from "../asid.ts";
import { CACHE_OPERATION } from "../cache-operation.ts";
import { emitReadRegister, FIELD } from "./fast-exit-registers.ts";
import type { FastExitContext } from "./fast-exit-operations.ts";
import { fieldOf, mfc0, mtc0 } from "./target.ts";
import { emitFlushUser } from "./user-access.ts";

/** Primary opcode of CACHE. */
const CACHE = encode("cache", { op: 0, imm: 0, rs: 0 }) >>> 26;
/** The operand of CACHE: which cache, and what to do with it. */
const [WHICH, WHAT] = [
  [16, 2],
  [18, 3],
] as const;
const { at, zero, a0, a3, t1, t2 } = GPR;

/**
 * Emits CACHE of guest kernel mode; falls through for other instructions. Index operations have nothing to do, hit
 * operations are done at the guest's address, if the TLB has a page there: no exception may be raised here.
 */
export function emitCache(asm: Assembler, context: FastExitContext): void {
  const { target, bail, finish, tables } = context;
  const others = asm.label("no_cache");
  const dataOnly = asm.label("cache_data_only");
  asm.srl(t1, a0, 26);
  asm.addiu(t1, t1, -CACHE);
  asm.bnez(t1, others);
  asm.ext(t1, a0, ...WHAT);
  asm.addiu(at, t1, -CACHE_OPERATION.indexLoadTag);
  asm.beqz(at, bail);
  asm.sltiu(at, t1, CACHE_OPERATION.firstHit);
  asm.comment("nothing to do").bnez(at, finish);
  asm.nop();
  emitReadRegister(asm, tables, a0, FIELD.rs);
  asm.sll(at, a0, 16);
  asm.sra(at, at, 16);
  asm.comment("the address").addu(t1, t1, at);
  if (!target.eva) asm.comment("of the host's kernel").bltz(t1, bail);
  mfc0(asm, a3, CP0.EntryHi);
  asm.andi(a3, a3, ASID_MASK);
  asm.move(at, t1);
  asm.ins(at, zero, 0, 13);
  asm.or(at, at, a3);
  mtc0(asm, at, CP0.EntryHi);
  asm.clearHazard();
  asm.tlbp();
  asm.clearHazard();
  mfc0(asm, at, CP0.Index);
  asm.comment("no entry").bltz(at, bail);
  asm.nop();
  asm.comment("ASID and PageMask are what they were").tlbr();
  asm.clearHazard();
  mfc0(asm, at, CP0.EntryLo0);
  mfc0(asm, a3, CP0.EntryLo1);
  asm.comment("the odd page?").ext(t2, t1, ...fieldOf(target.geometry.pageSize));
  asm.movn(at, a3, t2);
  asm.andi(at, at, ENTRY_LO.V);
  asm.beqz(at, bail);
  asm.comment("of the instruction cache?").ext(at, a0, ...WHICH);
  asm.bnez(at, dataOnly);
  asm.nop();
  emitFlushUser(asm, target, "instruction", t1);
  asm.b(finish);
  asm.nop();
  asm.bind(dataOnly);
  emitFlushUser(asm, target, "data", t1);
  asm.b(finish);
  asm.nop();
  asm.bind(others);
}
