import type { BinaryOp, Expr, ImmField, Lowering } from "./ir.ts";
import { row } from "./row.ts";

const imm = (l: Lowering): Expr => l.field("imm");

/** rd = rs op rt. */
const three =
  (op: BinaryOp) =>
  (l: Lowering): void =>
    l.setGpr("rd", l.binary(op, l.rs, l.rt));

/** rt = rs op immediate. */
const immediate =
  (op: BinaryOp) =>
  (l: Lowering): void =>
    l.setGpr("rt", l.binary(op, l.rs, imm(l)));

/** rd = rt shifted by the `sa` field. */
const shift =
  (op: BinaryOp) =>
  (l: Lowering): void =>
    l.setGpr("rd", l.binary(op, l.rt, l.field("sa")));

/** rd = rt shifted by rs modulo 32. */
const shiftVariable =
  (op: BinaryOp) =>
  (l: Lowering): void =>
    l.setGpr("rd", l.binary(op, l.rt, l.rs));

/** Sum with integer overflow: both operands differ in sign from the result. */
function addTrapping(l: Lowering, target: "rd" | "rt", right: Expr): void {
  const sum = l.let(l.add(l.rs, right));
  const overflow = l.and(l.xor(l.rs, sum), l.xor(right, sum));
  l.raiseIf(l.binary("ltS", overflow, l.const(0)), "Ov");
  l.setGpr(target, sum);
}

/** Difference with integer overflow: the operands differ in sign, and the result differs from the minuend. */
function subTrapping(l: Lowering): void {
  const difference = l.let(l.sub(l.rs, l.rt));
  const overflow = l.and(l.xor(l.rs, l.rt), l.xor(l.rs, difference));
  l.raiseIf(l.binary("ltS", overflow, l.const(0)), "Ov");
  l.setGpr("rd", difference);
}

/**
 * Quotient to LO and remainder to HI. The architecture leaves a zero divisor and INT_MIN / -1 open; like
 * QEMU the divisor is then taken as 1, so LO is the dividend and HI is 0. The Wasm division never traps.
 */
function divide(l: Lowering, signed: boolean): void {
  let bad = l.binary("eq", l.rt, l.const(0));
  if (signed) {
    const overflow = l.and(l.binary("eq", l.rs, l.const(-0x8000_0000)), l.binary("eq", l.rt, l.const(-1)));
    bad = l.or(bad, overflow);
  }
  const divisor = l.let(l.select(bad, l.const(1), l.rt));
  l.setLo(l.binary(signed ? "divS" : "divU", l.rs, divisor));
  l.setHi(l.binary(signed ? "remS" : "remU", l.rs, divisor));
}

const product = (l: Lowering, signed: boolean) =>
  signed
    ? l.binary64("mul64", l.signed64(l.rs), l.signed64(l.rt))
    : l.binary64("mul64", l.unsigned64(l.rs), l.unsigned64(l.rt));

const multiply =
  (signed: boolean) =>
  (l: Lowering): void =>
    l.setHiLo(product(l, signed));

const accumulate =
  (op: "add64" | "sub64", signed: boolean) =>
  (l: Lowering): void =>
    l.setHiLo(l.binary64(op, l.hilo, product(l, signed)));

/** A mask of `size - 1` + 1 low bits; `2 << 31` wraps to 0, so a full word gives all ones. */
const lowMask = (l: Lowering, sizeMinusOne: Expr): Expr =>
  l.sub(l.binary("shl", l.const(2), sizeMinusOne), l.const(1));

/** Here `msb` holds size - 1 (the manual's msbd). A field beyond bit 31 is reserved; QEMU raises RI too. */
function extract(l: Lowering): void {
  const field = (name: ImmField): Expr => l.field(name);
  l.raiseIf(l.binary("gtS", l.add(field("lsb"), field("msb")), l.const(31)), "RI");
  l.setGpr("rt", l.and(l.binary("shrU", l.rs, field("lsb")), lowMask(l, field("msb"))));
}

/** `msb` is the last bit written. msb < lsb is reserved; QEMU raises RI too. */
function insert(l: Lowering): void {
  const lsb = l.field("lsb");
  const msb = l.field("msb");
  l.raiseIf(l.binary("gtS", lsb, msb), "RI");
  const mask = l.let(l.binary("shl", lowMask(l, l.sub(msb, lsb)), lsb));
  l.setGpr("rt", l.or(l.and(l.rt, l.not(mask)), l.and(l.binary("shl", l.rs, lsb), mask)));
}

