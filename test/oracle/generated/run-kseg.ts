import { createInterpreter } from "../../../src/engine/index.ts";
import { GPR } from "../../../src/isa/registers.ts";
import { Machine } from "../../../src/machine/machine.ts";
import { SOFT_RESET } from "./driver.ts";
import type { Image } from "./image.ts";
import { BIOS_BASE, BIOS_BYTES, RAM_BYTES, VARIABLE, VARIABLES } from "./layout.ts";

/** More than there are between two host calls. */
const INSTRUCTIONS = 1_000_000;

/** What kseg's machine made of an image. */
export interface KsegRun {
  readonly ram: Uint8Array;
  /** TLB refills taken up to each report. */
  readonly refills: readonly number[];
}

/**
 * Runs an image bare on kseg's machine. It has no Debug mode: SDBBP comes back here, and the way to the driver
 * is taken as the ROM's debug vector takes it.
 */
export function runInKseg(image: Image): KsegRun {
  const { model, endian } = image.configuration;
  const machine = new Machine(
    {
      model,
      endian,
      ramBytes: RAM_BYTES + BIOS_BYTES,
      ramRegions: [
        { base: 0, size: RAM_BYTES, offset: 0 },
        { base: BIOS_BASE, size: BIOS_BYTES, offset: RAM_BYTES },
      ],
      guestTime: "all",
      hostCalls: true,
    },
    createInterpreter,
  );
  let finished = false;
  machine.bus.add({
    name: "soft reset",
    base: SOFT_RESET.pa,
    size: 4,
    device: {
      read: () => 0,
      write: () => {
        finished = true;
        machine.stop();
      },
    },
  });
  machine.memory.writeBytes(0, image.ram);
  image.rom.forEach((word, index) => machine.memory.write32(RAM_BYTES + index * 4, word));
  machine.cpu.reset();
  const { cpu } = machine;
  const refills: number[] = [];
  while (!finished) {
    const stop = machine.run(INSTRUCTIONS);
    if (finished || stop.kind !== "host-call") break;
    refills.push(cpu.refills);
    const variable = (offset: number, value: number): void => machine.write32(VARIABLES + offset, value);
    variable(VARIABLE.callPc, (cpu.pc - 4) >>> 0);
    variable(VARIABLE.k0, cpu.gpr[GPR.k0]!);
    variable(VARIABLE.k1, cpu.gpr[GPR.k1]!);
    cpu.setPc(image.reportEntry);
  }
  return { ram: machine.memory.readBytes(0, RAM_BYTES), refills };
}
