import type { HelperName, Lowering } from "./ir.ts";
import { row } from "./row.ts";

const plain =
  (name: HelperName) =>
  (l: Lowering): void =>
    l.helper(name);

/**
 * Coprocessor 0, debug and shadow register instructions.
 *
 * Bits between the CO bit and the function are not checked, except that TLB operations, ERET and DERET
 * want the four bits after CO to be zero (other values are implementation-defined functions) and ERET
 * wants bit 6 to be zero (one makes ERETNC). `c0` and `cop0` catch the rest of the opcode: in
 * user mode even an unassigned encoding raises Coprocessor Unusable before Reserved Instruction.
 */
// prettier-ignore
export const SYSTEM = [
  row("mfc0",   "mips1",    "010000 00000 rt:5 rdNumber:5 -------- sel:3", "rt, rdNumber, sel?", (l) => l.setGpr("rt", l.helperValue("mfc0", l.field("rdNumber"), l.field("sel"))), "cp0"),
  row("mtc0",   "mips1",    "010000 00100 rt:5 rdNumber:5 -------- sel:3", "rt, rdNumber, sel?", (l) => l.helper("mtc0", l.field("rdNumber"), l.field("sel"), l.rt), "cp0"),
  row("mfhc0",  "mips32r5", "010000 00010 rt:5 rdNumber:5 -------- sel:3", "rt, rdNumber, sel?", (l) => l.setGpr("rt", l.helperValue("mfhc0", l.field("rdNumber"), l.field("sel"))), "cp0"),
  row("mthc0",  "mips32r5", "010000 00110 rt:5 rdNumber:5 -------- sel:3", "rt, rdNumber, sel?", (l) => l.helper("mthc0", l.field("rdNumber"), l.field("sel"), l.rt), "cp0"),
  row("rdpgpr", "mips32r2", "010000 01010 rtShadow:5 rd:5 -----------",    "rd, rtShadow", (l) => l.setGpr("rd", l.helperValue("rdpgpr", l.field("rtNumber"))), "cp0"),
  row("wrpgpr", "mips32r2", "010000 01110 rt:5 rdShadow:5 -----------",    "rdShadow, rt", (l) => l.helper("wrpgpr", l.field("rdNumber"), l.rt), "cp0"),
  row("di",     "mips32r2", "010000 01011 rt:5 01100 00000 000000",        "rt?", (l) => l.setGpr("rt", l.helperValue("di")), "cp0"),
  row("ei",     "mips32r2", "010000 01011 rt:5 01100 00000 100000",        "rt?", (l) => l.setGpr("rt", l.helperValue("ei")), "cp0"),
  row("tlbr",   "mips1",    "010000 10000 --------------- 000001",         "", plain("tlbr"), "cp0"),
  row("tlbwi",  "mips1",    "010000 10000 --------------- 000010",         "", plain("tlbwi"), "cp0"),
  row("tlbinv", "mips32r5", "010000 10000 --------------- 000011",         "", plain("tlbinv"), "cp0"),
  row("tlbinvf","mips32r5", "010000 10000 --------------- 000100",         "", plain("tlbinvf"), "cp0"),
  row("tlbwr",  "mips1",    "010000 10000 --------------- 000110",         "", plain("tlbwr"), "cp0"),
  row("tlbp",   "mips1",    "010000 10000 --------------- 001000",         "", plain("tlbp"), "cp0"),
  row("eret",   "mips32",   "010000 10000 --------------0 011000",         "", plain("eret"), "cp0"),
  row("eretnc", "mips32r5", "010000 10000 --------------1 011000",         "", plain("eretnc"), "cp0"),
  row("deret",  "mips32",   "010000 10000 --------------- 011111",         "", plain("deret"), "cp0"),
  row("wait",   "mips32",   "010000 1 code:19 100000",                     "code?", plain("wait"), "cp0"),
  row("c0",     "mips1",    "010000 1 cofun:25",                           "cofun", (l) => l.helper("coprocessorUnusable", l.const(0)), "cp0"),
  row("cop0",   "mips1",    "010000 cofun:26",                             "", (l) => l.helper("coprocessorUnusable", l.const(0)), "cp0"),

  row("sdbbp",  "mips32",   "011100 code:20 111111",                       "code?", (l) => l.helper("sdbbp", l.field("code"))),
  row("rdhwr",  "mips32r2", "011111 ----- rt:5 rdNumber:5 ----- 111011",   "rt, rdNumber", (l) => l.setGpr("rt", l.helperValue("rdhwr", l.field("rdNumber")))),
] as const;
