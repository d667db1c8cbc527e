/**
 * Which words are instructions, against QEMU: one bare program on QEMU's 24Kc executes tens of thousands of
 * words, each with its operands pointing at RAM, and reports which of them raised Reserved Instruction or
 * Coprocessor Unusable. Every row takes part, each of its fixed and unchecked bits flipped in turn.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { CP0, cp0Operands } from "../../src/isa/cp0.ts";
import { decoderFor, INSTRUCTIONS as ALL, lowerRow, operandValue } from "../../src/isa/decode.ts";
import { EXC_CODE } from "../../src/isa/exceptions.ts";
import { encodingOf } from "../../src/isa/operands.ts";
import { GPR } from "../../src/isa/registers.ts";
import { levelIncludes } from "../../src/isa/row.ts";
import { Assembler } from "../../src/uasm/assembler.ts";

const QEMU = "qemu-system-mipsel";
const SEED = 0x6b736567;
const WORDS_PER_ROW = 40;
const RANDOM_WORDS = 64 * 300;

const CODE = 0x8010_0000;
const WORDS = 0x8020_0000;
/** All registers point here, in the middle of 64 KiB that nothing else uses. */
const SCRATCH = 0x8040_0000;

/** What a 24Kc has. */
const decode = decoderFor("mips32r2");
const INSTRUCTIONS = ALL.filter((row) => levelIncludes("mips32r2", row.level));

type Outcome = "runs" | "RI" | "CpU";

interface KnownDifference {
  readonly what: string;
  readonly reason: string;
  readonly covers: (word: number) => boolean;
  readonly ours: Outcome;
  readonly qemu: Outcome;
}

const opcode = (word: number): number => word >>> 26;
const fn = (word: number): number => word & 63;
const rd = (word: number): number => (word >>> 11) & 31;
const mnemonic = (word: number): string => decode(word)?.mnemonic ?? "";

const KNOWN_DIFFERENCES: readonly KnownDifference[] = [
  {
    what: "coprocessor 2",
    reason:
      "Coprocessor Unusable has priority over Reserved Instruction; QEMU has no such coprocessor to ask",
    covers: (w) => opcode(w) === 0x12,
    ours: "CpU",
    qemu: "RI",
  },
  {
    what: "unassigned encodings of COP1, and paired single",
    reason: "Coprocessor Unusable has priority over Reserved Instruction; QEMU looks at the format first",
    covers: (w) => opcode(w) === 0x11 && /^c(op)?1$|\.ps$|^cvt\.s\.p[ul]$/.test(mnemonic(w)),
    ours: "CpU",
    qemu: "RI",
  },
  {
    what: "JALX",
    reason: "QEMU's 24Kc has MIPS16, which the table leaves out",
    covers: (w) => opcode(w) === 0x1d,
    ours: "RI",
    qemu: "runs",
  },
  {
    what: "MSA without MSA, LSA",
    reason: "QEMU's 24Kc takes these as no operation; release 2 reserves them",
    covers: (w) => opcode(w) === 0x1e || (opcode(w) === 0 && fn(w) === 0x05),
    ours: "RI",
    qemu: "runs",
  },
  {
    what: "DSP instructions that write register 0",
    reason: "QEMU drops writes of $0 before it asks whether there is a DSP",
    covers: (w) =>
      rd(w) === 0 &&
      ((opcode(w) === 0 && (fn(w) === 0x10 || fn(w) === 0x12)) ||
        (opcode(w) === 0x1f && [0x10, 0x11, 0x20].includes(fn(w)))),
    ours: "RI",
    qemu: "runs",
  },
  {
    what: "MFTR, MTTR, TLBINV and TLBINVF",
    reason:
      "QEMU's 24Kc takes some of the MT and release 3 encodings as no operation; release 2 reserves them",
    covers: (w) => /^c(op)?0$/.test(mnemonic(w)),
    ours: "RI",
    qemu: "runs",
  },
  {
    what: "JALR with a hint that is neither 0 nor 16",
    reason: "the manual has unknown hints ignored, and QEMU itself ignores those of JR",
    covers: (w) => mnemonic(w) === "jalr" && ((w >>> 6) & 31) !== 0,
    ours: "runs",
    qemu: "RI",
  },
  {
    what: "RDHWR and MFC0 of registers that the CPU lacks",
    reason: "not a matter of decoding: the machine's register tables decide",
    covers: (w) => ["rdhwr", "mfc0"].includes(mnemonic(w)),
    ours: "runs",
    qemu: "RI",
  },
];

/** Rows that would leave the program: they are covered by the tests that run whole programs. */
const LEFT_OUT = new Set(["mtc0", "eret", "deret", "wait", "sdbbp", "j", "jal"]);

