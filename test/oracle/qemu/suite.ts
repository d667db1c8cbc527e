import { CAUSE } from "../../../src/isa/cp0.ts";
import { excCodeName } from "../../../src/isa/exceptions.ts";
import type { Endian } from "../../../src/machine/memory.ts";
import type { EngineName } from "../malta.ts";
import { compareReset, compareResults, machineChecked, type Mismatch } from "./compare.ts";
import { generateProgram } from "./generator.ts";
import { buildImage } from "./image.ts";
import { RESULT, TRACE } from "./layout.ts";
import { layOut, type Program } from "./program.ts";
import { runInKseg } from "./run-kseg.ts";
import { runInQemu } from "./run-qemu.ts";

/** A program whose results differ. */
export interface Failure {
  readonly program: Program;
  readonly mismatches: readonly Mismatch[];
  readonly qemu: Uint32Array;
  readonly kseg: Uint32Array;
}

/** What a comparison found. */
export interface Report {
  readonly programs: number;
  /** Exceptions taken by all programs together, by name. */
  readonly exceptions: ReadonlyMap<string, number>;
  /** Programs in which kseg raised a machine check: not compared. */
  readonly machineChecks: number;
  readonly reset: readonly Mismatch[];
  readonly failures: readonly Failure[];
}

/** Runs programs in one image on both machines and compares. */
export async function comparePrograms(
  programs: readonly Program[],
  endian: Endian,
  engine?: EngineName,
): Promise<Report> {
  const records = programs.map(layOut);
  const image = buildImage(records, endian);
  const qemu = await runInQemu(image);
  const kseg = runInKseg(image, engine);
  const failures: Failure[] = [];
  let machineChecks = 0;
  const exceptions = new Map<string, number>();
  records.forEach((record, index) => {
    const ours = kseg.results[index]!;
    for (let n = 0; n < ours[RESULT.exceptions]!; n++) {
      const cause = ours[RESULT.trace + n * TRACE.words + TRACE.cause]!;
      const name =
        excCodeName((cause & CAUSE.ExcCode) >>> 2) + ((cause & CAUSE.BD) !== 0 ? " in a delay slot" : "");
      exceptions.set(name, (exceptions.get(name) ?? 0) + 1);
    }
    if (machineChecked(ours)) {
      machineChecks++;
      return;
    }
    const theirs = qemu.results[index]!;
    const mismatches = compareResults(record, theirs, ours);
    if (mismatches.length > 0)
      failures.push({ program: record.program, mismatches, qemu: theirs, kseg: ours });
  });
  return {
    programs: programs.length,
    exceptions,
    machineChecks,
    reset: compareReset(qemu.reset, kseg.reset),
    failures,
  };
}

/** Generates and compares `count` programs from seed `first`. */
export function compareSeeds(
  first: number,
  count: number,
  endian: Endian,
  engine?: EngineName,
): Promise<Report> {
  return comparePrograms(
    Array.from({ length: count }, (_, index) => generateProgram(first + index)),
    endian,
    engine,
  );
}
