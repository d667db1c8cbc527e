/**
 * The disassembler against binutils: at least 100,000 words that cover every row, and random ones, compared
 * text for text with `mipsel-linux-gnu-objdump -b binary -D -m mips:isa32r2`, isa32r5 and
 * isa64r2.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { disassemble } from "../../src/isa/disassemble.ts";
import { ALL_INSTRUCTIONS } from "../../src/isa/instructions.ts";
import { encodingOf } from "../../src/isa/operands.ts";
import { levelIncludes, type IsaLevel } from "../../src/isa/row.ts";

const OBJDUMP = "mipsel-linux-gnu-objdump";
const SEED = 0x6b736567;
const WORDS_PER_ROW = 300;
const RANDOM_WORDS = 64 * 1000;

/** Words of a kind that the two disassemblers treat apart on purpose. */
interface KnownDifference {
  readonly what: string;
  readonly reason: string;
  /** Only for CPUs of this level. */
  readonly level?: IsaLevel;
  /** Whether the word belongs to it. */
  readonly covers: (word: number) => boolean;
  /** The only texts that we may print. */
  readonly ours: RegExp;
  /** The only texts that objdump may print; without it any whose mnemonic is not in our table. */
  readonly theirs?: RegExp;
}

const opcode = (word: number): number => word >>> 26;
const rs = (word: number): number => (word >>> 21) & 31;
const sa = (word: number): number => (word >>> 6) & 31;
const fn = (word: number): number => word & 63;

const RESERVED = /^\.word 0x/;
const ASE = "an application-specific extension that -m mips:isa32r2 cannot turn off; not in MIPS32 release 2";

const KNOWN_DIFFERENCES: readonly KnownDifference[] = [
  {
    what: "ORI from $0",
    reason: "for 64-bit CPUs objdump writes it as the macro that loads a constant, even without aliases",
    level: "mips64r2",
    covers: (w) => opcode(w) === 0x0d && rs(w) === 0,
    ours: /^(ori \w+,zero|li \w+),0x/,
    theirs: /^dli \w+,0x/,
  },
  { what: "MIPS16: JALX", reason: ASE, covers: (w) => opcode(w) === 0x1d, ours: RESERVED },
  { what: "MSA", reason: ASE, covers: (w) => opcode(w) === 0x1e, ours: RESERVED },
  {
    what: "MSA: LSA",
    reason: ASE,
    covers: (w) => opcode(w) === 0 && fn(w) === 0x05,
    ours: RESERVED,
  },
  {
    what: "MSA branches and MIPS-3D branches on two or four conditions",
    reason: ASE,
    covers: (w) =>
      opcode(w) === 0x11 && [0x09, 0x0a, 0x0b, 0x0f, 24, 25, 26, 27, 28, 29, 30, 31].includes(rs(w)),
    ours: /^(\.word|c1) 0x/,
  },
  {
    what: "MIPS-3D arithmetic and absolute comparisons",
    reason: ASE,
    covers: (w) =>
      opcode(w) === 0x11 &&
      [0x10, 0x11, 0x14, 0x16].includes(rs(w)) &&
      ([0x18, 0x1a, 0x1c, 0x1d, 0x1e, 0x1f, 0x24, 0x26].includes(fn(w)) ||
        (fn(w) >= 0x30 && (w & 0xc0) === 0x40)),
    ours: /^c1 0x/,
  },
  {
    what: "SmartMIPS: MFLHXU, MTLHX, MULTP, MADDP and LWXS",
    reason: ASE,
    covers: (w) =>
      (opcode(w) === 0 && [0x12, 0x13].includes(fn(w)) && sa(w) === 1) ||
      (opcode(w) === 0 && fn(w) === 0x19 && sa(w) === 0x11) ||
      (opcode(w) === 0x1c && (fn(w) === 0x08 || (fn(w) === 1 && sa(w) === 0x11))),
    ours: RESERVED,
  },
  {
    what: "user-defined instructions",
    reason: "CorExtend: meaning and syntax belong to a core's implementer",
    covers: (w) => opcode(w) === 0x1c && fn(w) >= 0x10 && fn(w) < 0x20,
    ours: RESERVED,
  },
  {
    what: "DSP accumulators of MULT, MADD, MFHI, MTHI and the like",
    reason: ASE,
    covers: (w) =>
      (opcode(w) === 0 && ((fn(w) >= 0x10 && fn(w) <= 0x13) || fn(w) === 0x18 || fn(w) === 0x19)) ||
      (opcode(w) === 0x1c && [0, 1, 4, 5].includes(fn(w))),
    ours: RESERVED,
    theirs: /^m\w+ .*\$ac[1-3]$|^m\w+ \$ac[1-3],/,
  },
  {
    what: "DSP, EVA and MT in SPECIAL3",
    reason: ASE,
    covers: (w) => opcode(w) === 0x1f && ![0x00, 0x04, 0x3b].includes(fn(w)),
    ours: RESERVED,
  },
  {
    what: "MFHC2 and MTHC2 with other bits than a register and a select",
    reason:
      "the bits are the implementer's; objdump prints them as one number, but refuses them in MFC2 and MTC2",
    covers: (w) => opcode(w) === 0x12 && [0x03, 0x07].includes(rs(w)) && (w & 0x7f8) !== 0,
    ours: RESERVED,
    theirs: /^m[ft]hc2 \w+,0x[0-9a-f]+$/,
  },
  {
    what: "MT, MCU, VZ and XPA in COP0",
    reason: ASE,
    covers: (w) =>
      opcode(w) === 0x10 && ([0x02, 0x03, 0x06, 0x08, 0x0b, 0x0c].includes(rs(w)) || rs(w) >= 0x10),
    ours: /^(\.word|c0) 0x/,
  },
  {
    what: "MCU and DSP in REGIMM: ASET, ACLR, BPOSGE32 and BPOSGE64",
    reason: ASE,
    covers: (w) => opcode(w) === 1 && [0x07, 0x1c, 0x1d].includes((w >>> 16) & 31),
    ours: RESERVED,
  },
];

