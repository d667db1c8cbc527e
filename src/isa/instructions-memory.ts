import type { Expr, Lowering } from "./ir.ts";
import { row } from "./row.ts";

/** Effective address: base register plus sign-extended displacement. */
const address = (l: Lowering): Expr => l.add(l.rs, l.field("imm"));

const load =
  (width: 1 | 2 | 4, signed: boolean) =>
  (l: Lowering): void =>
    l.setGpr("rt", l.load(width, signed, address(l)));

const loadPart =
  (part: "left" | "right") =>
  (l: Lowering): void =>
    l.setGpr("rt", l.loadPart(part, address(l), l.rt));

const store =
  (width: 1 | 2 | 4 | "left" | "right") =>
  (l: Lowering): void =>
    l.store(width, address(l), l.rt);

const USER = { user: true } as const;

/** What EVA adds: the same accesses with the rights and the address map of user mode. */
const userLoad =
  (width: 1 | 2 | 4, signed: boolean) =>
  (l: Lowering): void =>
    l.setGpr("rt", l.load(width, signed, address(l), USER));

const userLoadPart =
  (part: "left" | "right") =>
  (l: Lowering): void =>
    l.setGpr("rt", l.loadPart(part, address(l), l.rt, USER));

const userStore =
  (width: 1 | 2 | 4 | "left" | "right") =>
  (l: Lowering): void =>
    l.store(width, address(l), l.rt, USER);

/**
 * Loads, stores, LL/SC, prefetch and cache operations. The user-access instructions are of kind `cp0`: they need
 * coprocessor 0. Like QEMU's, the decoder does not look at their bit 6.
 */
// prettier-ignore
export const MEMORY = [
  row("lb",    "mips1",    "100000 rs:5 rt:5 imm:16",    "rt, imm(rs)", load(1, true)),
  row("lh",    "mips1",    "100001 rs:5 rt:5 imm:16",    "rt, imm(rs)", load(2, true)),
  row("lwl",   "mips1",    "100010 rs:5 rt:5 imm:16",    "rt, imm(rs)", loadPart("left")),
  row("lw",    "mips1",    "100011 rs:5 rt:5 imm:16",    "rt, imm(rs)", load(4, true)),
  row("lbu",   "mips1",    "100100 rs:5 rt:5 imm:16",    "rt, imm(rs)", load(1, false)),
  row("lhu",   "mips1",    "100101 rs:5 rt:5 imm:16",    "rt, imm(rs)", load(2, false)),
  row("lwr",   "mips1",    "100110 rs:5 rt:5 imm:16",    "rt, imm(rs)", loadPart("right")),
  row("sb",    "mips1",    "101000 rs:5 rt:5 imm:16",    "rt, imm(rs)", store(1)),
  row("sh",    "mips1",    "101001 rs:5 rt:5 imm:16",    "rt, imm(rs)", store(2)),
  row("swl",   "mips1",    "101010 rs:5 rt:5 imm:16",    "rt, imm(rs)", store("left")),
  row("sw",    "mips1",    "101011 rs:5 rt:5 imm:16",    "rt, imm(rs)", store(4)),
  row("swr",   "mips1",    "101110 rs:5 rt:5 imm:16",    "rt, imm(rs)", store("right")),
  row("ll",    "mips2",    "110000 rs:5 rt:5 imm:16",    "rt, imm(rs)", (l) => l.setGpr("rt", l.load(4, true, address(l), { linked: true }))),
  row("sc",    "mips2",    "111000 rs:5 rt:5 imm:16",    "rt, imm(rs)", (l) => l.setGpr("rt", l.storeConditional(address(l), l.rt))),
  row("sync",  "mips2",    "000000 ----- ----- ----- stype:5 001111", "stype?", () => {}),
  row("pref",  "mips32",   "110011 rs:5 hint:5 imm:16",  "hint, imm(rs)", () => {}),
  row("cache", "mips32",   "101111 rs:5 op:5 imm:16",    "op, imm(rs)", (l) => l.helper("cache", l.field("op"), address(l)), "cp0"),
  row("synci", "mips32r2", "000001 rs:5 11111 imm:16",   "imm(rs)", (l) => l.helper("synci", address(l))),

  row("lbe",    "mips32r5", "011111 rs:5 rt:5 imm:9 - 101100",   "rt, imm(rs)", userLoad(1, true), "cp0"),
  row("lbue",   "mips32r5", "011111 rs:5 rt:5 imm:9 - 101000",   "rt, imm(rs)", userLoad(1, false), "cp0"),
  row("lhe",    "mips32r5", "011111 rs:5 rt:5 imm:9 - 101101",   "rt, imm(rs)", userLoad(2, true), "cp0"),
  row("lhue",   "mips32r5", "011111 rs:5 rt:5 imm:9 - 101001",   "rt, imm(rs)", userLoad(2, false), "cp0"),
  row("lwe",    "mips32r5", "011111 rs:5 rt:5 imm:9 - 101111",   "rt, imm(rs)", userLoad(4, true), "cp0"),
  row("lwle",   "mips32r5", "011111 rs:5 rt:5 imm:9 - 011001",   "rt, imm(rs)", userLoadPart("left"), "cp0"),
  row("lwre",   "mips32r5", "011111 rs:5 rt:5 imm:9 - 011010",   "rt, imm(rs)", userLoadPart("right"), "cp0"),
  row("sbe",    "mips32r5", "011111 rs:5 rt:5 imm:9 - 011100",   "rt, imm(rs)", userStore(1), "cp0"),
  row("she",    "mips32r5", "011111 rs:5 rt:5 imm:9 - 011101",   "rt, imm(rs)", userStore(2), "cp0"),
  row("swe",    "mips32r5", "011111 rs:5 rt:5 imm:9 - 011111",   "rt, imm(rs)", userStore(4), "cp0"),
  row("swle",   "mips32r5", "011111 rs:5 rt:5 imm:9 - 100001",   "rt, imm(rs)", userStore("left"), "cp0"),
  row("swre",   "mips32r5", "011111 rs:5 rt:5 imm:9 - 100010",   "rt, imm(rs)", userStore("right"), "cp0"),
  row("lle",    "mips32r5", "011111 rs:5 rt:5 imm:9 - 101110",   "rt, imm(rs)", (l) => l.setGpr("rt", l.load(4, true, address(l), { linked: true, user: true })), "cp0"),
  row("sce",    "mips32r5", "011111 rs:5 rt:5 imm:9 - 011110",   "rt, imm(rs)", (l) => l.setGpr("rt", l.storeConditional(address(l), l.rt, USER)), "cp0"),
  row("prefe",  "mips32r5", "011111 rs:5 hint:5 imm:9 - 100011", "hint, imm(rs)", (l) => l.helper("prefe"), "cp0"),
  row("cachee", "mips32r5", "011111 rs:5 op:5 imm:9 - 011011",   "op, imm(rs)", (l) => l.helper("cachee", l.field("op"), address(l)), "cp0"),
] as const;
