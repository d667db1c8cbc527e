import { conditionBit, CONDITIONS, FMT, FPU_FUNCTION, MULTIPLY_ADD, type FormatName } from "./fpu.ts";
import type { Expr, HelperName, Lowering } from "./ir.ts";
import { row, type IsaLevel, type TypedRow } from "./row.ts";

type Lower = (l: Lowering) => void;

/** What no CPU model has, paired single for one: Coprocessor Unusable if coprocessor 1 is, else reserved. */
const absent: Lower = (l) => l.helper("coprocessorUnusable", l.const(1));

/** An instruction of the FPU: it must be usable. */
const using =
  (lower: Lower): Lower =>
  (l) => {
    l.requireFpu();
    lower(l);
  };

/** What the operation of the machine `name` does with the values that `args` gives. */
const helper = (name: HelperName, args: (l: Lowering) => readonly Expr[]): Lower =>
  using((l) => l.helper(name, ...args(l)));

type Row<M extends string, A extends string> = M extends string ? TypedRow<M, string, A> : never;

function fpu<M extends string, P extends string, A extends string>(
  mnemonic: M,
  level: IsaLevel,
  pattern: P,
  asm: A,
  lower: Lower = absent,
): TypedRow<M, P, A> {
  return row(mnemonic, level, pattern, asm, lower, "fpu");
}

/**
 * One row for each format: `name.format`, the format's bits before `rest`. Of paired single there are only the
 * encodings.
 */
function formats<M extends string, A extends string, F extends FormatName>(
  name: M,
  level: IsaLevel,
  rest: string,
  asm: A,
  list: readonly F[],
  lower: (format: number) => Lower,
): Row<`${M}.${F}`, A>[] {
  return list.map((format) => {
    const lowered = format === "ps" ? absent : lower(FMT[format]);
    return fpu(`${name}.${format}`, level, `010001 ${bits(FMT[format], 5)} ${rest}`, asm, lowered) as Row<
      `${M}.${F}`,
      A
    >;
  });
}

/** A number as `width` bits of a pattern. */
const bits = (value: number, width: number): string => value.toString(2).padStart(width, "0");

/** Binary and unary arithmetic functions and conversions. */
function binary<M extends string, F extends FormatName>(
  name: M,
  level: IsaLevel,
  fn: keyof typeof FPU_FUNCTION,
  list: readonly F[],
): Row<`${M}.${F}`, "fd, fs, ft">[] {
  const rest = `ft:5 fs:5 fd:5 ${bits(FPU_FUNCTION[fn], 6)}`;
  return formats(name, level, rest, "fd, fs, ft", list, (format) =>
    helper("fpuOperate", (l) => [
      ...[l.const(FPU_FUNCTION[fn]), l.const(format)],
      ...[l.field("fs"), l.field("ft"), l.field("fd")],
    ]),
  );
}

/** A function without a second operand: the operation is given the first one in its place. */
function unary<M extends string, F extends FormatName>(
  name: M,
  level: IsaLevel,
  fn: keyof typeof FPU_FUNCTION,
  list: readonly F[],
): Row<`${M}.${F}`, "fd, fs">[] {
  const rest = `00000 fs:5 fd:5 ${bits(FPU_FUNCTION[fn], 6)}`;
  return formats(name, level, rest, "fd, fs", list, (format) =>
    helper("fpuOperate", (l) => [
      ...[l.const(FPU_FUNCTION[fn]), l.const(format)],
      ...[l.field("fs"), l.field("fs"), l.field("fd")],
    ]),
  );
}

const paired = <M extends string>(name: M, fn: string): Row<`${M}.ps`, "fd, fs, ft">[] =>
  formats(name, "mips32r2", `ft:5 fs:5 fd:5 ${fn}`, "fd, fs, ft", ["ps"], () => absent);