/** The mnemonics of a CPU of level `level`. */
const mnemonicsOf = (level: IsaLevel): Set<string> =>
  new Set([
    ".word",
    ...ALL_INSTRUCTIONS.filter((row) => levelIncludes(level, row.level)).map((row) => row.mnemonic),
  ]);

/** Addresses of 32 bits, which 64-bit CPUs extend by their sign. */
const shortAddresses = (text: string): string => text.replace(/0xffffffff([89a-f][0-9a-f]{7})$/, "0x$1");

function explain(
  level: IsaLevel,
  word: number,
  ours: string,
  theirs: string,
  mnemonics: ReadonlySet<string>,
): KnownDifference | undefined {
  return KNOWN_DIFFERENCES.find(
    (entry) =>
      (entry.level ?? level) === level &&
      entry.covers(word) &&
      entry.ours.test(ours) &&
      (entry.theirs?.test(theirs) ?? !mnemonics.has(theirs.split(" ")[0] ?? "")),
  );
}

/** A small generator of 32-bit numbers; the same words at every run. */
function* randomWords(seed: number): Generator<number, never> {
  let state = seed;
  for (;;) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    const mixed = Math.imul(state ^ (state >>> 16), 0x45d9f3b);
    yield (mixed ^ (mixed >>> 15)) >>> 0;
  }
}

