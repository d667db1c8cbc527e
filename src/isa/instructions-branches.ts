import type { BinaryOp, Expr, Lowering } from "./ir.ts";
import { row } from "./row.ts";

/** What linking instructions save: the address after the delay slot. */
const link = (l: Lowering): Expr => l.add(l.pc, l.const(8));

const compare =
  (op: BinaryOp, likely = false) =>
  (l: Lowering): void =>
    l.branch(l.binary(op, l.rs, l.rt), likely);

const compareZero =
  (op: BinaryOp, likely = false) =>
  (l: Lowering): void =>
    l.branch(l.binary(op, l.rs, l.const(0)), likely);

/** The link register is written whether or not the branch is taken, and rs may be $31: test first. */
const compareZeroLink =
  (op: BinaryOp, likely = false) =>
  (l: Lowering): void => {
    const taken = l.let(l.binary(op, l.rs, l.const(0)));
    l.setLink(link(l));
    l.branch(taken, likely);
  };

/** J and JAL replace the low 28 bits of the delay slot's address. */
const region = (l: Lowering): Expr =>
  l.or(l.and(l.add(l.pc, l.const(4)), l.const(0xf000_0000)), l.field("index"));

const jumpAndLink = (l: Lowering): void => {
  l.setLink(link(l));
  l.jump(region(l));
};

/** rd may be rs (unpredictable by the manual): read the target first. */
const jumpAndLinkRegister = (l: Lowering): void => {
  const target = l.let(l.rs);
  l.setGpr("rd", link(l));
  l.jump(target);
};

const trap =
  (op: BinaryOp) =>
  (l: Lowering): void =>
    l.raiseIf(l.binary(op, l.rs, l.rt), "Tr");

const trapImmediate =
  (op: BinaryOp) =>
  (l: Lowering): void =>
    l.raiseIf(l.binary(op, l.rs, l.field("imm")), "Tr");

/**
 * Branches, jumps, traps, SYSCALL and BREAK.
 *
 * rt must be zero in BLEZ and BGTZ (later releases use the other values), but is not checked in the
 * likely forms. Any hint of JR and JALR is accepted (QEMU refuses all but 0 and 16 in JALR); 16 makes the hazard
 * barrier forms.
 */
// prettier-ignore
export const BRANCHES = [
  row("j",       "mips1",    "000010 index:26",                       "index", (l) => l.jump(region(l)), "jump"),
  row("jal",     "mips1",    "000011 index:26",                       "index", jumpAndLink, "jump"),
  row("jr",      "mips1",    "000000 rs:5 ----- ----- ----- 001000",  "rs",     (l) => l.jump(l.rs), "jump"),
  row("jr.hb",   "mips32r2", "000000 rs:5 ----- ----- 10000 001000",  "rs",     (l) => l.jump(l.rs), "jump"),
  row("jalr",    "mips1",    "000000 rs:5 ----- rd:5 ----- 001001",   "rd, rs", jumpAndLinkRegister, "jump"),
  row("jalr.hb", "mips32r2", "000000 rs:5 ----- rd:5 10000 001001",   "rd, rs", jumpAndLinkRegister, "jump"),

  row("beq",     "mips1",    "000100 rs:5 rt:5 offset:16",    "rs, rt, offset", compare("eq"), "branch"),
  row("bne",     "mips1",    "000101 rs:5 rt:5 offset:16",    "rs, rt, offset", compare("ne"), "branch"),
  row("blez",    "mips1",    "000110 rs:5 00000 offset:16",   "rs, offset", compareZero("leS"), "branch"),
  row("bgtz",    "mips1",    "000111 rs:5 00000 offset:16",   "rs, offset", compareZero("gtS"), "branch"),
  row("beql",    "mips2",    "010100 rs:5 rt:5 offset:16",    "rs, rt, offset", compare("eq", true), "branch"),
  row("bnel",    "mips2",    "010101 rs:5 rt:5 offset:16",    "rs, rt, offset", compare("ne", true), "branch"),
  row("blezl",   "mips2",    "010110 rs:5 ----- offset:16",   "rs, offset", compareZero("leS", true), "branch"),
  row("bgtzl",   "mips2",    "010111 rs:5 ----- offset:16",   "rs, offset", compareZero("gtS", true), "branch"),
  row("bltz",    "mips1",    "000001 rs:5 00000 offset:16",   "rs, offset", compareZero("ltS"), "branch"),
  row("bgez",    "mips1",    "000001 rs:5 00001 offset:16",   "rs, offset", compareZero("geS"), "branch"),
  row("bltzl",   "mips2",    "000001 rs:5 00010 offset:16",   "rs, offset", compareZero("ltS", true), "branch"),
  row("bgezl",   "mips2",    "000001 rs:5 00011 offset:16",   "rs, offset", compareZero("geS", true), "branch"),
  row("bltzal",  "mips1",    "000001 rs:5 10000 offset:16",   "rs, offset", compareZeroLink("ltS"), "branch"),
  row("bgezal",  "mips1",    "000001 rs:5 10001 offset:16",   "rs, offset", compareZeroLink("geS"), "branch"),
  row("bltzall", "mips2",    "000001 rs:5 10010 offset:16",   "rs, offset", compareZeroLink("ltS", true), "branch"),
  row("bgezall", "mips2",    "000001 rs:5 10011 offset:16",   "rs, offset", compareZeroLink("geS", true), "branch"),

  row("tge",     "mips2",    "000000 rs:5 rt:5 code:10 110000", "rs, rt, code?", trap("geS")),
  row("tgeu",    "mips2",    "000000 rs:5 rt:5 code:10 110001", "rs, rt, code?", trap("geU")),
  row("tlt",     "mips2",    "000000 rs:5 rt:5 code:10 110010", "rs, rt, code?", trap("ltS")),
  row("tltu",    "mips2",    "000000 rs:5 rt:5 code:10 110011", "rs, rt, code?", trap("ltU")),
  row("teq",     "mips2",    "000000 rs:5 rt:5 code:10 110100", "rs, rt, code?", trap("eq")),
  row("tne",     "mips2",    "000000 rs:5 rt:5 code:10 110110", "rs, rt, code?", trap("ne")),
  row("tgei",    "mips2",    "000001 rs:5 01000 imm:16",        "rs, imm", trapImmediate("geS")),
  row("tgeiu",   "mips2",    "000001 rs:5 01001 imm:16",        "rs, imm", trapImmediate("geU")),
  row("tlti",    "mips2",    "000001 rs:5 01010 imm:16",        "rs, imm", trapImmediate("ltS")),
  row("tltiu",   "mips2",    "000001 rs:5 01011 imm:16",        "rs, imm", trapImmediate("ltU")),
  row("teqi",    "mips2",    "000001 rs:5 01100 imm:16",        "rs, imm", trapImmediate("eq")),
  row("tnei",    "mips2",    "000001 rs:5 01110 imm:16",        "rs, imm", trapImmediate("ne")),

  row("syscall", "mips1",    "000000 code:20 001100",           "code?", (l) => l.raise("Sys")),
  row("break",   "mips1",    "000000 code:10 code2:10 001101",  "code?, code2?", (l) => l.raise("Bp")),
] as const;
