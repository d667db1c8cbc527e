import { CP0, STATUS } from "../../src/isa/cp0.ts";
import { encode, encodeRow, fieldRange } from "../../src/isa/encode.ts";
import { INSTRUCTIONS, lowerRow } from "../../src/isa/instructions.ts";
import { encodingOf } from "../../src/isa/operands.ts";
import { levelIncludes, type InstructionRow } from "../../src/isa/row.ts";

/** For tests: what a stretch of a random program is made from. `kind` is 0 to 99, `seed` any 32-bit number. */
export interface RandomItem {
  readonly kind: number;
  readonly seed: number;
}

/** Registers of random programs. Instructions write 0 to 15, and pointers stay as they were set. */
export const RANDOM_REGISTERS = {
  pointers: [16, 17, 18, 19, 20],
  /** The code itself, at an address where it can be written. */
  codeAlias: 21,
  loopCounter: 22,
  target: 23,
  scratch: 24,
  link: 31,
} as const;

const { pointers, codeAlias, loopCounter, target, scratch, link } = RANDOM_REGISTERS;

/** A word, or one that depends on where it lies: `pc` is its index in the program, `starts` those of all items. */
type Word = number | ((pc: number, starts: readonly number[]) => number);

const COMPUTATION: ReadonlySet<string> = new Set([
  "setGpr",
  "setHi",
  "setLo",
  "setHiLo",
  "let",
  "let64",
  "raiseIf",
]);
const isComputation = (row: InstructionRow): boolean =>
  row.kind === undefined &&
  levelIncludes("mips32r2", row.level) &&
  lowerRow(row).every((s) => COMPUTATION.has(s.kind));
const COMPUTATIONS = INSTRUCTIONS.filter(isComputation);
const BRANCHES = INSTRUCTIONS.filter((row) => row.kind === "branch" && levelIncludes("mips32r2", row.level));
const FPU = INSTRUCTIONS.filter((row) => row.kind === "fpu" && !/^(bc1|c1$|cop1)/.test(row.mnemonic));
const FPU_BRANCHES = INSTRUCTIONS.filter((row) => row.mnemonic.startsWith("bc1"));
const LOADS = ["lb", "lbu", "lh", "lhu", "lw", "lw", "lwl", "lwr", "lwl", "lwr"] as const;
const STORES = ["sb", "sh", "sw", "sw", "swl", "swr", "swl", "swr"] as const;
const RESERVED = 0x3b << 26;

