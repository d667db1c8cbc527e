import { CPU_MODELS, type CpuModel } from "../../../src/machine/cpu-models.ts";
import type { Endian } from "../../../src/machine/memory.ts";
import type { HostPageSize } from "../../../src/kvm/page-format.ts";

/** A host to generate code for: kseg's model of it, and the CPU that QEMU has for it. */
export interface Configuration {
  readonly name: string;
  readonly model: CpuModel;
  readonly qemuCpu: string;
  readonly pageSize: HostPageSize;
  readonly endian: Endian;
  /** Length of the refill handler. */
  readonly handlerWords: number;
}

/**
 * QEMU's P5600 has what kseg's models add to the 24Kc, KScratch (selects 2 to 4), RI/XI, BadInstr and BadInstrP;
 * it has 64 TLB entries, and EntryLo holds the 24 bits of PFN that 36 bits of physical address need.
 */
function likeP5600(name: string): CpuModel {
  return { ...CPU_MODELS[name]!, tlbEntries: 64, physicalBits: 36, badInstr: true };
}

/**
 * What is compared. No configuration rotates its PTEs in one step: that needs a CPU whose EntryLo ignores more
 * bits than any of QEMU's 32-bit CPUs does.
 */
export const CONFIGURATIONS: readonly Configuration[] = (
  [
    ["DDataLo and ErrorEPC", CPU_MODELS["24Kc"]!, "24Kc", 4096, "little", 27],
    ["DDataLo and ErrorEPC", CPU_MODELS["24Kc"]!, "24Kc", 16384, "little", 27],
    ["DDataLo and ErrorEPC", CPU_MODELS["24Kc"]!, "24Kc", 4096, "big", 27],
    ["KScratch", likeP5600("24Kc-kscratch"), "P5600", 4096, "little", 26],
    ["KScratch", likeP5600("24Kc-kscratch"), "P5600", 16384, "little", 26],
    ["KScratch and RI/XI", likeP5600("24Kc-rixi"), "P5600", 4096, "little", 28],
    ["KScratch and RI/XI", likeP5600("24Kc-rixi"), "P5600", 16384, "little", 28],
    ["KScratch and RI/XI", likeP5600("24Kc-rixi"), "P5600", 4096, "big", 28],
  ] as const
).map(([what, model, qemuCpu, pageSize, endian, handlerWords]) => ({
  name: `${what}, ${pageSize / 1024}K pages, ${endian} endian`,
  model,
  qemuCpu,
  pageSize,
  endian,
  handlerWords,
}));
