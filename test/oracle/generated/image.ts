import type { Configuration } from "./configurations.ts";
import { buildDriver } from "./driver.ts";
import { STATUS } from "../../../src/isa/cp0.ts";
import { CAPTURED_BYTES, RAM_BYTES, RECORD, RECORDS, REPORT, REPORTS } from "./layout.ts";
import { assemblePrograms, type Program } from "./scenarios.ts";
import { World } from "./world.ts";

/**
 * How often each scenario is run, with one more entry wired each time: TLBWR may put the second pair where the
 * first was. Random counts instructions in kseg, so that the same number of entries would give the same victims.
 */
const REPETITIONS = 6;

/** Everything that a run needs, on either machine. */
export interface Image {
  readonly configuration: Configuration;
  readonly world: World;
  readonly programs: readonly Program[];
  /** What the records run, in order. */
  readonly records: readonly Program[];
  readonly ram: Uint32Array;
  readonly rom: Uint32Array;
  readonly reportEntry: number;
}

/** Builds the world of a configuration and, from its RAM, the image. */
export function buildImage(configuration: Configuration): Image {
  const world = new World(configuration);
  const programs = assemblePrograms(world);
  const records = Array.from({ length: REPETITIONS }, () => programs).flat();
  const reports = records.reduce((sum, { exits }) => sum + exits.length + 1, 0);
  if (RECORDS + records.length * RECORD.words * 4 > REPORTS) throw new RangeError("too many records");
  if (REPORTS + reports * REPORT.words * 4 > RAM_BYTES) throw new RangeError("too many reports");
  const ram = new Uint32Array(RAM_BYTES / 4);
  for (let pa = 0; pa < CAPTURED_BYTES; pa += 4) ram[pa / 4] = world.machine.memory.read32(pa);
  records.forEach((program, index) => {
    const words = new Uint32Array(RECORD.words);
    words[RECORD.resumes] = program.exits.length - 1;
    words[RECORD.status] = program.hostStatus;
    words[RECORD.cause] = program.hostCause;
    words[RECORD.guestStatus] = program.scenario.user ? STATUS.UM : 0;
    words[RECORD.pc] = program.pc;
    words[RECORD.hi] = program.hi;
    words[RECORD.lo] = program.lo;
    words[RECORD.wired] = Math.floor(index / programs.length);
    words.set(program.gpr, RECORD.gpr);
    ram.set(words, RECORDS / 4 + index * RECORD.words);
  });
  const { rom, reportEntry } = buildDriver(world, records.length);
  return { configuration, world, programs, records, ram, rom, reportEntry };
}