/** Whether condition code `cc` is set, or clear. */
const condition = (l: Lowering, set: boolean): Expr => {
  // FCC1 lies behind FS, which lies behind FCC0.
  const cc = l.field("cc");
  const shift = l.select(cc, l.add(cc, l.const(conditionBit(1) - 1)), l.const(conditionBit(0)));
  const bit = l.and(l.binary("shrU", l.fcsr, shift), l.const(1));
  return set ? bit : l.xor(bit, l.const(1));
};

/** MOVF, MOVT, MOVZ and MOVN of an FPU register. */
const moveIf =
  (when: (l: Lowering) => Expr) =>
  (format: number): Lower =>
    helper("fpuMoveIf", (l) => [l.const(format), when(l), l.field("fs"), l.field("fd")]);

/** COP1X multiply-add: fd = ±(fs * ft ± fr). */
function multiplyAdd<M extends keyof typeof MULTIPLY_ADD>(
  name: M,
): Row<`${M}.${"s" | "d" | "ps"}`, "fd, fr, fs, ft">[] {
  return (["s", "d", "ps"] as const).map((format) => {
    const fn = `${bits(MULTIPLY_ADD[name], 3)} ${bits(FMT[format] & 7, 3)}`;
    const lower = helper("fpuMultiplyAdd", (l) => [
      ...[l.const(MULTIPLY_ADD[name]), l.const(FMT[format])],
      ...[l.field("fr"), l.field("fs"), l.field("ft"), l.field("fd")],
    ]);
    return fpu(
      `${name}.${format}`,
      "mips32r2",
      `010011 fr:5 ft:5 fs:5 fd:5 ${fn}`,
      "fd, fr, fs, ft",
      format === "ps" ? absent : lower,
    ) as Row<`${M}.${"s" | "d" | "ps"}`, "fd, fr, fs, ft">;
  });
}

type Compare = `c.${(typeof CONDITIONS)[number]}.${"s" | "d" | "ps"}`;

function compares(): Row<Compare, "cc?, fs, ft">[] {
  return CONDITIONS.flatMap<Row<Compare, "cc?, fs, ft">>((name, code) =>
    formats(
      `c.${name}`,
      "mips1",
      `ft:5 fs:5 cc:3 00 11 ${bits(code, 4)}`,
      "cc?, fs, ft",
      ["s", "d", "ps"],
      (format) =>
        helper("fpuCompare", (l) => [
          ...[l.const(code), l.const(format)],
          ...[l.field("fs"), l.field("ft"), l.field("cc")],
        ]),
    ),
  );
}

const branch = (taken: boolean, likely = false): Lower => using((l) => l.branch(condition(l, taken), likely));

/** Address of loads and stores with a displacement, and with an index in a register. */
const displaced = (l: Lowering): Expr => l.add(l.rs, l.field("imm"));
const indexed = (l: Lowering): Expr => l.add(l.rs, l.rt);

const load = (field: "ft" | "fd", address: (l: Lowering) => Expr): Lower =>
  using((l) => l.setFpr(field, l.load(4, true, address(l))));
const store = (field: "ft" | "fs", address: (l: Lowering) => Expr): Lower =>
  using((l) => l.store(4, address(l), l.fpr(field)));
/** Loads and stores of 64 bits. */
const double = (name: HelperName, field: "ft" | "fd" | "fs", address: (l: Lowering) => Expr): Lower =>
  helper(name, (l) => [l.field(field), address(l)]);

/** MOVF and MOVT of a general register. */
const moveGprIf = (set: boolean): Lower =>
  using((l) => l.setGpr("rd", l.select(condition(l, set), l.rs, l.rd)));

/**
 * Floating point: COP1, COP1X, its loads and stores, MOVF and MOVT. `c1`, `cop1` and `cop1x` catch the
 * unassigned encodings of the opcodes: Coprocessor Unusable has priority over Reserved Instruction (MIPS32
 * PRA, exception priority). QEMU raises Reserved Instruction for those of COP1, and for paired single.
 */
