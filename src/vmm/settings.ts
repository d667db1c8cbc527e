import type { GuestConfig } from "../guest.ts";
import { GUEST_TLB_SIZES } from "../kvm/index.ts";
import { MAX_CPUS } from "../machine/machine.ts";
import type { Endian } from "../machine/memory.ts";
import { choice, flag, integer, orNull, record, text } from "../state/fields.ts";
import { MAX_GVA_ROOTS, MAX_MEMORY, MEMORY_UNIT } from "./limits.ts";

/** What decides how a hypervisor and its guest are made. */
export interface HypervisorSettings {
  readonly hostCpus: number;
  readonly hostPageSize: 4096 | 16384;
  /** Where the guest lives: like a kernel for trap and emulate, or at the architecture's addresses. */
  readonly map: "te" | "eva";
  readonly refill: "fast" | "slow";
  readonly gvaRoots: number;
  readonly guestTlb: number;
  readonly fastExits: boolean;
  readonly guestFpu: boolean;
  readonly dyntrans: boolean;
}

/** What decides how a guest's machine is made: all of the configuration that its state depends on. */
export interface Settings {
  readonly hostCpu: string;
  readonly endian: Endian;
  /** Guest memory in units of 1 MiB. */
  readonly memoryUnits: number;
  /** Whether time followed the embedder's clock. */
  readonly clock: NonNullable<GuestConfig["clock"]>;
  /** Null: the guest is directly on the machine. */
  readonly hypervisor: HypervisorSettings | null;
}

/** How they are kept. */
export const SETTINGS = record<Settings>({
  hostCpu: text(64),
  endian: choice(["little", "big"]),
  memoryUnits: integer(1, Math.floor(MAX_MEMORY / MEMORY_UNIT)),
  clock: choice(["virtual", "wall"]),
  hypervisor: orNull(
    record<HypervisorSettings>({
      hostCpus: integer(1, MAX_CPUS),
      hostPageSize: choice([4096, 16384]),
      map: choice(["te", "eva"]),
      refill: choice(["fast", "slow"]),
      gvaRoots: integer(1, MAX_GVA_ROOTS),
      guestTlb: choice(GUEST_TLB_SIZES),
      ...{ fastExits: flag, guestFpu: flag, dyntrans: flag },
    }),
  ),
});
