import { decode } from "../../../src/isa/decode.ts";
import { encode, encodeRow, fieldRange } from "../../../src/isa/encode.ts";
import { INSTRUCTIONS, lowerRow, rowOf } from "../../../src/isa/instructions.ts";
import { encodingOf } from "../../../src/isa/operands.ts";
import { levelIncludes, type InstructionRow } from "../../../src/isa/row.ts";
import { REGISTER, type Context } from "./context.ts";

/** Registers that random instructions may write. k1 is the handler's too: what it leaves is the same. */
const WRITABLE = [...Array.from({ length: 12 }, (_, n) => n + 1), 0, 27, 28, 29, 31];

export const destination = (c: Context): number => c.random.pick(WRITABLE);
export const source = (c: Context): number => c.random.below(32);

/** Which field of a row names the register that it writes, if any. */
function writtenField(row: InstructionRow): string | null {
  for (const statement of lowerRow(row)) if (statement.kind === "setGpr") return statement.field;
  return null;
}

const isComputation = (row: InstructionRow): boolean =>
  row.kind === undefined &&
  levelIncludes("mips32r2", row.level) &&
  lowerRow(row).every((s) =>
    ["setGpr", "setHi", "setLo", "setHiLo", "let", "let64", "raiseIf"].includes(s.kind),
  );

/** Arithmetic, logic, moves, multiplication, division, bit fields, and conditional traps. */
const COMPUTATIONS = INSTRUCTIONS.filter((row) => isComputation(row));

/** Those that raise for some operands. */
const CONDITIONAL_TRAPS = COMPUTATIONS.filter((row) => lowerRow(row).some((s) => s.kind === "raiseIf"));

const BRANCHES = INSTRUCTIONS.filter((row) => row.kind === "branch" && levelIncludes("mips32r2", row.level));

/** A word of `row` with random operands. */
function randomWord(c: Context, row: InstructionRow): number {
  const { random } = c;
  const written = writtenField(row);
  const operands: Record<string, number> = {};
  for (const field of encodingOf(row).fields) {
    if (field.rule.copyOf !== undefined) continue;
    const { min, max, step } = fieldRange(field);
    operands[field.name] =
      field.name === written ? destination(c) : min + random.below((max - min) / step + 1) * step;
  }
  // Reserved combinations of position and size are rare, not half of all.
  if (/^(ext|ins)$/.test(row.mnemonic) && random.chance(95)) {
    const lsb = operands["lsb"]!;
    const size = random.below(32 - lsb);
    operands["msb"] = row.mnemonic === "ext" ? size : lsb + size;
  }
  return encodeRow(row, operands);
}

export const randomAlu = (c: Context): number => randomWord(c, c.random.pick(COMPUTATIONS));

/**
 * A branch of any kind; its displacement is filled in later. Branches that are never taken whatever the registers
 * hold are left out: QEMU takes them for no operation, so what follows is no delay slot.
 */
export function branchWord(c: Context): number {
  for (;;) {
    const row = c.random.pick(BRANCHES);
    const word = randomWord(c, row);
    const rs = (word >>> 21) & 31;
    const sameRegisters = rs === ((word >>> 16) & 31) && row.mnemonic.startsWith("bne");
    if (rs !== 0 && !sameRegisters) return (word & 0xffff_0000) | 1;
  }
}

/** A base register and a displacement, mostly aligned to `align`. */
export function pointer(c: Context, align: number): [rs: number, imm: number] {
  const { random } = c;
  const rs = random.pick(REGISTER.pointers);
  const imm = random.below(30) * 4 - 64;
  if (random.chance(88)) return [rs, imm + random.below(4 / align) * align];
  return [rs, imm + random.below(4)];
}

const LOADS = [
  ["lb", 1],
  ["lbu", 1],
  ["lh", 2],
  ["lhu", 2],
  ["lw", 4],
  ["lw", 4],
  ["lwl", 1],
  ["lwr", 1],
] as const;
const STORES = [
  ["sb", 1],
  ["sh", 2],
  ["sw", 4],
  ["sw", 4],
  ["swl", 1],
  ["swr", 1],
] as const;

export function randomAccess(c: Context): number {
  const [mnemonic, align] = c.random.chance(50) ? c.random.pick(LOADS) : c.random.pick(STORES);
  const [rs, imm] = pointer(c, align);
  const isLoad = mnemonic.startsWith("l");
  return encode(mnemonic, { rt: isLoad ? destination(c) : source(c), rs, imm });
}

/** Words that no row and no extension that QEMU's 24Kc takes for a NOP has. */
const RESERVED_OPCODES = [0x12 << 1, 0x3b, 0x3f, 0x37, 0x1b, 0x18, 0x19, 0x1a] as const;

function reservedWord(c: Context): number {
  const word = ((c.random.pick(RESERVED_OPCODES) << 26) | (c.random.word() & 0x03ff_ffff)) >>> 0;
  return decode(word) === null ? word : 0xfc00_0000;
}

const FPU = ["add.s", "mul.d", "mfc1", "ctc1", "lwc1", "sdc1", "cvt.w.d", "movf", "madd.s"] as const;

/** An instruction that mostly raises an exception. */
export function randomTrap(c: Context): number {
  const { random } = c;
  switch (random.below(7)) {
    case 0:
      return encode("syscall", { code: random.below(1 << 20) });
    case 1:
      return encode("break", { code: random.below(1024), code2: random.below(1024) });
    case 2:
      return reservedWord(c);
    case 3:
      return randomWord(c, rowOf(random.pick(FPU)));
    case 4:
      // In user mode even an unassigned function of coprocessor 0 is unusable before it is reserved.
      return encode("c0", { cofun: 0x30 + random.below(4) });
    default:
      return randomWord(c, random.pick(CONDITIONAL_TRAPS));
  }
}

/** What may stand in a delay slot: anything that does not branch or change the mode. */
export function delaySlot(c: Context): number {
  const kind = c.random.below(100);
  if (kind < 45) return randomAlu(c);
  if (kind < 82) return randomAccess(c);
  if (kind < 90) return randomTrap(c);
  return 0;
}