/** Swaps the bytes of each halfword. */
function swapBytesInHalves(l: Lowering): void {
  const even = l.const(0x00ff_00ff);
  const up = l.binary("shl", l.and(l.rt, even), l.const(8));
  const down = l.and(l.binary("shrU", l.rt, l.const(8)), even);
  l.setGpr("rd", l.or(up, down));
}

const moveIf =
  (op: "eq" | "ne") =>
  (l: Lowering): void =>
    l.setGpr("rd", l.select(l.binary(op, l.rt, l.const(0)), l.rs, l.rd));

/**
 * Arithmetic, logic, shifts, multiplication and bit fields.
 *
 * Unchecked bits are those that QEMU's decoder ignores (compared bit by bit with version 7.2 on a 24Kc). It
 * does check rs of SRL and sa of SRLV, and the two bits that select a DSP accumulator in MULT, MADD, MFHI
 * and MTHI: without the DSP ASE these are reserved.
 */
// prettier-ignore
export const ALU = [
  row("add",   "mips1",    "000000 rs:5 rt:5 rd:5 ----- 100000", "rd, rs, rt", (l) => addTrapping(l, "rd", l.rt)),
  row("addu",  "mips1",    "000000 rs:5 rt:5 rd:5 ----- 100001", "rd, rs, rt", three("add")),
  row("sub",   "mips1",    "000000 rs:5 rt:5 rd:5 ----- 100010", "rd, rs, rt", subTrapping),
  row("subu",  "mips1",    "000000 rs:5 rt:5 rd:5 ----- 100011", "rd, rs, rt", three("sub")),
  row("and",   "mips1",    "000000 rs:5 rt:5 rd:5 ----- 100100", "rd, rs, rt", three("and")),
  row("or",    "mips1",    "000000 rs:5 rt:5 rd:5 ----- 100101", "rd, rs, rt", three("or")),
  row("xor",   "mips1",    "000000 rs:5 rt:5 rd:5 ----- 100110", "rd, rs, rt", three("xor")),
  row("nor",   "mips1",    "000000 rs:5 rt:5 rd:5 ----- 100111", "rd, rs, rt", (l) => l.setGpr("rd", l.not(l.or(l.rs, l.rt)))),
  row("slt",   "mips1",    "000000 rs:5 rt:5 rd:5 ----- 101010", "rd, rs, rt", three("ltS")),
  row("sltu",  "mips1",    "000000 rs:5 rt:5 rd:5 ----- 101011", "rd, rs, rt", three("ltU")),

  row("addi",  "mips1",    "001000 rs:5 rt:5 imm:16",            "rt, rs, imm",  (l) => addTrapping(l, "rt", imm(l))),
  row("addiu", "mips1",    "001001 rs:5 rt:5 imm:16",            "rt, rs, imm",  immediate("add")),
  row("slti",  "mips1",    "001010 rs:5 rt:5 imm:16",            "rt, rs, imm",  immediate("ltS")),
  row("sltiu", "mips1",    "001011 rs:5 rt:5 imm:16",            "rt, rs, imm",  immediate("ltU")),
  row("andi",  "mips1",    "001100 rs:5 rt:5 uimm:16",           "rt, rs, uimm", immediate("and")),
  row("ori",   "mips1",    "001101 rs:5 rt:5 uimm:16",           "rt, rs, uimm", immediate("or")),
  row("xori",  "mips1",    "001110 rs:5 rt:5 uimm:16",           "rt, rs, uimm", immediate("xor")),
  row("lui",   "mips1",    "001111 ----- rt:5 uimm:16",          "rt, uimm",     (l) => l.setGpr("rt", l.binary("shl", imm(l), l.const(16)))),

  row("sll",   "mips1",    "000000 ----- rt:5 rd:5 sa:5 000000", "rd, rt, sa", shift("shl")),
  row("srl",   "mips1",    "000000 00000 rt:5 rd:5 sa:5 000010", "rd, rt, sa", shift("shrU")),
  row("rotr",  "mips32r2", "000000 00001 rt:5 rd:5 sa:5 000010", "rd, rt, sa", shift("rotr")),
  row("sra",   "mips1",    "000000 ----- rt:5 rd:5 sa:5 000011", "rd, rt, sa", shift("shrS")),
  row("sllv",  "mips1",    "000000 rs:5 rt:5 rd:5 ----- 000100", "rd, rt, rs", shiftVariable("shl")),
  row("srlv",  "mips1",    "000000 rs:5 rt:5 rd:5 00000 000110", "rd, rt, rs", shiftVariable("shrU")),
  row("rotrv", "mips32r2", "000000 rs:5 rt:5 rd:5 00001 000110", "rd, rt, rs", shiftVariable("rotr")),
  row("srav",  "mips1",    "000000 rs:5 rt:5 rd:5 ----- 000111", "rd, rt, rs", shiftVariable("shrS")),

  row("movz",  "mips32",   "000000 rs:5 rt:5 rd:5 ----- 001010", "rd, rs, rt", moveIf("eq")),
  row("movn",  "mips32",   "000000 rs:5 rt:5 rd:5 ----- 001011", "rd, rs, rt", moveIf("ne")),

  row("mfhi",  "mips1",    "000000 ---00 ----- rd:5 ----- 010000", "rd", (l) => l.setGpr("rd", l.hi)),
  row("mthi",  "mips1",    "000000 rs:5 ----- ---00 ----- 010001", "rs", (l) => l.setHi(l.rs)),
  row("mflo",  "mips1",    "000000 ---00 ----- rd:5 ----- 010010", "rd", (l) => l.setGpr("rd", l.lo)),
  row("mtlo",  "mips1",    "000000 rs:5 ----- ---00 ----- 010011", "rs", (l) => l.setLo(l.rs)),
  row("mult",  "mips1",    "000000 rs:5 rt:5 ---00 ----- 011000",  "rs, rt", multiply(true)),
  row("multu", "mips1",    "000000 rs:5 rt:5 ---00 ----- 011001",  "rs, rt", multiply(false)),
  row("div",   "mips1",    "000000 rs:5 rt:5 ----- ----- 011010",  "zero, rs, rt", (l) => divide(l, true)),
  row("divu",  "mips1",    "000000 rs:5 rt:5 ----- ----- 011011",  "zero, rs, rt", (l) => divide(l, false)),
  row("madd",  "mips32",   "011100 rs:5 rt:5 ---00 ----- 000000",  "rs, rt", accumulate("add64", true)),
  row("maddu", "mips32",   "011100 rs:5 rt:5 ---00 ----- 000001",  "rs, rt", accumulate("add64", false)),
  row("mul",   "mips32",   "011100 rs:5 rt:5 rd:5 ----- 000010",   "rd, rs, rt", three("mul")),
  row("msub",  "mips32",   "011100 rs:5 rt:5 ---00 ----- 000100",  "rs, rt", accumulate("sub64", true)),
  row("msubu", "mips32",   "011100 rs:5 rt:5 ---00 ----- 000101",  "rs, rt", accumulate("sub64", false)),
  row("clz",   "mips32",   "011100 rs:5 rdCopy:5 rd:5 ----- 100000", "rd, rs", (l) => l.setGpr("rd", l.clz(l.rs))),
  row("clo",   "mips32",   "011100 rs:5 rdCopy:5 rd:5 ----- 100001", "rd, rs", (l) => l.setGpr("rd", l.clz(l.not(l.rs)))),

  row("ext",   "mips32r2", "011111 rs:5 rt:5 msb:5 lsb:5 000000",  "rt, rs, lsb, extSize", extract),
  row("ins",   "mips32r2", "011111 rs:5 rt:5 msb:5 lsb:5 000100",  "rt, rs, lsb, insSize", insert),
  row("wsbh",  "mips32r2", "011111 ----- rt:5 rd:5 00010 100000",  "rd, rt", swapBytesInHalves),
  row("seb",   "mips32r2", "011111 ----- rt:5 rd:5 10000 100000",  "rd, rt", (l) => l.setGpr("rd", l.extend8(l.rt))),
  row("seh",   "mips32r2", "011111 ----- rt:5 rd:5 11000 100000",  "rd, rt", (l) => l.setGpr("rd", l.extend16(l.rt))),
] as const;