/** A small generator of 32-bit numbers; the same words at every run. */
function* randomWords(seed: number): Generator<number, never> {
  let state = seed;
  for (;;) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    const mixed = Math.imul(state ^ (state >>> 16), 0x45d9f3b);
    yield (mixed ^ (mixed >>> 15)) >>> 0;
  }
}

function generateWords(): number[] {
  const random = randomWords(SEED);
  const words: number[] = [];
  const add = (word: number): void => {
    const row = decode(word);
    if (row !== null && LEFT_OUT.has(row.mnemonic)) return;
    // Branches go to the instruction after their delay slot.
    words.push((row?.kind === "branch" ? (word & 0xffff_0000) | 1 : word) >>> 0);
  };
  for (const row of INSTRUCTIONS) {
    const { mask, match, unchecked } = encodingOf(row);
    for (let index = 0; index < WORDS_PER_ROW; index++) add(match | (random.next().value & ~mask));
    for (let bit = 0; bit < 32; bit++) if (((mask | unchecked) >>> bit) & 1) add(match ^ (1 << bit));
  }
  for (let index = 0; index < RANDOM_WORDS; index++) {
    const dense = random.next().value;
    const sparse = dense & random.next().value & random.next().value;
    add(((index & 63) << 26) | ((index & 64 ? sparse : dense) >>> 6));
  }
  return words;
}

/** What the table says about a word executed in kernel mode by a CPU without FPU. */
function expected(word: number): Outcome {
  const row = decode(word);
  if (row === null) return "RI";
  for (const statement of lowerRow(row)) {
    if (statement.kind === "requireFpu") return "CpU";
    if (statement.kind !== "helper" || statement.name !== "coprocessorUnusable") continue;
    const number = statement.args[0];
    return number?.kind === "const" && number.value === 0 ? "RI" : "CpU";
  }
  // The two rows that look at their fields.
  const value = (name: "lsb" | "msb"): number => operandValue(row, word, name);
  if (row.mnemonic === "ext" && value("lsb") + value("msb") > 31) return "RI";
  if (row.mnemonic === "ins" && value("lsb") > value("msb")) return "RI";
  return "runs";
}

/**
 * The program: takes the words one after the other into a slot, sets all registers to SCRATCH, jumps there,
 * and prints a byte for the exception that followed: 30 + ExcCode (hex) if the slot raised it, else 50.
 */
function buildProgram(count: number): { code: Uint32Array; entry: number } {
  const a = new Assembler({ level: "mips32r2", baseAddress: CODE, limitWords: 256 });
  const { zero, at, v0, v1, a0, a1, a2, k0 } = GPR;
  const handler = a.label("handler");
  const next = a.label("next");
  const done = a.label("done");
  const slot = a.label("slot");
  const stub = a.label("stub");
  const position = a.label("position");
  const UART = 0xb800_03f8;
  const LINE_STATUS = 5;

  a.mtc0(zero, ...cp0Operands(CP0.Status));
  a.mtc0(zero, ...cp0Operands(CP0.Cause));
  a.ehb();
  a.loadAddress(a0, stub);
  for (let word = 0; word < 4; word++) {
    a.lw(a1, word * 4, a0);
    for (const vector of [0x000, 0x180]) {
      a.lui(v1, 0x8000);
      a.sw(a1, vector + word * 4, v1);
    }
  }
  a.loadAddress(v0, WORDS);
  a.loadAddress(v1, position);
  a.b(next);
  a.sw(v0, 0, v1);

  a.bind(stub);
  a.loadAddress(k0, handler);
  a.jr(k0);
  a.nop();

  a.bind(handler);
  a.mfc0(v0, ...cp0Operands(CP0.Cause));
  a.ext(v0, v0, 2, 5);
  a.mfc0(a0, ...cp0Operands(CP0.EPC));
  a.loadAddress(a1, slot);
  const print = a.label("print");
  a.beq(a0, a1, print);
  a.nop();
  a.loadConstant(v0, 0x20);
  a.bind(print);
  a.addiu(v0, v0, 0x30);
  a.loadConstant(v1, UART);
  const busy = a.bind("busy");
  a.lbu(a0, LINE_STATUS, v1);
  a.andi(a0, a0, 0x20);
  a.beqz(a0, busy);
  a.nop();
  a.sb(v0, 0, v1);

  a.bind(next);
  a.mtc0(zero, ...cp0Operands(CP0.Status));
  a.ehb();
  a.loadAddress(v1, position);
  a.lw(v0, 0, v1);
  a.loadConstant(a0, WORDS + count * 4);
  a.beq(v0, a0, done);
  a.nop();
  a.lw(a1, 0, v0);
  a.addiu(v0, v0, 4);
  a.sw(v0, 0, v1);
  a.loadAddress(a2, slot);
  a.sw(a1, 0, a2);
  // Jumps through a register arrive at a BREAK.
  a.lui(at, SCRATCH >>> 16);
  a.loadConstant(v0, 0xd);
  a.sw(v0, 0, at);
  a.sw(v0, 4, at);
  for (let register = 2; register < 32; register++) a.move(register, at);
  a.loadAddress(k0, slot);
  a.jr(k0);
  a.lui(k0, SCRATCH >>> 16);
  a.nop();
  a.bind(slot);
  a.nop();
  a.break();
  a.break();
  a.nop();

  a.bind(done);
  a.loadConstant(v1, UART);
  const flushing = a.bind("flushing");
  a.lbu(a0, LINE_STATUS, v1);
  a.andi(a0, a0, 0x40);
  a.beqz(a0, flushing);
  a.nop();
  // Malta's soft reset, which ends QEMU under -no-reboot.
  a.loadConstant(v1, 0xbf00_0500);
  a.loadConstant(a0, 0x42);
  a.sw(a0, 0, v1);
  const forever = a.bind("forever");
  a.b(forever);
  a.nop();
  a.bind(position);
  a.nop();
  return { code: a.words(), entry: CODE };
}