/** Numbers that follow from a seed. */
class Numbers {
  private state: number;
  constructor(seed: number) {
    this.state = Math.imul(seed ^ 0x5bd1_e995, 0x9e37_79b1);
  }
  below(count: number): number {
    this.state = (Math.imul(this.state, 0x41c6_4e6d) + 0x3039) | 0;
    return (Math.imul(this.state ^ (this.state >>> 15), 0x2c1b_3c6d) >>> 8) % count;
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

function randomOperands(row: InstructionRow, n: Numbers): number {
  const operands: Record<string, number> = {};
  const written = lowerRow(row).flatMap((s): string[] => (s.kind === "setGpr" ? [s.field] : []));
  for (const field of encodingOf(row).fields) {
    if (field.rule.copyOf !== undefined) continue;
    const { min, max, step } = fieldRange(field);
    const steps = (max - min) / step + 1;
    operands[field.name] = written.includes(field.name)
      ? n.below(16)
      : min + n.below(Math.min(steps, 1 << 24)) * step;
  }
  return encodeRow(row, operands);
}

const computation = (n: Numbers): number => randomOperands(n.pick(COMPUTATIONS), n);

function access(n: Numbers): number {
  const isLoad = n.below(2) === 0;
  const mnemonic = isLoad ? n.pick(LOADS) : n.pick(STORES);
  const align = mnemonic.endsWith("w") ? 4 : mnemonic.includes("h") ? 2 : 1;
  const imm = n.below(64) - 16;
  return encode(mnemonic, {
    rt: n.below(isLoad ? 16 : 32),
    rs: n.pick(pointers),
    imm: n.below(10) === 0 ? imm : imm * 4 + n.below(4 / align) * align,
  });
}

/** An instruction of the FPU. Its loads and stores go where others go, its doubles are in even registers mostly. */
function fpu(n: Numbers): number {
  const row = n.pick(FPU);
  const isAccess = /^[ls][wdu]x?c1$/.test(row.mnemonic);
  const operands: Record<string, number> = {};
  for (const { name, width } of encodingOf(row).fields) {
    const register = n.below(32);
    if (name === "rs" && isAccess) operands[name] = n.pick(pointers);
    else if (name === "rt" && isAccess) operands[name] = 0;
    else if (name === "imm") operands[name] = 8 * n.below(16) + (n.below(10) === 0 ? 4 : 0);
    else if (name === "rt" || name === "rd" || name === "rs") operands[name] = n.below(16);
    else if (name === "fcr") operands[name] = n.pick([25, 26, 28, 31, 31]);
    else if (width === 5) operands[name] = n.below(8) === 0 ? register : register & ~1;
    else operands[name] = n.below(2 ** width);
  }
  return encodeRow(row, operands);
}

function trap(n: Numbers): number {
  switch (n.below(4)) {
    case 0:
      return encode("syscall", { code: n.below(1024) });
    case 1:
      return encode("teq", { rs: n.below(16), rt: n.below(16), code: 0 });
    case 2:
      return encode("add", { rd: n.below(16), rs: n.below(16), rt: n.below(16) });
    default:
      return RESERVED;
  }
}

/** Instructions of a kernel. */
function privileged(n: Numbers): number[] {
  const change = (number: number, bits: number): number[] => [
    encode("mfc0", { rt: scratch, rdNumber: number, sel: 0 }),
    encode("xori", { rt: scratch, rs: scratch, uimm: bits }),
    encode("mtc0", { rt: scratch, rdNumber: number, sel: 0 }),
  ];
  switch (n.below(8)) {
    case 0:
      return [
        encode("mfc0", { rt: scratch, rdNumber: CP0.Status >>> 3, sel: 0 }),
        encode("lui", { rt: target, uimm: STATUS.CU1 >>> 16 }),
        encode("xor", { rd: scratch, rs: scratch, rt: target }),
        encode("mtc0", { rt: scratch, rdNumber: CP0.Status >>> 3, sel: 0 }),
        encode("mfc1", { rt: n.below(16), fs: n.below(32) }),
      ];
    case 6:
      return [encode("tlbp", {})];
    case 1:
      return [
        encode("mtc0", { rt: n.pick(pointers), rdNumber: CP0.EntryHi >>> 3, sel: 0 }),
        encode("tlbwr", {}),
      ];
    case 2:
      return [...change(CP0.Index >>> 3, 1 + n.below(7)), encode("tlbwi", {})];
    case 3:
      return change(CP0.EntryHi >>> 3, n.pick([0, 1, 3, 0x2000]));
    case 4:
      return [encode("mtc0", { rt: n.below(16), rdNumber: (CP0.EntryLo0 >>> 3) + n.below(2), sel: 0 })];
    case 5:
      return [encode("eret", {})];
    default:
      return change(CP0.Status >>> 3, n.pick([1, 0x8000, 0x8401, STATUS.EXL, STATUS.UM]));
  }
}

/** What comes behind a branch. A branch in a delay slot is a reserved instruction. */
function delaySlot(n: Numbers): Word {
  const kind = n.below(100);
  if (kind < 40) return computation(n);
  if (kind < 50) return fpu(n);
  if (kind < 82) return access(n);
  if (kind < 92) return trap(n);
  return kind < 96 ? 0 : branch(n);
}

/** A branch to anywhere in the program: an item mostly, but also into the middle of one, or to its own delay slot. */
function branch(n: Numbers): Word {
  const word = randomOperands(n.pick(n.below(8) === 0 ? FPU_BRANCHES : BRANCHES), n) & 0xffff_0000;
  const how = n.below(100);
  const pick = n.below(1 << 20);
  return (pc, starts) => {
    const ahead = starts.filter((start) => start > pc + 1);
    let to = pc + 1;
    if (how >= 5 && how < 75) to = ahead[pick % Math.min(4, ahead.length)] ?? starts.at(-1)!;
    else if (how >= 75 && how < 88) to = pc + 1 + (pick % 8);
    else if (how >= 88) to = pick % starts.at(-1)!;
    return word | ((Math.min(to, starts.at(-1)!) - pc - 1) & 0xffff);
  };
}

/** Words that put the address of an item into register `rt`. `base` is that of the program. */
const addressOf = (rt: number, pick: number, base: number): Word[] =>
  (["lui", "ori"] as const).map((mnemonic) => (_, starts) => {
    const address = base + 4 * starts[pick % starts.length]!;
    return mnemonic === "lui"
      ? encode("lui", { rt, uimm: address >>> 16 })
      : encode("ori", { rt, rs: rt, uimm: address & 0xffff });
  });

function wordsOf({ kind, seed }: RandomItem, base: number): Word[] {
  const n = new Numbers(seed);
  if (kind < 20) return Array.from({ length: 1 + n.below(4) }, () => computation(n));
  if (kind < 30) return Array.from({ length: 1 + n.below(4) }, () => fpu(n));
  if (kind < 52) return Array.from({ length: 1 + n.below(3) }, () => access(n));
  if (kind < 70) return [branch(n), delaySlot(n)];
  if (kind < 78) {
    const body = Array.from({ length: 1 + n.below(4) }, () =>
      n.pick([computation, computation, access, access, fpu])(n),
    );
    const back = encode(n.below(3) === 0 ? "bgtzl" : "bgtz", {
      rs: loopCounter,
      offset: -4 * (body.length + 2),
    });
    return [
      encode("addiu", { rt: loopCounter, rs: 0, imm: 1 + n.below(20) }),
      ...body,
      encode("addiu", { rt: loopCounter, rs: loopCounter, imm: -1 }),
      back,
      delaySlot(n),
    ];
  }
  if (kind < 81) return [trap(n)];
  const pick = n.below(1 << 20);
  if (kind < 84)
    return [
      ...addressOf(target, pick, base),
      n.below(2) === 0 ? encode("jr", { rs: target }) : encode("jalr", { rs: target, rd: n.pick([link, 7]) }),
      delaySlot(n),
    ];
  if (kind < 87) {
    const jump = n.pick(["j", "jal"] as const);
    return [
      (_, starts) => encode(jump, { index: (base + 4 * starts[pick % starts.length]!) & 0x0fff_ffff }),
      delaySlot(n),
    ];
  }
  if (kind < 88) return [encode("jr", { rs: link }), delaySlot(n)];
  if (kind < 91) {
    // Replaces an instruction of the program.
    const word = computation(n);
    return [
      encode("lui", { rt: scratch, uimm: word >>> 16 }),
      encode("ori", { rt: scratch, rs: scratch, uimm: word & 0xffff }),
      (_, starts) => encode("sw", { rt: scratch, rs: codeAlias, imm: 4 * starts[pick % starts.length]! }),
    ];
  }
  if (kind < 93) {
    const [rs, imm] = [n.pick(pointers), n.below(16) * 4];
    return [encode("ll", { rt: n.below(16), rs, imm }), encode("sc", { rt: n.below(16), rs, imm })];
  }
  if (kind < 95) return [encode("mfc0", { rt: n.below(16), rdNumber: n.pick([9, 12, 13, 14, 8]), sel: 0 })];
  if (kind < 96) return privileged(n);
  if (kind < 98) return [encode("sync", { stype: 0 }), 0];
  if (kind < 99) return [encode("wait", {})];
  return [
    encode("lui", { rt: target, uimm: n.pick([0x9000, 0xc000, 0x0700]) }),
    encode("ori", { rt: target, rs: target, uimm: n.below(8) }),
    encode("jr", { rs: target }),
    delaySlot(n),
  ];
}

/** Words of the endless program made from `items`, for address `base`. */
export function randomCode(items: readonly RandomItem[], base: number): number[] {
  const parts = items.map((item) => wordsOf(item, base));
  const starts: number[] = [];
  let at = 0;
  for (const part of parts) {
    starts.push(at);
    at += part.length;
  }
  starts.push(at);
  const back = encode("beq", { rs: 0, rt: 0, offset: -4 * (at + 1) });
  const words = [...parts.flat(), back, 0];
  return words.map((word, pc) => (typeof word === "number" ? word : word(pc, starts)) >>> 0);
}
