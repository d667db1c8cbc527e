import { CP0 } from "../../isa/cp0.ts";
import { GPR } from "../../isa/registers.ts";
import type { Assembler } from "../../uasm/assembler.ts";
import type { HostVa } from "../addresses.ts";
import { mfc0, mtc0, type CodeTarget } from "./target.ts";

/** Hit operations of CACHE (MIPS32 instruction set, CACHE, table of operations). */
const CACHE_OP = { hitInvalidateI: 0x10, hitWritebackInvalidateD: 0x15 } as const;

/**
 * The host's routines for user memory: whatever user mode has at the address in a0, in the live address space. Each
 * ends in host call `end` with 0 in v0, or `FAULT` if the access raised.
 */
export const USER_ACCESS = {
  /** Loads the word at a0 into v1. */
  loadWord: "user_load_word",
  /** Stores the instruction in a1 at a0, and makes it the one that is fetched from there. */
  storeInstruction: "user_store_instruction",
  /** Writes the data cache's line around a0 back and invalidates it. */
  flushData: "user_flush_data",
  /** The same, and then invalidates the instruction cache's line. */
  flushInstruction: "user_flush_instruction",
} as const;
export type UserAccess = keyof typeof USER_ACCESS;

/** What a routine that faulted leaves in v0: -EFAULT. */
const FAULT = -14;

/** Labels around the instructions that may fault: from the first routine up to `fault`, where the fault goes on. */
const RANGE = { first: USER_ACCESS.loadWord, fault: "user_access_fault" } as const;

/** Emits: `rt` = the word that user mode has at the address in `base`. */
export function emitLoadUser(asm: Assembler, { eva }: CodeTarget, rt: number, base: number): void {
  if (eva) asm.lwe(rt, 0, base);
  else asm.lw(rt, 0, base);
}

/**
 * Emits cache operations on the line that user mode has at the address in `base`: it is written back from the data
 * cache and dropped there, and then in the instruction cache.
 */
export function emitFlushUser(
  asm: Assembler,
  { eva }: CodeTarget,
  cache: "data" | "instruction",
  base: number,
): void {
  const operation = (op: number): void => (eva ? asm.cachee(op, 0, base) : asm.cache(op, 0, base));
  operation(CACHE_OP.hitWritebackInvalidateD);
  if (cache === "instruction") operation(CACHE_OP.hitInvalidateI);
}

/**
 * Emits the routines of {@link USER_ACCESS}. On an EVA host user mode and kernel mode see different things at one
 * address, so that they take the instructions that go where user mode would.
 */
export function emitUserAccess(asm: Assembler, target: CodeTarget, end: number): void {
  const { v0, v1, a0, a1 } = GPR;
  const { eva } = target;
  const done = asm.label("user_access_done");
  const routine = (access: UserAccess, emit: () => void): void => {
    asm.bind(USER_ACCESS[access]);
    emit();
    asm.b(done);
    asm.comment("success").move(v0, GPR.zero);
  };
  routine("loadWord", () => emitLoadUser(asm, target, v1, a0));
  routine("storeInstruction", () => {
    if (eva) asm.swe(a1, 0, a0);
    else asm.sw(a1, 0, a0);
    emitFlushUser(asm, target, "instruction", a0);
  });
  routine("flushData", () => emitFlushUser(asm, target, "data", a0));
  routine("flushInstruction", () => emitFlushUser(asm, target, "instruction", a0));
  asm.bind(RANGE.fault);
  asm.comment("-EFAULT").addiu(v0, GPR.zero, FAULT);
  asm.bind(done);
  asm.sdbbp(end);
}

/**
 * Emits what the host's general vector does with a fault in one of these routines: it goes on at their common fix-up.
 * Falls through if the exception was raised anywhere else. `labels` holds the addresses of their labels.
 */
export function emitFixup(asm: Assembler, labels: Readonly<Record<string, HostVa>>): void {
  const { k0, k1 } = GPR;
  const first = labels[RANGE.first]!;
  const fault = labels[RANGE.fault]!;
  const elsewhere = asm.label("no_user_access");
  mfc0(asm, k0, CP0.EPC);
  asm.comment("the routines for user memory").loadAddress(k1, first);
  asm.subu(k0, k0, k1);
  asm.sltiu(k0, k0, fault - first);
  asm.beqz(k0, elsewhere);
  asm.addiu(k1, k1, fault - first);
  mtc0(asm.comment("end with an error"), k1, CP0.EPC);
  asm.clearHazard();
  asm.eret();
  asm.bind(elsewhere);
}