// prettier-ignore
export const FPU = [
  ...binary("add", "mips1", "add", ["s", "d", "ps"]),
  ...binary("sub", "mips1", "sub", ["s", "d", "ps"]),
  ...binary("mul", "mips1", "mul", ["s", "d", "ps"]),
  ...binary("div", "mips1", "div", ["s", "d"]),
  ...unary("sqrt", "mips2", "sqrt", ["s", "d"]),
  ...unary("abs", "mips1", "abs", ["s", "d", "ps"]),
  ...unary("mov", "mips1", "mov", ["s", "d", "ps"]),
  ...unary("neg", "mips1", "neg", ["s", "d", "ps"]),
  ...unary("round.l", "mips32r2", "roundL", ["s", "d"]),
  ...unary("trunc.l", "mips32r2", "truncL", ["s", "d"]),
  ...unary("ceil.l", "mips32r2", "ceilL", ["s", "d"]),
  ...unary("floor.l", "mips32r2", "floorL", ["s", "d"]),
  ...unary("round.w", "mips2", "roundW", ["s", "d"]),
  ...unary("trunc.w", "mips2", "truncW", ["s", "d"]),
  ...unary("ceil.w", "mips2", "ceilW", ["s", "d"]),
  ...unary("floor.w", "mips2", "floorW", ["s", "d"]),
  ...formats("movf", "mips32", "cc:3 00 fs:5 fd:5 010001", "fd, fs, cc", ["s", "d", "ps"], moveIf((l) => condition(l, false))),
  ...formats("movt", "mips32", "cc:3 01 fs:5 fd:5 010001", "fd, fs, cc", ["s", "d", "ps"], moveIf((l) => condition(l, true))),
  ...formats("movz", "mips32", "rt:5 fs:5 fd:5 010010", "fd, fs, rt", ["s", "d", "ps"], moveIf((l) => l.binary("eq", l.rt, l.const(0)))),
  ...formats("movn", "mips32", "rt:5 fs:5 fd:5 010011", "fd, fs, rt", ["s", "d", "ps"], moveIf((l) => l.binary("ne", l.rt, l.const(0)))),
  ...unary("recip", "mips32r2", "recip", ["s", "d"]),
  ...unary("rsqrt", "mips32r2", "rsqrt", ["s", "d"]),
  ...unary("cvt.s", "mips1", "cvtS", ["d", "w", "l"]),
  ...unary("cvt.d", "mips1", "cvtD", ["s", "w", "l"]),
  ...unary("cvt.w", "mips1", "cvtW", ["s", "d"]),
  ...unary("cvt.l", "mips32r2", "cvtL", ["s", "d"]),
  ...formats("cvt.ps", "mips32r2", "ft:5 fs:5 fd:5 100110", "fd, fs, ft", ["s"], () => absent),
  fpu("cvt.s.pu", "mips32r2", "010001 10110 00000 fs:5 fd:5 100000", "fd, fs"),
  fpu("cvt.s.pl", "mips32r2", "010001 10110 00000 fs:5 fd:5 101000", "fd, fs"),
  ...paired("pll", "101100"),
  ...paired("plu", "101101"),
  ...paired("pul", "101110"),
  ...paired("puu", "101111"),
  ...compares(),

  fpu("mfc1",  "mips1",    "010001 00000 rt:5 fs:5 00000000000",  "rt, fs", using((l) => l.setGpr("rt", l.fpr("fs")))),
  fpu("cfc1",  "mips1",    "010001 00010 rt:5 fcr:5 00000000000", "rt, fcr", using((l) => l.setGpr("rt", l.helperValue("cfc1", l.field("fcr"))))),
  fpu("mfhc1", "mips32r2", "010001 00011 rt:5 fs:5 00000000000",  "rt, fs", using((l) => l.setGpr("rt", l.helperValue("mfhc1", l.field("fs"))))),
  fpu("mtc1",  "mips1",    "010001 00100 rt:5 fs:5 00000000000",  "rt, fs", using((l) => l.setFpr("fs", l.rt))),
  fpu("ctc1",  "mips1",    "010001 00110 rt:5 fcr:5 00000000000", "rt, fcr", helper("ctc1", (l) => [l.field("fcr"), l.rt])),
  fpu("mthc1", "mips32r2", "010001 00111 rt:5 fs:5 00000000000",  "rt, fs", helper("mthc1", (l) => [l.field("fs"), l.rt])),
  fpu("bc1f",  "mips1",    "010001 01000 cc:3 00 offset:16",      "cc?, offset", branch(false)),
  fpu("bc1t",  "mips1",    "010001 01000 cc:3 01 offset:16",      "cc?, offset", branch(true)),
  fpu("bc1fl", "mips2",    "010001 01000 cc:3 10 offset:16",      "cc?, offset", branch(false, true)),
  fpu("bc1tl", "mips2",    "010001 01000 cc:3 11 offset:16",      "cc?, offset", branch(true, true)),
  fpu("c1",    "mips1",    "010001 1 cofun:25",                   "cofun"),
  fpu("cop1",  "mips1",    "010001 cofun:26",                     ""),

  fpu("lwxc1",   "mips32r2", "010011 rs:5 rt:5 00000 fd:5 000000",   "fd, rt(rs)", load("fd", indexed)),
  fpu("ldxc1",   "mips32r2", "010011 rs:5 rt:5 00000 fd:5 000001",   "fd, rt(rs)", double("ldxc1", "fd", indexed)),
  fpu("luxc1",   "mips32r2", "010011 rs:5 rt:5 00000 fd:5 000101",   "fd, rt(rs)", double("luxc1", "fd", indexed)),
  fpu("swxc1",   "mips32r2", "010011 rs:5 rt:5 fs:5 00000 001000",   "fs, rt(rs)", store("fs", indexed)),
  fpu("sdxc1",   "mips32r2", "010011 rs:5 rt:5 fs:5 00000 001001",   "fs, rt(rs)", double("sdxc1", "fs", indexed)),
  fpu("suxc1",   "mips32r2", "010011 rs:5 rt:5 fs:5 00000 001101",   "fs, rt(rs)", double("suxc1", "fs", indexed)),
  fpu("prefx",   "mips32r2", "010011 rs:5 rt:5 hint:5 00000 001111", "hint, rt(rs)", using(() => {})),
  fpu("alnv.ps", "mips32r2", "010011 rs:5 ft:5 fs:5 fd:5 011110",    "fd, fs, ft, rs"),
  ...multiplyAdd("madd"),
  ...multiplyAdd("msub"),
  ...multiplyAdd("nmadd"),
  ...multiplyAdd("nmsub"),
  fpu("cop1x",   "mips32r2", "010011 cofun:26",                      ""),

  fpu("movf", "mips32", "000000 rs:5 cc:3 -0 rd:5 ----- 000001", "rd, rs, cc", moveGprIf(false)),
  fpu("movt", "mips32", "000000 rs:5 cc:3 -1 rd:5 ----- 000001", "rd, rs, cc", moveGprIf(true)),
  fpu("lwc1", "mips1",  "110001 rs:5 ft:5 imm:16",               "ft, imm(rs)", load("ft", displaced)),
  fpu("ldc1", "mips2",  "110101 rs:5 ft:5 imm:16",               "ft, imm(rs)", double("ldc1", "ft", displaced)),
  fpu("swc1", "mips1",  "111001 rs:5 ft:5 imm:16",               "ft, imm(rs)", store("ft", displaced)),
  fpu("sdc1", "mips2",  "111101 rs:5 ft:5 imm:16",               "ft, imm(rs)", double("sdc1", "ft", displaced)),
] as const;
