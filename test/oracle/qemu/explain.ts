import { excCodeName } from "../../../src/isa/exceptions.ts";
import { disassemble } from "../../../src/isa/disassemble.ts";
import { GPR_NAMES } from "../../../src/isa/registers.ts";
import type { Endian } from "../../../src/machine/memory.ts";
import { RECORD, RESULT, TRACE } from "./layout.ts";
import { DROPPED, layOut, type Program } from "./program.ts";
import type { Failure } from "./suite.ts";

const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");

/** The command that runs one program again on both machines. */
function replayCommand(seed: number, endian: Endian): string {
  return `npm run oracle -- architecture --seed ${seed} --count 1${endian === "big" ? " --endian big" : ""}`;
}

/** A program for a reader: what it starts with, and its instructions, group by group. */
function listProgram(program: Program): string {
  const { words, starts } = layOut(program);
  const lines = [
    `seed ${program.seed}: code at ${hex(words[RECORD.entry]!)}, Status ${hex(program.status)}, ` +
      `Cause ${hex(program.cause)}, ASID ${program.entryHi.toString(16)}, flags ${program.flags}`,
  ];
  program.gpr.forEach((value, register) => {
    if (register % 8 === 0) lines.push("");
    lines[lines.length - 1] += ` ${GPR_NAMES[register]} ${hex(value)}`;
  });
  program.regions.forEach(({ base, ...fill }, n) => {
    const entry = program.tlb[n];
    const show = (m: typeof fill): string => `${hex(m.pageMask)} ${hex(m.entryLo0)} ${hex(m.entryLo1)}`;
    const flags = `${(program.refillRegions >>> n) & 1 ? " refilled" : ""}${(program.fixRegions >>> n) & 1 ? " repaired" : ""}`;
    lines.push(
      `  region ${n} at ${hex(base)}: ${entry === null || entry === undefined ? "no entry" : `${hex(entry.entryHi)} ${show(entry)}`}` +
        `; refill ${show(fill)}${flags}`,
    );
  });
  let pc = words[RECORD.entry]!;
  for (let word = 0; word < words[RECORD.codeWords]!; word++, pc += 4) {
    const group = starts.indexOf(pc);
    const found = program.groups[group];
    if (found?.name === DROPPED) {
      lines.push(`${DROPPED}: ${found.items.length} NOPs`);
      word += found.items.length - 1;
      pc += (found.items.length - 1) * 4;
      continue;
    }
    if (group >= 0) lines.push(`${found?.name ?? "end"}:`);
    const code = words[RECORD.code + word]!;
    lines.push(`  ${hex(pc)}  ${hex(code)}  ${disassemble(code, pc, { cp0Names: true })}`);
  }
  return lines.join("\n");
}

/** The exceptions that a machine reported. */
function listTrace(result: Uint32Array): string {
  const lines: string[] = [];
  for (let n = 0; n < result[RESULT.exceptions]!; n++) {
    const at = RESULT.trace + n * TRACE.words;
    const word = (offset: number): number => result[at + offset]!;
    const code = excCodeName((word(TRACE.cause) >>> 2) & 31);
    lines.push(
      `  ${n} ${code} epc ${hex(word(TRACE.epc))} cause ${hex(word(TRACE.cause))} badVAddr ${hex(word(TRACE.badVAddr))} ` +
        `status ${hex(word(TRACE.status))} context ${hex(word(TRACE.context))} entryHi ${hex(word(TRACE.entryHi))} ` +
        `vector ${word(TRACE.vector).toString(16)} errorEpc ${hex(word(TRACE.errorEpc))}`,
    );
  }
  return lines.join("\n");
}

/** Everything about a failure: program, both traces, differences, and how to see it again. */
export function explain(failure: Failure, endian: Endian): string {
  return [
    listProgram(failure.program),
    "exceptions in QEMU:",
    listTrace(failure.qemu),
    "exceptions in kseg:",
    listTrace(failure.kseg),
    ...failure.mismatches.map(
      ({ what, qemu, kseg }) => `differs: ${what}: QEMU ${hex(qemu)}, kseg ${hex(kseg)}`,
    ),
    `replay: ${replayCommand(failure.program.seed, endian)}`,
  ].join("\n");
}
