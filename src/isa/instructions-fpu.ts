import type { Lowering } from "./ir.ts";
import { row, type IsaLevel, type TypedRow } from "./row.ts";

/** The CPU models have no FPU yet: every floating-point instruction raises Coprocessor Unusable (1). */
const unusable = (l: Lowering): void => l.helper("coprocessorUnusable", l.const(1));

/** Value of the fmt field (bits 25:21 of COP1) of each format. */
const FORMAT = { s: "10000", d: "10001", w: "10100", l: "10101", ps: "10110" } as const;
type Format = keyof typeof FORMAT;

/** Value of the 3-bit fmt field of the COP1X multiply-add group. */
const FORMAT3 = { s: "000", d: "001", ps: "110" } as const;

const CONDITIONS = [
  ...(["f", "un", "eq", "ueq", "olt", "ult", "ole", "ule"] as const),
  ...(["sf", "ngle", "seq", "ngl", "lt", "nge", "le", "ngt"] as const),
] as const;

type Row<M extends string, A extends string> = M extends string ? TypedRow<M, string, A> : never;

function fpu<M extends string, P extends string, A extends string>(
  mnemonic: M,
  level: IsaLevel,
  pattern: P,
  asm: A,
): TypedRow<M, P, A> {
  return row(mnemonic, level, pattern, asm, unusable, "fpu");
}

/** One row for each format: `name.format`, the format's bits in the place of `FMT`. */
function formats<M extends string, A extends string, F extends Format>(
  name: M,
  level: IsaLevel,
  rest: string,
  asm: A,
  list: readonly F[],
): Row<`${M}.${F}`, A>[] {
  return list.map(
    (format) =>
      fpu(`${name}.${format}`, level, `010001 ${FORMAT[format]} ${rest}`, asm) as Row<`${M}.${F}`, A>,
  );
}

/** COP1X multiply-add: fd = ±(fs * ft ± fr). */
function multiplyAdd<M extends string>(
  name: M,
  op: string,
): Row<`${M}.${keyof typeof FORMAT3}`, "fd, fr, fs, ft">[] {
  return (["s", "d", "ps"] as const).map(
    (format) =>
      fpu(
        `${name}.${format}`,
        "mips32r2",
        `010011 fr:5 ft:5 fs:5 fd:5 ${op} ${FORMAT3[format]}`,
        "fd, fr, fs, ft",
      ) as Row<`${M}.${keyof typeof FORMAT3}`, "fd, fr, fs, ft">,
  );
}

function compares(): Row<`c.${(typeof CONDITIONS)[number]}.${"s" | "d" | "ps"}`, "cc?, fs, ft">[] {
  return CONDITIONS.flatMap<Row<`c.${(typeof CONDITIONS)[number]}.${"s" | "d" | "ps"}`, "cc?, fs, ft">>(
    (condition, code) =>
      formats(
        `c.${condition}`,
        "mips1",
        `ft:5 fs:5 cc:3 00 11 ${code.toString(2).padStart(4, "0")}`,
        "cc?, fs, ft",
        ["s", "d", "ps"],
      ),
  );
}

/**
 * Floating point: COP1, COP1X, its loads and stores, MOVF and MOVT. `c1`, `cop1` and `cop1x` catch the
 * unassigned encodings of the opcodes: Coprocessor Unusable has priority over Reserved Instruction (MIPS32
 * PRA, exception priority). QEMU raises Reserved Instruction for those of COP1, and for paired single.
 */
