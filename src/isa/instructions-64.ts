import type { Lowering } from "./ir.ts";
import { row } from "./row.ts";

/** The engines execute 32-bit CPUs, for which all of these are reserved. */
const reserved = (l: Lowering): void => l.raise("RI");

/**
 * What MIPS64 release 2 adds: doublewords. Code for 64-bit hosts is generated, listed and checked; no CPU model
 * executes it yet, so the rows have no meaning of their own.
 */
// prettier-ignore
export const DOUBLEWORDS = [
  row("dadd",    "mips64r2", "000000 rs:5 rt:5 rd:5 ----- 101100", "rd, rs, rt", reserved),
  row("daddu",   "mips64r2", "000000 rs:5 rt:5 rd:5 ----- 101101", "rd, rs, rt", reserved),
  row("dsub",    "mips64r2", "000000 rs:5 rt:5 rd:5 ----- 101110", "rd, rs, rt", reserved),
  row("dsubu",   "mips64r2", "000000 rs:5 rt:5 rd:5 ----- 101111", "rd, rs, rt", reserved),
  row("daddi",   "mips64r2", "011000 rs:5 rt:5 imm:16",            "rt, rs, imm", reserved),
  row("daddiu",  "mips64r2", "011001 rs:5 rt:5 imm:16",            "rt, rs, imm", reserved),

  row("dsllv",   "mips64r2", "000000 rs:5 rt:5 rd:5 ----- 010100", "rd, rt, rs", reserved),
  row("dsrlv",   "mips64r2", "000000 rs:5 rt:5 rd:5 00000 010110", "rd, rt, rs", reserved),
  row("drotrv",  "mips64r2", "000000 rs:5 rt:5 rd:5 00001 010110", "rd, rt, rs", reserved),
  row("dsrav",   "mips64r2", "000000 rs:5 rt:5 rd:5 ----- 010111", "rd, rt, rs", reserved),
  row("dsll",    "mips64r2", "000000 ----- rt:5 rd:5 sa:5 111000", "rd, rt, sa", reserved),
  row("dsrl",    "mips64r2", "000000 00000 rt:5 rd:5 sa:5 111010", "rd, rt, sa", reserved),
  row("drotr",   "mips64r2", "000000 00001 rt:5 rd:5 sa:5 111010", "rd, rt, sa", reserved),
  row("dsra",    "mips64r2", "000000 ----- rt:5 rd:5 sa:5 111011", "rd, rt, sa", reserved),
  row("dsll32",  "mips64r2", "000000 ----- rt:5 rd:5 sa:5 111100", "rd, rt, sa", reserved),
  row("dsrl32",  "mips64r2", "000000 00000 rt:5 rd:5 sa:5 111110", "rd, rt, sa", reserved),
  row("drotr32", "mips64r2", "000000 00001 rt:5 rd:5 sa:5 111110", "rd, rt, sa", reserved),
  row("dsra32",  "mips64r2", "000000 ----- rt:5 rd:5 sa:5 111111", "rd, rt, sa", reserved),

  row("dmult",   "mips64r2", "000000 rs:5 rt:5 ---00 ----- 011100", "rs, rt", reserved),
  row("dmultu",  "mips64r2", "000000 rs:5 rt:5 ---00 ----- 011101", "rs, rt", reserved),
  row("ddiv",    "mips64r2", "000000 rs:5 rt:5 ----- ----- 011110", "zero, rs, rt", reserved),
  row("ddivu",   "mips64r2", "000000 rs:5 rt:5 ----- ----- 011111", "zero, rs, rt", reserved),
  row("dclz",    "mips64r2", "011100 rs:5 rdCopy:5 rd:5 ----- 100100", "rd, rs", reserved),
  row("dclo",    "mips64r2", "011100 rs:5 rdCopy:5 rd:5 ----- 100101", "rd, rs", reserved),

  row("dextm",   "mips64r2", "011111 rs:5 rt:5 msb:5 lsb:5 000001", "rt, rs, lsb, dextmSize", reserved),
  row("dextu",   "mips64r2", "011111 rs:5 rt:5 msb:5 lsbUpper:5 000010", "rt, rs, lsbUpper, dextuSize", reserved),
  row("dext",    "mips64r2", "011111 rs:5 rt:5 msb:5 lsb:5 000011", "rt, rs, lsb, dextSize", reserved),
  row("dinsm",   "mips64r2", "011111 rs:5 rt:5 msb:5 lsb:5 000101", "rt, rs, lsb, dinsmSize", reserved),
  row("dinsu",   "mips64r2", "011111 rs:5 rt:5 msb:5 lsbUpper:5 000110", "rt, rs, lsbUpper, dinsuSize", reserved),
  row("dins",    "mips64r2", "011111 rs:5 rt:5 msb:5 lsb:5 000111", "rt, rs, lsb, insSize", reserved),
  row("dsbh",    "mips64r2", "011111 ----- rt:5 rd:5 00010 100100", "rd, rt", reserved),
  row("dshd",    "mips64r2", "011111 ----- rt:5 rd:5 00101 100100", "rd, rt", reserved),

  row("ldl",     "mips64r2", "011010 rs:5 rt:5 imm:16", "rt, imm(rs)", reserved),
  row("ldr",     "mips64r2", "011011 rs:5 rt:5 imm:16", "rt, imm(rs)", reserved),
  row("lwu",     "mips64r2", "100111 rs:5 rt:5 imm:16", "rt, imm(rs)", reserved),
  row("sdl",     "mips64r2", "101100 rs:5 rt:5 imm:16", "rt, imm(rs)", reserved),
  row("sdr",     "mips64r2", "101101 rs:5 rt:5 imm:16", "rt, imm(rs)", reserved),
  row("lld",     "mips64r2", "110100 rs:5 rt:5 imm:16", "rt, imm(rs)", reserved),
  row("ld",      "mips64r2", "110111 rs:5 rt:5 imm:16", "rt, imm(rs)", reserved),
  row("scd",     "mips64r2", "111100 rs:5 rt:5 imm:16", "rt, imm(rs)", reserved),
  row("sd",      "mips64r2", "111111 rs:5 rt:5 imm:16", "rt, imm(rs)", reserved),

  row("dmfc0",   "mips64r2", "010000 00001 rt:5 rdNumber:5 -------- sel:3", "rt, rdNumber, sel?", reserved, "cp0"),
  row("dmtc0",   "mips64r2", "010000 00101 rt:5 rdNumber:5 -------- sel:3", "rt, rdNumber, sel?", reserved, "cp0"),
  row("dmfc1",   "mips64r2", "010001 00001 rt:5 fs:5 00000000000",          "rt, fs", reserved, "fpu"),
  row("dmtc1",   "mips64r2", "010001 00101 rt:5 fs:5 00000000000",          "rt, fs", reserved, "fpu"),
  row("dmfc2",   "mips64r2", "010010 00001 rt:5 rdNumber:5 -------- sel:3", "rt, rdNumber, sel?", reserved, "cop2"),
  row("dmtc2",   "mips64r2", "010010 00101 rt:5 rdNumber:5 -------- sel:3", "rt, rdNumber, sel?", reserved, "cop2"),
] as const;
