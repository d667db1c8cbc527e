import type { Endian } from "../../../src/machine/memory.ts";
import type { Piece, ReadRam } from "../malta.ts";
import { buildDriver } from "./driver.ts";
import { programWords, type FpuProgram } from "./generator.ts";
import { DATA, MAX_PROGRAMS, RECORD, RECORDS, RESULT, RESULTS, VARIABLE, VARIABLES } from "./layout.ts";

/** What both machines start from. */
export interface Image {
  readonly endian: Endian;
  readonly programs: number;
  readonly ram: readonly Piece[];
  readonly rom: Uint32Array;
}

const driver = buildDriver();
/** The boot ROM jumps to the driver: LUI t0; ORI t0; JR t0. */
const ROM = Uint32Array.of(
  0x3c08_0000 | (driver.entry >>> 16),
  0x3508_0000 | (driver.entry & 0xffff),
  0x0100_0008,
  0,
);

/** Both halves of a double, as memory has them. */
function halves(bits: bigint, endian: Endian): [number, number] {
  const [upper, lower] = [Number(bits >> 32n), Number(bits & 0xffff_ffffn)];
  return endian === "big" ? [upper, lower] : [lower, upper];
}

function recordOf(program: FpuProgram, endian: Endian): Uint32Array {
  const words = new Uint32Array(RECORD.bytes / 4);
  words.set(
    program.fpr.flatMap((bits) => halves(bits, endian)),
    RECORD.fpr / 4,
  );
  words[RECORD.fcsr / 4] = program.fcsr;
  words[RECORD.status / 4] = program.status;
  words.set(program.gpr, RECORD.gpr / 4);
  words.set(
    program.doubles.flatMap((bits) => halves(bits, endian)),
    (RECORD.data + DATA.doubles) / 4,
  );
  words.set(program.singles, (RECORD.data + DATA.singles) / 4);
  words.set(programWords(program), RECORD.code / 4);
  return words;
}

/** Puts programs and driver together. */
export function buildImage(programs: readonly FpuProgram[], endian: Endian): Image {
  if (programs.length > MAX_PROGRAMS) throw new RangeError(`${programs.length} programs in one image`);
  const ram: Piece[] = [...driver.pieces, { pa: VARIABLES, words: Uint32Array.of(programs.length, 0) }];
  programs.forEach((program, n) =>
    ram.push({ pa: RECORDS + n * RECORD.bytes, words: recordOf(program, endian) }),
  );
  return { endian, programs: programs.length, ram, rom: ROM };
}

/** Programs that a machine has run. */
export const programsRun = (read: ReadRam): number => read(VARIABLES + VARIABLE.index, 1)[0]!;

/** The result of each program. */
export function readResults(programs: number, read: ReadRam): Uint32Array[] {
  return Array.from({ length: programs }, (_, n) => read(RESULTS + n * RESULT.bytes, RESULT.bytes / 4));
}