// prettier-ignore
export const FPU = [
  ...formats("add",     "mips1",    "ft:5 fs:5 fd:5 000000",  "fd, fs, ft", ["s", "d", "ps"]),
  ...formats("sub",     "mips1",    "ft:5 fs:5 fd:5 000001",  "fd, fs, ft", ["s", "d", "ps"]),
  ...formats("mul",     "mips1",    "ft:5 fs:5 fd:5 000010",  "fd, fs, ft", ["s", "d", "ps"]),
  ...formats("div",     "mips1",    "ft:5 fs:5 fd:5 000011",  "fd, fs, ft", ["s", "d"]),
  ...formats("sqrt",    "mips2",    "00000 fs:5 fd:5 000100", "fd, fs",     ["s", "d"]),
  ...formats("abs",     "mips1",    "00000 fs:5 fd:5 000101", "fd, fs",     ["s", "d", "ps"]),
  ...formats("mov",     "mips1",    "00000 fs:5 fd:5 000110", "fd, fs",     ["s", "d", "ps"]),
  ...formats("neg",     "mips1",    "00000 fs:5 fd:5 000111", "fd, fs",     ["s", "d", "ps"]),
  ...formats("round.l", "mips32r2", "00000 fs:5 fd:5 001000", "fd, fs",     ["s", "d"]),
  ...formats("trunc.l", "mips32r2", "00000 fs:5 fd:5 001001", "fd, fs",     ["s", "d"]),
  ...formats("ceil.l",  "mips32r2", "00000 fs:5 fd:5 001010", "fd, fs",     ["s", "d"]),
  ...formats("floor.l", "mips32r2", "00000 fs:5 fd:5 001011", "fd, fs",     ["s", "d"]),
  ...formats("round.w", "mips2",    "00000 fs:5 fd:5 001100", "fd, fs",     ["s", "d"]),
  ...formats("trunc.w", "mips2",    "00000 fs:5 fd:5 001101", "fd, fs",     ["s", "d"]),
  ...formats("ceil.w",  "mips2",    "00000 fs:5 fd:5 001110", "fd, fs",     ["s", "d"]),
  ...formats("floor.w", "mips2",    "00000 fs:5 fd:5 001111", "fd, fs",     ["s", "d"]),
  ...formats("movf",    "mips32",   "cc:3 00 fs:5 fd:5 010001", "fd, fs, cc", ["s", "d", "ps"]),
  ...formats("movt",    "mips32",   "cc:3 01 fs:5 fd:5 010001", "fd, fs, cc", ["s", "d", "ps"]),
  ...formats("movz",    "mips32",   "rt:5 fs:5 fd:5 010010",  "fd, fs, rt", ["s", "d", "ps"]),
  ...formats("movn",    "mips32",   "rt:5 fs:5 fd:5 010011",  "fd, fs, rt", ["s", "d", "ps"]),
  ...formats("recip",   "mips32r2", "00000 fs:5 fd:5 010101", "fd, fs",     ["s", "d"]),
  ...formats("rsqrt",   "mips32r2", "00000 fs:5 fd:5 010110", "fd, fs",     ["s", "d"]),
  ...formats("cvt.s",   "mips1",    "00000 fs:5 fd:5 100000", "fd, fs",     ["d", "w", "l"]),
  ...formats("cvt.d",   "mips1",    "00000 fs:5 fd:5 100001", "fd, fs",     ["s", "w", "l"]),
  ...formats("cvt.w",   "mips1",    "00000 fs:5 fd:5 100100", "fd, fs",     ["s", "d"]),
  ...formats("cvt.l",   "mips32r2", "00000 fs:5 fd:5 100101", "fd, fs",     ["s", "d"]),
  ...formats("cvt.ps",  "mips32r2", "ft:5 fs:5 fd:5 100110",  "fd, fs, ft", ["s"]),
  fpu("cvt.s.pu", "mips32r2", "010001 10110 00000 fs:5 fd:5 100000", "fd, fs"),
  fpu("cvt.s.pl", "mips32r2", "010001 10110 00000 fs:5 fd:5 101000", "fd, fs"),
  ...formats("pll",     "mips32r2", "ft:5 fs:5 fd:5 101100",  "fd, fs, ft", ["ps"]),
  ...formats("plu",     "mips32r2", "ft:5 fs:5 fd:5 101101",  "fd, fs, ft", ["ps"]),
  ...formats("pul",     "mips32r2", "ft:5 fs:5 fd:5 101110",  "fd, fs, ft", ["ps"]),
  ...formats("puu",     "mips32r2", "ft:5 fs:5 fd:5 101111",  "fd, fs, ft", ["ps"]),
  ...compares(),

  fpu("mfc1",  "mips1",    "010001 00000 rt:5 fs:5 00000000000",  "rt, fs"),
  fpu("cfc1",  "mips1",    "010001 00010 rt:5 fcr:5 00000000000", "rt, fcr"),
  fpu("mfhc1", "mips32r2", "010001 00011 rt:5 fs:5 00000000000",  "rt, fs"),
  fpu("mtc1",  "mips1",    "010001 00100 rt:5 fs:5 00000000000",  "rt, fs"),
  fpu("ctc1",  "mips1",    "010001 00110 rt:5 fcr:5 00000000000", "rt, fcr"),
  fpu("mthc1", "mips32r2", "010001 00111 rt:5 fs:5 00000000000",  "rt, fs"),
  fpu("bc1f",  "mips1",    "010001 01000 cc:3 00 offset:16",      "cc?, offset"),
  fpu("bc1t",  "mips1",    "010001 01000 cc:3 01 offset:16",      "cc?, offset"),
  fpu("bc1fl", "mips2",    "010001 01000 cc:3 10 offset:16",      "cc?, offset"),
  fpu("bc1tl", "mips2",    "010001 01000 cc:3 11 offset:16",      "cc?, offset"),
  fpu("c1",    "mips1",    "010001 1 cofun:25",                   "cofun"),
  fpu("cop1",  "mips1",    "010001 cofun:26",                     ""),

  fpu("lwxc1",   "mips32r2", "010011 rs:5 rt:5 00000 fd:5 000000",   "fd, rt(rs)"),
  fpu("ldxc1",   "mips32r2", "010011 rs:5 rt:5 00000 fd:5 000001",   "fd, rt(rs)"),
  fpu("luxc1",   "mips32r2", "010011 rs:5 rt:5 00000 fd:5 000101",   "fd, rt(rs)"),
  fpu("swxc1",   "mips32r2", "010011 rs:5 rt:5 fs:5 00000 001000",   "fs, rt(rs)"),
  fpu("sdxc1",   "mips32r2", "010011 rs:5 rt:5 fs:5 00000 001001",   "fs, rt(rs)"),
  fpu("suxc1",   "mips32r2", "010011 rs:5 rt:5 fs:5 00000 001101",   "fs, rt(rs)"),
  fpu("prefx",   "mips32r2", "010011 rs:5 rt:5 hint:5 00000 001111", "hint, rt(rs)"),
  fpu("alnv.ps", "mips32r2", "010011 rs:5 ft:5 fs:5 fd:5 011110",    "fd, fs, ft, rs"),
  ...multiplyAdd("madd",  "100"),
  ...multiplyAdd("msub",  "101"),
  ...multiplyAdd("nmadd", "110"),
  ...multiplyAdd("nmsub", "111"),
  fpu("cop1x",   "mips32r2", "010011 cofun:26",                      ""),

  fpu("movf", "mips32", "000000 rs:5 cc:3 -0 rd:5 ----- 000001", "rd, rs, cc"),
  fpu("movt", "mips32", "000000 rs:5 cc:3 -1 rd:5 ----- 000001", "rd, rs, cc"),
  fpu("lwc1", "mips1",  "110001 rs:5 ft:5 imm:16",               "ft, imm(rs)"),
  fpu("ldc1", "mips2",  "110101 rs:5 ft:5 imm:16",               "ft, imm(rs)"),
  fpu("swc1", "mips1",  "111001 rs:5 ft:5 imm:16",               "ft, imm(rs)"),
  fpu("sdc1", "mips2",  "111101 rs:5 ft:5 imm:16",               "ft, imm(rs)"),
] as const;
