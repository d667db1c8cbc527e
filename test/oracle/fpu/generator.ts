import { CP0, cp0Operands, STATUS } from "../../../src/isa/cp0.ts";
import { decode } from "../../../src/isa/decode.ts";
import { encode, encodeRow } from "../../../src/isa/encode.ts";
import { FCR, FCSR, ROUNDING } from "../../../src/isa/fpu.ts";
import { INSTRUCTIONS } from "../../../src/isa/instructions.ts";
import { encodingOf, type FieldName } from "../../../src/isa/operands.ts";
import { GPR } from "../../../src/isa/registers.ts";
import type { InstructionRow } from "../../../src/isa/row.ts";
import { Random } from "../qemu/random.ts";
import { DATA, MAX_CODE_WORDS, TRACE_BYTES } from "./layout.ts";
import { doublePair, randomSingle } from "./operands.ts";

/** The CPUs that programs are for: kseg's models, and QEMU's of the same names. */
export const CPU_NAMES = ["24Kf", "34Kf", "P5600"] as const;
export type CpuName = (typeof CPU_NAMES)[number];

const { zero, at, t0, s0, s1, s7, ra } = GPR;
const NOP = 0;
const EHB = 0xc0;

/** What is executed, in straight line but for the branches inside of a group. */
export interface Group {
  readonly name: string;
  readonly words: readonly number[];
}

/** A program and what it starts from. */
export interface FpuProgram {
  readonly seed: number;
  readonly cpu: CpuName;
  readonly groups: readonly Group[];
  /** Bits of the FPU registers. */
  readonly fpr: readonly bigint[];
  readonly fcsr: number;
  readonly status: number;
  readonly gpr: readonly number[];
  /** Words of the data area; doubles as one pattern each. */
  readonly doubles: readonly bigint[];
  readonly singles: readonly number[];
}

const CATCH_ALL: ReadonlySet<string> = new Set(["c1", "cop1", "cop1x"]);
const IS_BRANCH = /^bc1/;
/** NaNs of the old encoding are invalid operands of these, and causes are written: not so in QEMU. */
const ARITHMETIC_SIGN = /^(abs|neg)\.[sd]$/;

/** Rows of the table by kind: those of paired single are reserved, and few of them are enough. */
const ROWS = INSTRUCTIONS.filter(({ kind, mnemonic }) => kind === "fpu" && !CATCH_ALL.has(mnemonic));
const BRANCHES = ROWS.filter(({ mnemonic }) => IS_BRANCH.test(mnemonic));
const PAIRED = ROWS.filter(({ mnemonic }) => /ps|^p[lu]|\.p[ul]$/.test(mnemonic));
const COMPARES = ROWS.filter((row) => row.mnemonic.startsWith("c.") && !PAIRED.includes(row));
const OTHERS = ROWS.filter(
  (row) =>
    !BRANCHES.includes(row) && !PAIRED.includes(row) && !COMPARES.includes(row) && row.mnemonic !== "ctc1",
);

/** Fields that name FPU registers with 64 bits, by mnemonic; with FR = 0 they are even. */
function doubleFields(mnemonic: string): readonly FieldName[] {
  if (/^(ldc1|sdc1|ldxc1|sdxc1|luxc1|suxc1)$/.test(mnemonic)) return ["ft", "fd", "fs"];
  const conversion = /^(?:cvt|round|trunc|ceil|floor)\.([sdwl])\.([sdwl])$/.exec(mnemonic);
  const isDouble = (format: string | undefined): boolean => format === "d" || format === "l";
  if (conversion !== null)
    return [
      ...(isDouble(conversion[1]) ? ["fd" as const] : []),
      ...(isDouble(conversion[2]) ? ["fs" as const] : []),
    ];
  if (/^(round|trunc|ceil|floor)\.[wl]\.d$/.test(mnemonic)) return ["fs"];
  return mnemonic.endsWith(".d") ? ["fs", "ft", "fd", "fr"] : [];
}

