import { ALIASES, type Alias } from "./aliases.ts";
import { cp0Index, cp0Name } from "./cp0.ts";
import { buildDecoder, type Decoder } from "./decode.ts";
import { ALL_INSTRUCTIONS } from "./instructions.ts";
import {
  COMPUTED_OPERANDS,
  encodingOf,
  fieldValue,
  parseAsm,
  type AsmOperand,
  type ComputedOperand,
  type Encoding,
  type FieldName,
  type OperandFormat,
} from "./operands.ts";
import { FCR_NAMES, GPR_NAMES } from "./registers.ts";
import { levelIncludes, type InstructionRow, type IsaLevel } from "./row.ts";

/** How to spell instructions. */
export interface DisassembleOptions {
  /** Common spellings such as `nop`, `move` and `beqz` (default true, as objdump does). */
  readonly aliases?: boolean;
  /** CP0 registers by the manual's names (`EntryHi`) instead of `$10` (default false). */
  readonly cp0Names?: boolean;
  /** Instructions of other CPUs are words (default: those of all 32-bit CPUs are spelt). */
  readonly level?: IsaLevel;
}

const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;

/** Whether assembly shows all fields of a row: otherwise the row has no spelling. */
function isSpelt(row: InstructionRow): boolean {
  const shown = parseAsm(row.asm).map((operand) =>
    operand.name in COMPUTED_OPERANDS ? "msb" : operand.name,
  );
  return encodingOf(row).fields.every(
    (field) => field.rule.copyOf !== undefined || shown.includes(field.name),
  );
}

const strictDecoders = new Map<IsaLevel, Decoder>();

/** Like `decoderFor`, but only for words that assembly can express: no unchecked bit is set. */
function strictDecoderFor(level: IsaLevel): Decoder {
  let decoder = strictDecoders.get(level);
  if (decoder === undefined) {
    const rows = ALL_INSTRUCTIONS.filter((row) => levelIncludes(level, row.level) && isSpelt(row));
    decoder = buildDecoder(rows, true);
    strictDecoders.set(level, decoder);
  }
  return decoder;
}

/** Like `decode`, but only for words that assembly can express: no unchecked bit is set. */
export function decodeStrict(word: number): InstructionRow | null {
  return strictDecoderFor("mips32r5")(word);
}

function valueOf(encoding: Encoding, word: number, name: FieldName): number {
  const field = encoding.fields.find((candidate) => candidate.name === name);
  return field === undefined ? 0 : fieldValue(field, word);
}

function findAlias(
  row: InstructionRow,
  encoding: Encoding,
  word: number,
  aliases: boolean,
): Alias | undefined {
  return ALIASES.find(
    (alias) =>
      alias.of === row.mnemonic &&
      (aliases || alias.always === true) &&
      Object.entries(alias.when).every(
        ([name, value]) => valueOf(encoding, word, name as FieldName) === value,
      ),
  );
}

/** Address of a branch (from the delay slot) or of a jump (in the delay slot's 256 MiB region). */
function targetOf(name: string, value: number, pc: number): number {
  const slot = (pc + 4) >>> 0;
  return name === "offset" ? slot + value : (slot & 0xf000_0000) | value;
}

/** The register that CLZ and CLO write; where its two copies differ, the result depends on the processor. */
function copiedRegister(rd: number, copy: number): string {
  if (rd === copy || copy === 0) return `${GPR_NAMES[rd]}`;
  if (rd === 0) return `${GPR_NAMES[copy]}`;
  return `${GPR_NAMES[rd]} or ${GPR_NAMES[copy]}`;
}

/** Text of an operand of each format, where the format alone decides. */
const FORMAT_TEXT: Readonly<Record<Exclude<OperandFormat, "cc" | "target">, (value: number) => string>> = {
  gpr: (value) => `${GPR_NAMES[value]}`,
  fpr: (value) => `$f${value}`,
  fcr: (value) => (FCR_NAMES.has(value) ? `c1_${FCR_NAMES.get(value)}` : `$${value}`),
  register: (value) => `$${value}`,
  hex,
  decimal: (value) => `${value}`,
};

function operandText(
  row: InstructionRow,
  encoding: Encoding,
  word: number,
  pc: number,
  operand: AsmOperand,
): string {
  const { name } = operand;
  if (name === "zero") return name;
  if (name in COMPUTED_OPERANDS) {
    const lsb = encoding.fields.find((candidate) => candidate.name.startsWith("lsb"));
    const { sizeOf } = COMPUTED_OPERANDS[name as ComputedOperand];
    return hex(sizeOf(valueOf(encoding, word, "msb"), lsb === undefined ? 0 : fieldValue(lsb, word)));
  }
  const field = encoding.fields.find((candidate) => candidate.name === name);
  if (field === undefined) return "";
  const value = fieldValue(field, word);
  const copy = encoding.fields.find((candidate) => candidate.rule.copyOf === name);
  if (copy !== undefined) return copiedRegister(value, fieldValue(copy, word));
  switch (field.rule.format) {
    case "cc":
      return `${row.kind === "cop2" ? "$cc" : "$fcc"}${value}`;
    case "target":
      return hex(targetOf(name, value, pc));
    default:
      return FORMAT_TEXT[field.rule.format](value);
  }
}

/** Whether an optional operand is left out: it and all optional ones after it are zero. */
function isOmitted(
  operands: readonly AsmOperand[],
  index: number,
  encoding: Encoding,
  word: number,
): boolean {
  return (
    operands[index]?.optional === true &&
    operands
      .slice(index)
      .every((rest) => !rest.optional || valueOf(encoding, word, rest.name as FieldName) === 0)
  );
}

/**
 * The assembly text of a word at an address: mnemonic, a space, operands separated by commas; `.word 0x…` for
 * a word that has no spelling. The text is that of binutils' objdump 2.40 for `-m mips:isa32r2` (or r5, by `level`) and
 * `-M cp0-names=numeric,hwr-names=numeric`, with `no-aliases` when `aliases` is false.
 */
export function disassemble(word: number, pc: number, options: DisassembleOptions = {}): string {
  const row = strictDecoderFor(options.level ?? "mips32r5")(word);
  if (row === null) return `.word ${hex(word)}`;
  const encoding = encodingOf(row);
  const alias = findAlias(row, encoding, word, options.aliases ?? true);
  const operands = parseAsm(alias?.asm ?? row.asm);
  let text = "";
  const named = options.cp0Names === true && /^d?m[ft]h?c0$/.test(row.mnemonic);
  operands.forEach((operand, index) => {
    if (isOmitted(operands, index, encoding, word)) return;
    if (named && operand.name === "sel") return;
    let spelling = operandText(row, encoding, word, pc, operand);
    if (named && operand.name === "rdNumber") {
      const select = valueOf(encoding, word, "sel");
      const number = valueOf(encoding, word, "rdNumber");
      spelling = cp0Name(cp0Index(number, select)) ?? (select === 0 ? spelling : `${spelling},${select}`);
    }
    text += `${text === "" && operand.before === "," ? "" : operand.before}${spelling}${operand.after}`;
  });
  const name = alias?.name ?? row.mnemonic;
  return text === "" ? name : `${name} ${text}`;
}