/** An ELF executable of two loaded pieces (little endian, ELF32). */
function buildElf(
  entry: number,
  pieces: readonly { address: number; words: ArrayLike<number> }[],
): Uint8Array {
  const HEADER = 52;
  const PROGRAM_HEADER = 32;
  const start = HEADER + PROGRAM_HEADER * pieces.length;
  const size = pieces.reduce((sum, piece) => sum + piece.words.length * 4, start);
  const view = new DataView(new ArrayBuffer(size));
  const EM_MIPS = 8;
  // Identification, type, machine, version, entry, places of the tables, flags, sizes.
  view.setUint32(0, 0x7f45_4c46);
  view.setUint32(4, 0x0101_0100);
  view.setUint16(16, 2, true);
  view.setUint16(18, EM_MIPS, true);
  [1, entry, HEADER, 0, 0x7000_1000].forEach((value, index) => view.setUint32(20 + index * 4, value, true));
  [HEADER, PROGRAM_HEADER, pieces.length, 40, 0, 0].forEach((value, index) =>
    view.setUint16(40 + index * 2, value, true),
  );
  let offset = start;
  pieces.forEach(({ address, words }, index) => {
    const length = words.length * 4;
    [1, offset, address, address, length, length, 7, 4].forEach((value, field) =>
      view.setUint32(HEADER + index * PROGRAM_HEADER + field * 4, value, true),
    );
    for (let word = 0; word < words.length; word++) view.setUint32(offset + word * 4, words[word] ?? 0, true);
    offset += length;
  });
  return new Uint8Array(view.buffer);
}

function runQemu(words: readonly number[]): Outcome[] {
  const folder = mkdtempSync(join(tmpdir(), "kseg-qemu-"));
  try {
    const { code: program, entry } = buildProgram(words.length);
    const file = join(folder, "probe.elf");
    const pieces = [
      { address: CODE, words: program },
      { address: WORDS, words },
    ];
    writeFileSync(file, buildElf(entry, pieces));
    const machine = ["-M", "malta", "-cpu", "24Kc", "-m", "64", "-nic", "none", "-vga", "none"];
    const serial = ["-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot"];
    const options = { maxBuffer: 2 ** 24, timeout: 60_000 };
    const { stdout, stderr, status } = spawnSync(QEMU, [...machine, ...serial, "-kernel", file], options);
    if (status !== 0) throw new Error(`${QEMU}: status ${status}: ${stderr.toString()}`);
    return Array.from(stdout, (byte) => {
      const code = byte - 0x30;
      return code === EXC_CODE.RI ? "RI" : code === EXC_CODE.CpU ? "CpU" : "runs";
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const version = spawnSync(QEMU, ["--version"], { encoding: "utf8" });
const missing = version.error !== undefined || version.status !== 0;
if (missing) console.log(`skipped: ${QEMU} is not installed (Debian: qemu-system-mips)`);

describe.skipIf(missing)("decoder against QEMU", () => {
  test("the same words are reserved, unusable and executed", { timeout: 90_000 }, () => {
    const words = generateWords();
    const theirs = runQemu(words);
    expect(theirs.length).toBe(words.length);
    const different: string[] = [];
    const used = new Set<KnownDifference>();
    words.forEach((word, index) => {
      const ours = expected(word);
      const qemu = theirs[index];
      if (ours === qemu) return;
      const known = KNOWN_DIFFERENCES.find(
        (entry) => entry.covers(word) && entry.ours === ours && entry.qemu === qemu,
      );
      if (known !== undefined) used.add(known);
      else different.push(`${word.toString(16)} ${mnemonic(word)}: ours ${ours}, QEMU ${qemu}`);
    });
    expect(different.slice(0, 20)).toEqual([]);
    expect(KNOWN_DIFFERENCES.filter((entry) => !used.has(entry)).map((entry) => entry.what)).toEqual([]);
  });
});
