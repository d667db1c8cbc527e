import type { Endian } from "../../../src/machine/memory.ts";
import { BIOS_BASE, BIOS_BYTES, type Piece, type ReadRam } from "../malta.ts";
import { buildHarness, isBios } from "./harness.ts";
import {
  DUMPED_CP0,
  MAX_PROGRAMS,
  RECORDS,
  RESET_STATE,
  RESULTS,
  SLOT_BYTES,
  VARIABLE,
  VARIABLES,
} from "./layout.ts";
import type { ProgramRecord } from "./program.ts";

/** What both machines start from: words of RAM and of the boot ROM. */
export interface Image {
  readonly endian: Endian;
  readonly programs: number;
  readonly ram: readonly Piece[];
  readonly bios: Uint32Array;
}

/** What a run leaves behind. */
export interface Outcome {
  /** CP0 registers after reset, in the order of DUMPED_CP0. */
  readonly reset: Uint32Array;
  /** One result for each program (see RESULT). */
  readonly results: readonly Uint32Array[];
}

/** A machine did not finish: the program at which it stood. */
export class UnfinishedError extends Error {
  override readonly name = "UnfinishedError";
  readonly program: number;
  constructor(machine: string, program: number, why: string) {
    super(`${machine} did not finish program ${program} of the image: ${why}`);
    this.program = program;
  }
}

const pieces = buildHarness();

/** Puts records and harness together. At most MAX_PROGRAMS records. */
export function buildImage(records: readonly ProgramRecord[], endian: Endian): Image {
  if (records.length > MAX_PROGRAMS) throw new RangeError(`${records.length} programs in one image`);
  const bios = new Uint32Array(BIOS_BYTES / 4);
  const ram: Piece[] = [];
  for (const piece of pieces)
    if (isBios(piece.pa)) bios.set(piece.words, (piece.pa - BIOS_BASE) / 4);
    else ram.push(piece);
  const count = new Uint32Array([records.length]);
  ram.push({ pa: VARIABLES + VARIABLE.count, words: count });
  records.forEach((record, index) => ram.push({ pa: RECORDS + index * SLOT_BYTES, words: record.words }));
  return { endian, programs: records.length, ram, bios };
}

/** Collects the outcome through a reader of words. */
export function readOutcome(programs: number, read: ReadRam): Outcome {
  const results = Array.from({ length: programs }, (_, index) =>
    read(RESULTS + index * SLOT_BYTES, SLOT_BYTES / 4),
  );
  return { reset: read(RESET_STATE, DUMPED_CP0.length), results };
}

/** The program that a machine stands at. */
export const programIndex = (read: ReadRam): number => read(VARIABLES + VARIABLE.index, 1)[0]!;