/** Instructions for which QEMU does not look whether a 64-bit register is odd while FR = 0. */
const ODD_UNCHECKED = /^(ldc1|sdc1|mov[fztn]+\.d|luxc1|suxc1)$/;

class Generator {
  readonly random: Random;
  private readonly cpu: CpuName;
  /** Status.FR, as far as groups have set it. */
  wide: boolean;

  constructor(random: Random, cpu: CpuName, wide: boolean) {
    this.random = random;
    this.cpu = cpu;
    this.wide = wide;
  }

  private register(mnemonic: string, field: FieldName): number {
    const { random } = this;
    const n = random.below(32);
    if (this.wide || !doubleFields(mnemonic).includes(field)) return n;
    return ODD_UNCHECKED.test(mnemonic) || random.chance(98) ? n & ~1 : n;
  }

  private operand(row: InstructionRow, field: FieldName): number {
    const { random } = this;
    switch (field) {
      case "fs":
      case "ft":
      case "fd":
      case "fr":
        return this.register(row.mnemonic, field);
      case "rs":
        return row.pattern.startsWith("000000") || row.mnemonic === "alnv.ps" ? t0 + random.below(8) : s0;
      case "rt":
        return /x/.test(row.mnemonic) ? s1 : t0 + random.below(8);
      case "rd":
        return t0 + random.below(8);
      case "fcr":
        // FIR differs in part on the P5600, which results mask.
        return random.pick([
          ...[FCR.FCCR, FCR.FEXR, FCR.FENR, FCR.FCSR],
          ...(this.cpu === "P5600" ? [] : [FCR.FIR]),
        ]);
      case "offset":
        // Over the delay slot and one more.
        return 8;
      case "imm": {
        const isStore = row.mnemonic.startsWith("s");
        const isDouble = /d/.test(row.mnemonic);
        const slot = random.below(isStore ? 16 : 32);
        const offset = isDouble
          ? (isStore ? DATA.room : DATA.doubles) + slot * 8
          : (isStore ? DATA.room : DATA.singles) + slot * 4;
        return offset + (random.chance(3) ? random.pick([1, 2, 4]) : 0);
      }
      default: {
        const { width } = encodingOf(row).fields.find(({ name }) => name === field)!;
        return random.below(2 ** width);
      }
    }
  }

  instruction(row: InstructionRow): number {
    const operands: Record<string, number> = {};
    for (const { name } of encodingOf(row).fields) operands[name] = this.operand(row, name);
    return encodeRow(row, operands);
  }

  /** Fresh operands in the FPU registers that an instruction reads. */
  private fresh(word: number): number[] {
    const { random } = this;
    const row = decode(word)!;
    const words: number[] = [];
    const sources = encodingOf(row).fields.filter(({ name }) => /^f[str]$/.test(name));
    const isDouble = doubleFields(row.mnemonic).includes("fs");
    const pair = random.below(16);
    sources.forEach(({ name, position }, n) => {
      const register = (word >>> position) & 31;
      if (name === "fd" || random.chance(20)) return;
      if (isDouble) {
        if (this.wide || register % 2 === 0)
          words.push(encode("ldc1", { ft: register, imm: DATA.doubles + pair * 16 + (n % 2) * 8, rs: s0 }));
      } else words.push(encode("lwc1", { ft: register, imm: DATA.singles + random.below(32) * 4, rs: s0 }));
    });
    return words;
  }

  /** Notes a register and FCSR in the trace. */
  private checkpoint(word: number): number[] {
    const row = decode(word);
    const fields = row === null ? [] : encodingOf(row).fields;
    const field = ["fd", "fs", "ft"]
      .map((name) => fields.find((f) => f.name === name))
      .find((f) => f !== undefined);
    const register = field ? (word >>> field.position) & 31 : 0;
    return [
      encode("sdc1", { ft: register & (this.wide ? 31 : 30), imm: 0, rs: s7 }),
      encode("cfc1", { rt: at, fcr: FCR.FCSR }),
      encode("sw", { rt: at, imm: 8, rs: s7 }),
      encode("addiu", { rt: s7, rs: s7, imm: TRACE_BYTES }),
    ];
  }