function generateWords(): Uint32Array {
  const random = randomWords(SEED);
  const words: number[] = [];
  for (const row of ALL_INSTRUCTIONS) {
    const { mask, match, unchecked, fields } = encodingOf(row);
    for (let index = 0; index < WORDS_PER_ROW; index++) {
      // Mostly words as an assembler makes them; one in eight with a bit set that is not checked.
      const stray = index % 8 === 7 ? random.next().value & random.next().value & unchecked : 0;
      let word = match | (random.next().value & ~mask & ~unchecked) | stray;
      for (const field of fields) {
        // Zero and all ones are where operands are left out, aliases apply and signs change.
        const choice = random.next().value % 5;
        const bits = ((2 ** field.width - 1) << field.position) >>> 0;
        if (choice === 0) word &= ~bits;
        if (choice === 1) word |= bits;
      }
      words.push(word >>> 0);
    }
  }
  for (let index = 0; index < RANDOM_WORDS; index++) {
    // Every other one sparse: most reserved fields are zero in the words that mean something.
    const dense = random.next().value;
    const sparse = dense & random.next().value & random.next().value;
    words.push((((index & 63) << 26) | ((index & 64 ? sparse : dense) >>> 6)) >>> 0);
  }
  return Uint32Array.from(words);
}

/** Runs objdump once over all words and returns its texts, in order. */
function runObjdump(words: Uint32Array, isa: string, littleEndian: boolean, options: string): string[] {
  const folder = mkdtempSync(join(tmpdir(), "kseg-objdump-"));
  try {
    const file = join(folder, "words.bin");
    const bytes = new DataView(new ArrayBuffer(words.length * 4));
    words.forEach((word, index) => bytes.setUint32(index * 4, word, littleEndian));
    writeFileSync(file, new Uint8Array(bytes.buffer));
    const endian = littleEndian ? "-EL" : "-EB";
    const args = ["-b", "binary", "-m", `mips:${isa}`, "-D", "-z", endian, "-M", options, file];
    const { stdout, status, stderr } = spawnSync(OBJDUMP, args, { encoding: "utf8", maxBuffer: 2 ** 28 });
    if (status !== 0) throw new Error(`${OBJDUMP}: ${stderr}`);
    return stdout
      .split("\n")
      .map((line) => /^\s*[0-9a-f]+:\t[0-9a-f]{8} \t(.*)$/.exec(line)?.[1])
      .filter((text) => text !== undefined)
      .map((text) => text.replace(/\s+/g, " ").trim());
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const version = spawnSync(OBJDUMP, ["--version"], { encoding: "utf8" });
const missing = version.error !== undefined || version.status !== 0;
if (missing) console.log(`skipped: ${OBJDUMP} is not installed (Debian: binutils-mipsel-linux-gnu)`);

describe.skipIf(missing)("disassembler against objdump", () => {
  const words = generateWords();
  const used = new Set<KnownDifference>();

  test("there are enough words", () => {
    expect(words.length).toBeGreaterThanOrEqual(100_000);
  });

  for (const [level, isa] of [
    ["mips32r2", "isa32r2"],
    ["mips32r5", "isa32r5"],
    ["mips64r2", "isa64r2"],
  ] as const)
    for (const littleEndian of [true, false])
      for (const aliases of [false, true])
        test(`${level}, ${littleEndian ? "little" : "big"} endian, ${aliases ? "with" : "without"} aliases`, () => {
          const options = `${aliases ? "" : "no-aliases,"}cp0-names=numeric,hwr-names=numeric`;
          const theirs = runObjdump(words, isa, littleEndian, options).map(shortAddresses);
          expect(theirs.length).toBe(words.length);
          const mnemonics = mnemonicsOf(level);
          const different: string[] = [];
          words.forEach((word, index) => {
            const ours = disassemble(word, index * 4, { aliases, level });
            if (ours === theirs[index]) return;
            const known = explain(level, word, ours, theirs[index] ?? "", mnemonics);
            if (known === undefined)
              different.push(`${word.toString(16)}: ours "${ours}", objdump "${theirs[index]}"`);
            else used.add(known);
          });
          expect(different.slice(0, 20)).toEqual([]);
        });

  test("all differences that are known occur", () => {
    expect(KNOWN_DIFFERENCES.filter((entry) => !used.has(entry)).map((entry) => entry.what)).toEqual([]);
  });
});
