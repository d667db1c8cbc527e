import { CAUSE, CONTEXT, ENTRY_HI, STATUS } from "../../../src/isa/cp0.ts";
import { decode } from "../../../src/isa/decode.ts";
import { EXC_CODE } from "../../../src/isa/exceptions.ts";
import { GPR_NAMES } from "../../../src/isa/registers.ts";
import { comparableBits } from "./known-differences.ts";
import {
  CODE_BYTES,
  DATA_PARTS,
  DATA_WORDS,
  DUMPED_CP0,
  MAX_EXCEPTIONS,
  RECORD,
  RESULT,
  TRACE,
} from "./layout.ts";
import { codeAlias, type ProgramRecord } from "./program.ts";

/** A place where the two machines differ. */
export interface Mismatch {
  readonly what: string;
  readonly qemu: number;
  readonly kseg: number;
}

/** Compares CP0 as reset left it. Count runs in QEMU by the wall clock, and the board may interrupt already. */
export function compareReset(qemu: Uint32Array, kseg: Uint32Array): Mismatch[] {
  return DUMPED_CP0.flatMap((name, index) => {
    let bits = comparableBits(name);
    if (name === "Count") bits = 0;
    if (name === "Cause") bits &= ~CAUSE.IP;
    return differ(`${name} after reset`, qemu[index]!, kseg[index]!, bits);
  });
}

const differ = (what: string, qemu: number, kseg: number, bits: number): Mismatch[] =>
  ((qemu ^ kseg) & bits) === 0 ? [] : [{ what, qemu, kseg }];

const excCode = (cause: number): number => (cause & CAUSE.ExcCode) >>> 2;
const ADDRESS_ERRORS: readonly number[] = [EXC_CODE.AdEL, EXC_CODE.AdES];
const TLB_EXCEPTIONS: readonly number[] = [EXC_CODE.Mod, EXC_CODE.TLBL, EXC_CODE.TLBS];

/** Whether kseg raised a machine check, which QEMU cannot: what follows is not comparable. */
export function machineChecked(kseg: Uint32Array): boolean {
  for (let n = 0; n < kseg[RESULT.exceptions]!; n++)
    if (excCode(kseg[RESULT.trace + n * TRACE.words + TRACE.cause]!) === EXC_CODE.MCheck) return true;
  // The one that ended the program is not in the trace.
  return (kseg[RESULT.cp0 + DUMPED_CP0.indexOf("Status")]! & STATUS.TS) !== 0;
}

/** Whether `va` is a word of code but for its low bits: the target of a bad jump. */
const isUnalignedTarget = (va: number): boolean =>
  (va & 3) !== 0 && va >>> 0 >= codeAlias(0) && va >>> 0 < codeAlias(CODE_BYTES);

function hasUnalignedLoads(record: ProgramRecord): boolean {
  for (let word = 0; word < record.words[RECORD.codeWords]!; word++) {
    const row = decode(record.words[RECORD.code + word]!);
    if (row?.mnemonic === "lwl" || row?.mnemonic === "lwr") return true;
  }
  return false;
}

/** Compares the exceptions one by one, tracking which registers are unpredictable at each. */
function compareTraces(record: ProgramRecord, qemu: Uint32Array, kseg: Uint32Array): Mismatch[] {
  const unaligned = hasUnalignedLoads(record);
  let context = 0xffff_ffff;
  let badVAddr = 0xffff_ffff;
  const count = Math.min(qemu[RESULT.exceptions]!, kseg[RESULT.exceptions]!, MAX_EXCEPTIONS);
  for (let n = 0; n < count; n++) {
    const at = RESULT.trace + n * TRACE.words;
    const code = excCode(kseg[at + TRACE.cause]!);
    let entryHi = 0xffff_ffff;
    if (ADDRESS_ERRORS.includes(code)) {
      context &= ~CONTEXT.BADVPN2;
      entryHi = ENTRY_HI.ASID;
    } else if (TLB_EXCEPTIONS.includes(code)) context |= CONTEXT.BADVPN2;
    if (ADDRESS_ERRORS.includes(code) || TLB_EXCEPTIONS.includes(code)) {
      const aligned = unaligned && (code === EXC_CODE.TLBL || code === EXC_CODE.AdEL);
      // QEMU sets BadVAddr only when it first meets an unaligned target.
      const unalignedFetch = code === EXC_CODE.AdEL && isUnalignedTarget(kseg[at + TRACE.badVAddr]!);
      badVAddr = unalignedFetch ? 0 : aligned ? 0xffff_fffc : 0xffff_ffff;
    }
    const bits: Record<Exclude<keyof typeof TRACE, "words">, number> = {
      cause: code === EXC_CODE.CpU ? 0xffff_ffff : ~CAUSE.CE,
      epc: 0xffff_ffff,
      badVAddr,
      status: 0xffff_ffff,
      context,
      entryHi,
      vector: 0xffff_ffff,
      errorEpc: 0xffff_ffff,
    };
    const found = Object.entries(bits).flatMap(([name, mask]) => {
      const word = at + TRACE[name as keyof typeof bits];
      return differ(`exception ${n}: ${name}`, qemu[word]!, kseg[word]!, mask);
    });
    if (found.length > 0) return found;
  }
  return differ("exceptions", qemu[RESULT.exceptions]!, kseg[RESULT.exceptions]!, 0xffff_ffff);
}

const TLB_NAMES = ["EntryHi", "PageMask", "EntryLo0", "EntryLo1"];
const PART_WORDS = DATA_PARTS.reduce((sum, part) => sum + part.words, 0);

/** Every difference between the results of one program; the first ones are nearest to the cause. */
export function compareResults(record: ProgramRecord, qemu: Uint32Array, kseg: Uint32Array): Mismatch[] {
  const traces = compareTraces(record, qemu, kseg);
  if (traces.length > 0) return traces;
  const all: Mismatch[] = [];
  const compare = (what: string, word: number, bits = 0xffff_ffff): void => {
    all.push(...differ(what, qemu[word]!, kseg[word]!, bits));
  };
  for (let n = 0; n < 32; n++) compare(GPR_NAMES[n]!, RESULT.gpr + n);
  compare("hi", RESULT.hi);
  compare("lo", RESULT.lo);
  // The exception after the last that is reported may be an address error.
  const cutOff = kseg[RESULT.exceptions] === MAX_EXCEPTIONS;
  DUMPED_CP0.forEach((name, index) => {
    const bits = name === "EntryHi" && cutOff ? ENTRY_HI.ASID : comparableBits(name);
    compare(name, RESULT.cp0 + index, bits);
  });
  for (let n = 0; n < 64; n++) compare(`TLB entry ${n >> 2} ${TLB_NAMES[n & 3]}`, RESULT.tlb + n);
  for (let n = 0; n < DATA_WORDS; n++) {
    const inPage = n % PART_WORDS;
    const first = DATA_PARTS[0].words;
    const offset = inPage < first ? inPage * 4 : DATA_PARTS[1].offset + (inPage - first) * 4;
    compare(`data page ${Math.floor(n / PART_WORDS)} offset ${offset.toString(16)}`, RESULT.data + n);
  }
  return all;
}
