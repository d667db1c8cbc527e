import { ENGINES } from "../../../src/engine/index.ts";
import { CPU_MODELS } from "../../../src/machine/cpu-models.ts";
import type { Endian } from "../../../src/machine/memory.ts";
import { ENGINE_NAMES, ksegMalta, runInQemu, type EngineName } from "../malta.ts";
import { compareResults, type Mismatch } from "./compare.ts";
import { generateProgram, type CpuName, type FpuProgram } from "./generator.ts";
import { buildImage, programsRun, readResults, type Image } from "./image.ts";
import { MAX_PROGRAMS, RAM_BYTES } from "./layout.ts";

const TIMEOUT_MS = 60_000;
/** More instructions than any program needs, driver included. */
const INSTRUCTIONS_PER_PROGRAM = 20_000;

/** A program that did not end the same. */
export interface Failure {
  readonly program: FpuProgram;
  readonly engine: EngineName;
  readonly mismatches: readonly Mismatch[];
}

/** A machine did not get through its image. */
class UnfinishedError extends Error {
  override readonly name = "UnfinishedError";
}

function runOnQemu(image: Image, cpu: CpuName): Promise<Uint32Array[]> {
  const { endian, ram, rom, programs } = image;
  return runInQemu(
    {
      ...{ endian, cpu, ramBytes: RAM_BYTES, ram, rom, timeoutMs: TIMEOUT_MS },
      done: (read) => programsRun(read) === programs,
    },
    (read, ended) => {
      if (programsRun(read) !== programs)
        throw new UnfinishedError(`QEMU stopped in program ${programsRun(read)}: ${ended}`);
      return readResults(programs, read);
    },
  );
}

function runOnKseg(image: Image, cpu: CpuName, engine: EngineName): Uint32Array[] {
  const { machine, finished, read } = ksegMalta(
    {
      model: CPU_MODELS[cpu]!,
      ...{ endian: image.endian, ramBytes: RAM_BYTES, ram: image.ram, rom: image.rom, hostCalls: false },
    },
    ENGINES[engine],
  );
  const stop = machine.run(INSTRUCTIONS_PER_PROGRAM * (image.programs + 1));
  if (!finished())
    throw new UnfinishedError(
      `kseg stopped in program ${programsRun(read)}: ${stop.kind} at ${machine.cpu.pc.toString(16)}`,
    );
  return readResults(image.programs, read);
}

/** Runs programs `first` to `first + count - 1` in QEMU and by each engine; returns those that end differently. */
export async function compareSeeds(
  cpu: CpuName,
  endian: Endian,
  first: number,
  count: number,
): Promise<Failure[]> {
  const failures: Failure[] = [];
  for (let seed = first; seed < first + count; seed += MAX_PROGRAMS) {
    const length = Math.min(MAX_PROGRAMS, first + count - seed);
    const programs = Array.from({ length }, (_, n) => generateProgram(seed + n, cpu));
    const image = buildImage(programs, endian);
    const running = runOnQemu(image, cpu);
    const runs = ENGINE_NAMES.map((engine) => ({ engine, results: runOnKseg(image, cpu, engine) }));
    const qemu = await running;
    programs.forEach((program, n) => {
      for (const { engine, results } of runs) {
        const mismatches = compareResults(program, n, results[n]!, qemu[n]!);
        if (mismatches.length > 0) failures.push({ program, engine, mismatches });
      }
    });
  }
  return failures;
}
