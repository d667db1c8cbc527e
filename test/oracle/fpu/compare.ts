import { disassemble } from "../../../src/isa/disassemble.ts";
import { CAUSE } from "../../../src/isa/cp0.ts";
import { EXC_CODE } from "../../../src/isa/exceptions.ts";
import { REGISTER_DIFFERENCES } from "./known-differences.ts";
import { programWords, type FpuProgram } from "./generator.ts";
import { CONTROLS, KSEG0, RECORD, RECORDS, RESULT, TRACE_BYTES } from "./layout.ts";

/** A word in which two results differ. */
export interface Mismatch {
  readonly what: string;
  readonly kseg: number;
  readonly qemu: number;
}

const EXCEPTION = (CAUSE.BD | CAUSE.ExcCode) >>> 0;

/** What the words of a result are called. */
function nameOf(word: number): string {
  const at = word * 4;
  if (at >= RESULT.trace) return `trace ${Math.floor((at - RESULT.trace) / TRACE_BYTES)} word ${word % 4}`;
  if (at >= RESULT.data) return `data at ${(at - RESULT.data).toString(16)}`;
  if (at >= RESULT.gpr) return `t${(at - RESULT.gpr) / 4}`;
  if (at >= RESULT.control) return CONTROLS[(at - RESULT.control) / 4]!;
  return `f${Math.floor(at / 8)} word ${word % 2}`;
}

/** Bits of a word that are compared. */
function maskOf(word: number, qemu: Uint32Array): number {
  const at = word * 4;
  if (at >= RESULT.trace && isException(word, qemu)) {
    const first = word - (word % 4);
    const code = (qemu[first]! & CAUSE.ExcCode) >>> 2;
    if (word === first) return code === EXC_CODE.CpU ? EXCEPTION | CAUSE.CE : EXCEPTION;
    // BadVAddr belongs to address errors.
    if (word === first + 3) return code === EXC_CODE.AdEL || code === EXC_CODE.AdES ? -1 : 0;
  }
  const name = nameOf(word);
  return ~REGISTER_DIFFERENCES.reduce(
    (bits, { register, bits: more }) => (register === name ? bits | more : bits),
    0,
  );
}

/** Entries of exceptions have a code address in their second word. */
function isException(word: number, result: Uint32Array): boolean {
  const epc = result[word - (word % 4) + 1]! - KSEG0;
  return epc >= RECORDS && epc < RECORDS + 0x70_0000 && epc % 4 === 0;
}

/** Compares the results of program `index` of an image. */
export function compareResults(
  program: FpuProgram,
  index: number,
  kseg: Uint32Array,
  qemu: Uint32Array,
): Mismatch[] {
  const mismatches: Mismatch[] = [];
  for (let word = kseg.length - 1; word >= 0; word--) {
    if (((kseg[word]! ^ qemu[word]!) & maskOf(word, qemu)) === 0) continue;
    mismatches.push({ what: nameOf(word), kseg: kseg[word]!, qemu: qemu[word]! });
  }
  return mismatches.sort((a, b) => order(a) - order(b)).map((m) => explainPlace(program, index, m, qemu));
}

/** The first entry of the trace says most. */
const order = ({ what }: Mismatch): number => {
  const entry = /^trace (\d+) word (\d)/.exec(what);
  return entry === null ? 1e6 : Number(entry[1]) * 4 + Number(entry[2]);
};

/** Adds the instruction to an entry of an exception. */
function explainPlace(program: FpuProgram, index: number, m: Mismatch, qemu: Uint32Array): Mismatch {
  const entry = /^trace (\d+) /.exec(m.what);
  if (entry === null) return m;
  const words = programWords(program);
  const start = KSEG0 + RECORDS + index * RECORD.bytes + RECORD.code;
  const at = RESULT.trace / 4 + Number(entry[1]) * (TRACE_BYTES / 4);
  const place = isException(at, qemu) ? (qemu[at + 1]! - start) / 4 : -1;
  const word = words[place];
  return word === undefined ? m : { ...m, what: `${m.what} (exception at ${disassemble(word, 0)})` };
}

/** A failure in words: the instructions of the program, and where the results differ first. */
export function explain(program: FpuProgram, mismatches: readonly Mismatch[]): string {
  const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");
  const lines = programWords(program).map((word) => `  ${disassemble(word, 0)}`);
  const found = mismatches
    .slice(0, 8)
    .map(({ what, kseg, qemu }) => `  ${what}: kseg ${hex(kseg)}, QEMU ${hex(qemu)}`);
  const start = `FCSR ${hex(program.fcsr)}, Status ${hex(program.status)}`;
  return [`program ${program.seed} for ${program.cpu}, ${start}`, ...lines, ...found].join("\n");
}
