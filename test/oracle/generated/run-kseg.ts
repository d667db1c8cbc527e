import { ENGINES } from "../../../src/engine/index.ts";
import { GPR } from "../../../src/isa/registers.ts";
import { ksegMalta, type EngineName } from "../malta.ts";
import type { Image } from "./image.ts";
import { RAM_BYTES, VARIABLE, VARIABLES } from "./layout.ts";

/** More than there are between two host calls. */
const INSTRUCTIONS = 1_000_000;

/** What kseg's machine made of an image. */
export interface KsegRun {
  readonly ram: Uint32Array;
  /** TLB refills taken up to each report. */
  readonly refills: readonly number[];
}

/**
 * Runs an image bare on kseg's machine. It has no Debug mode: SDBBP comes back here, and the way to the driver
 * is taken as the ROM's debug vector takes it.
 */
export function runInKseg(image: Image, engine: EngineName = "interp"): KsegRun {
  const { model, endian } = image.configuration;
  const { machine, finished, read } = ksegMalta(
    {
      model,
      endian,
      ramBytes: RAM_BYTES,
      ram: [{ pa: 0, words: image.ram }],
      rom: image.rom,
      hostCalls: true,
    },
    ENGINES[engine],
  );
  const { cpu } = machine;
  const refills: number[] = [];
  while (!finished()) {
    const stop = machine.run(INSTRUCTIONS);
    if (finished() || stop.kind !== "host-call") break;
    refills.push(cpu.refills);
    const variable = (offset: number, value: number): void => machine.write32(VARIABLES + offset, value);
    variable(VARIABLE.callPc, (cpu.pc - 4) >>> 0);
    variable(VARIABLE.k0, cpu.gpr[GPR.k0]!);
    variable(VARIABLE.k1, cpu.gpr[GPR.k1]!);
    cpu.setPc(image.reportEntry);
  }
  return { ram: read(0, RAM_BYTES / 4), refills };
}
