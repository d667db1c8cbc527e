import type { Lowering } from "./ir.ts";
import { row } from "./row.ts";

const unusable = (l: Lowering): void => l.helper("coprocessorUnusable", l.const(2));

/**
 * Coprocessor 2. No CPU model has one, so every encoding of its opcodes raises Coprocessor Unusable (2);
 * `cop2` catches those that have no name. QEMU raises Reserved Instruction for opcode 18 instead; by the
 * manual Coprocessor Unusable has priority.
 */
// prettier-ignore
export const COP2 = [
  row("mfc2",  "mips1",    "010010 00000 rt:5 rdNumber:5 -------- sel:3", "rt, rdNumber, sel?", unusable, "cop2"),
  row("cfc2",  "mips1",    "010010 00010 rt:5 rdNumber:5 -----------",    "rt, rdNumber", unusable, "cop2"),
  row("mfhc2", "mips32r2", "010010 00011 rt:5 rdNumber:5 -------- sel:3", "rt, rdNumber, sel?", unusable, "cop2"),
  row("mtc2",  "mips1",    "010010 00100 rt:5 rdNumber:5 -------- sel:3", "rt, rdNumber, sel?", unusable, "cop2"),
  row("ctc2",  "mips1",    "010010 00110 rt:5 rdNumber:5 -----------",    "rt, rdNumber", unusable, "cop2"),
  row("mthc2", "mips32r2", "010010 00111 rt:5 rdNumber:5 -------- sel:3", "rt, rdNumber, sel?", unusable, "cop2"),
  row("bc2f",  "mips1",    "010010 01000 cc:3 00 offset:16",              "cc?, offset", unusable, "cop2"),
  row("bc2t",  "mips1",    "010010 01000 cc:3 01 offset:16",              "cc?, offset", unusable, "cop2"),
  row("bc2fl", "mips2",    "010010 01000 cc:3 10 offset:16",              "cc?, offset", unusable, "cop2"),
  row("bc2tl", "mips2",    "010010 01000 cc:3 11 offset:16",              "cc?, offset", unusable, "cop2"),
  row("c2",    "mips1",    "010010 1 cofun:25",                           "cofun", unusable, "cop2"),
  row("cop2",  "mips1",    "010010 cofun:26",                             "", unusable, "cop2"),
  row("lwc2",  "mips1",    "110010 rs:5 rtNumber:5 imm:16",               "rtNumber, imm(rs)", unusable, "cop2"),
  row("ldc2",  "mips2",    "110110 rs:5 rtNumber:5 imm:16",               "rtNumber, imm(rs)", unusable, "cop2"),
  row("swc2",  "mips1",    "111010 rs:5 rtNumber:5 imm:16",               "rtNumber, imm(rs)", unusable, "cop2"),
  row("sdc2",  "mips2",    "111110 rs:5 rtNumber:5 imm:16",               "rtNumber, imm(rs)", unusable, "cop2"),
] as const;