  /** Loads a constant. */
  private constant(rt: number, value: number): number[] {
    return [encode("lui", { rt, uimm: value >>> 16 }), encode("ori", { rt, rs: rt, uimm: value & 0xffff })];
  }

  private operation(list: readonly InstructionRow[]): Group {
    const row = this.random.pick(list);
    const word = this.instruction(row);
    const words = [...this.indexFor(row), ...(this.random.chance(70) ? this.fresh(word) : []), word];
    if (ARITHMETIC_SIGN.test(row.mnemonic) && this.cpu !== "P5600") return this.arithmeticSign(row, word);
    return { name: row.mnemonic, words: [...words, ...this.checkpoint(word)] };
  }

  /** ABS and NEG of a number, and FEXR cleared behind: both machines then have the same causes. */
  private arithmeticSign(row: InstructionRow, word: number): Group {
    const { random } = this;
    const isDouble = row.mnemonic.endsWith(".d");
    const register = (word >>> 11) & 31;
    const words = this.constant(at, (random.below(0x7fe) << 20) | random.below(0x10_0000));
    if (isDouble) {
      const even = this.wide ? register : register & ~1;
      word = (word & ~(31 << 11)) | (even << 11);
      words.push(encode("mtc1", { rt: t0, fs: even }), encode("mthc1", { rt: at, fs: even }));
    } else {
      words.splice(0, 2, ...this.constant(at, (random.below(0xfe) << 23) | random.below(0x80_0000)));
      words.push(encode("mtc1", { rt: at, fs: register }));
    }
    words.push(word, encode("ctc1", { rt: zero, fcr: FCR.FEXR }));
    return { name: row.mnemonic, words: [...words, ...this.checkpoint(word)] };
  }

  /** Sets the index register for LWXC1 and its like. */
  private indexFor({ mnemonic }: InstructionRow): number[] {
    if (!/^[ls][wdu]xc1$/.test(mnemonic)) return [];
    const { random } = this;
    const isStore = mnemonic.startsWith("s");
    const size = mnemonic[1] === "w" ? 4 : 8;
    const base = isStore ? DATA.room : size === 4 ? DATA.singles : DATA.doubles;
    // LUXC1 and SUXC1 take any address.
    const stray = mnemonic[1] === "u" ? random.below(8) : random.chance(3) ? 2 : 0;
    return [encode("addiu", { rt: s1, rs: zero, imm: base + random.below(16) * size + stray })];
  }

  private control(): Group {
    const { random } = this;
    const fcr = random.pick([FCR.FCCR, FCR.FEXR, FCR.FENR, FCR.FCSR, FCR.FCSR, FCR.FCSR]);
    let value = randomFcsr(random);
    if (fcr === FCR.FCCR) value = random.below(256);
    if (fcr === FCR.FENR) value = (value & (FCSR.ENABLES | FCSR.RM)) | (random.chance(15) ? 4 : 0);
    // Causes and flags only; with bits 22:18 set QEMU drops the write.
    if (fcr === FCR.FEXR) value &= FCSR.CAUSES | FCSR.FLAGS;
    if (fcr === FCR.FCSR && this.cpu === "P5600") value |= FCSR.NAN2008 | FCSR.ABS2008;
    const words = [...this.constant(at, value), encode("ctc1", { rt: at, fcr })];
    return { name: "control", words: [...words, ...this.checkpoint(NOP)] };
  }

  /** A branch over an instruction, with another one in its delay slot. */
  private branch(): Group {
    const { random } = this;
    const word = this.instruction(random.pick(BRANCHES));
    const compare = this.instruction(random.pick(COMPARES));
    const slot = random.chance(60) ? this.instruction(random.pick(OTHERS.filter(isSimple))) : NOP;
    const skipped = encode("addiu", { rt: t0 + random.below(8), rs: t0, imm: random.below(256) });
    const words = [...(random.chance(60) ? [...this.fresh(compare), compare] : []), word, slot, skipped];
    return { name: "branch", words: [...words, ...this.checkpoint(slot)] };
  }

  /** Changes Status.FR, or takes the FPU away for an instruction. */
  private status(): Group {
    const { random } = this;
    const operands = cp0Operands(CP0.Status);
    const [rdNumber, sel] = operands;
    const write = (value: number): number[] => [
      ...this.constant(at, value),
      encode("mtc0", { rt: at, rdNumber, sel }),
      EHB,
    ];
    if (random.chance(60)) {
      this.wide = !this.wide;
      return { name: "FR", words: write(STATUS.CU1 | (this.wide ? STATUS.FR : 0)) };
    }
    const fr = this.wide ? STATUS.FR : 0;
    const word = this.instruction(random.pick(random.chance(20) ? BRANCHES : OTHERS));
    const used = IS_BRANCH.test(decode(word)!.mnemonic) ? [word, NOP, NOP] : [word];
    return { name: "unusable", words: [...write(fr), ...used, ...write(STATUS.CU1 | fr)] };
  }

  group(): Group {
    return this.random.weighted<() => Group>([
      [60, () => this.operation(OTHERS)],
      [15, () => this.operation(COMPARES)],
      [1, () => this.operation(PAIRED)],
      [10, () => this.control()],
      [8, () => this.branch()],
      [4, () => this.status()],
    ])();
  }
}

/** Instructions that need nothing before or behind them. */
const isSimple = ({ mnemonic }: InstructionRow): boolean =>
  !/^[ls][wdu]xc1$|^(prefx|mtc1|mthc1|cfc1)$/.test(mnemonic) && !ARITHMETIC_SIGN.test(mnemonic);

function randomFcsr(random: Random): number {
  let value: number = random.pick([ROUNDING.nearest, ROUNDING.nearest, 1, 2, 3]);
  if (random.chance(20)) value |= random.word() & FCSR.ENABLES;
  if (random.chance(30)) value |= random.word() & FCSR.FLAGS;
  if (random.chance(10)) value |= random.word() & FCSR.CAUSES;
  if (random.chance(12)) value |= FCSR.FS;
  if (random.chance(30)) value |= random.word() & 0xfe80_0000;
  return value | 0;
}

/** Generates the program of a seed for a CPU. */
export function generateProgram(seed: number, cpu: CpuName): FpuProgram {
  const random = new Random(seed);
  const wide = random.chance(50);
  const generator = new Generator(random, cpu, wide);
  const doubles = Array.from({ length: 16 }, () => doublePair(random)).flat();
  const singles = Array.from({ length: 32 }, () => randomSingle(random));
  const fpr = Array.from({ length: 32 }, () => random.pick(doubles));
  let fcsr = randomFcsr(random) & ~FCSR.CAUSES;
  if (cpu === "P5600") fcsr |= FCSR.NAN2008 | FCSR.ABS2008;
  const groups: Group[] = [];
  let words = 0;
  const count = 20 + random.below(40);
  for (let n = 0; n < count; n++) {
    const group = generator.group();
    words += group.words.length;
    if (words > MAX_CODE_WORDS - 2) break;
    groups.push(group);
  }
  const gpr = Array.from({ length: 8 }, () => random.operand());
  const status = STATUS.CU1 | (wide ? STATUS.FR : 0);
  return { seed, cpu, groups, fpr, fcsr, status, gpr, doubles, singles };
}

/** The words of a program, which returns at its end. */
export function programWords({ groups }: FpuProgram): number[] {
  return [...groups.flatMap(({ words }) => words), encode("jr", { rs: ra }), NOP];
}
