import { BootError } from "../boards/malta/boot.ts";
import { GuestConfigError, type Guest, type GuestConfig } from "../guest.ts";
import { EVA_MAP, TE_MAP, type GuestMap } from "../kvm/index.ts";
import { ElfError, parseElf } from "../loader/elf.ts";
import { CPU_MODELS, DEFAULT_CPU_MODEL, type CpuModel } from "../machine/cpu-models.ts";
import type { WallClock } from "../machine/machine-timeline.ts";
import { TICKS_PER_SECOND } from "../machine/timeline.ts";
import { BareGuest } from "./bare.ts";
import { checkConfig, modelOf } from "./check-config.ts";
import { DEFAULT_MEMORY } from "./limits.ts";
import { TrapAndEmulateGuest } from "./trap-and-emulate.ts";

const TICKS_PER_MILLISECOND = TICKS_PER_SECOND / 1000;
/** Where a kernel starts that is built for trap and emulate, and one that is not: what its map calls kseg0. */
const TE_KSEG0 = { first: 0x4000_0000, end: 0x6000_0000 } as const;
const KSEG0 = { first: 0x8000_0000, end: 0xa000_0000 } as const;

/**
 * Builds a machine, or a hypervisor with a VM, and loads the guest. Throws {@link GuestConfigError} if the
 * configuration cannot work.
 */
export function createGuest(config: GuestConfig): Guest {
  checkConfig(config);
  const { hostCpu = DEFAULT_CPU_MODEL, memory = DEFAULT_MEMORY, mode = "te" } = config;
  const model = modelOf(hostCpu);
  try {
    const kernel = parseElf(config.kernel);
    const machine = { model, endian: kernel.endian, ...wallClock(config) };
    if (mode === "te") {
      checkFpu(config, model);
      const map = mapFor(kernel.entry, model);
      return new TrapAndEmulateGuest(config, kernel, machine, memory, map);
    }
    checkNotTe(kernel.entry);
    return new BareGuest(config, kernel, machine, memory);
  } catch (error) {
    if (error instanceof ElfError) throw new GuestConfigError("kernel", error.message, { cause: error });
    if (error instanceof BootError) throw new GuestConfigError(error.about, error.message, { cause: error });
    throw error;
  }
}

/** Names of the models for which `has` holds. */
const modelsWith = (has: (model: CpuModel) => boolean): string =>
  Object.values(CPU_MODELS)
    .filter(has)
    .map(({ name }) => name)
    .join(", ");

function checkFpu({ guestFpu }: GuestConfig, { name, fpu }: CpuModel): void {
  if (guestFpu !== "on" || fpu !== null) return;
  const models = modelsWith((model) => model.fpu !== null);
  throw new GuestConfigError(
    "guestFpu",
    `the host CPU ${name} has no FPU that a guest could have: use one of ${models}`,
  );
}

const isIn = (range: { readonly first: number; readonly end: number }, address: number): boolean =>
  address >= range.first && address < range.end;

/** The names of the models on which kernels run under trap and emulate that were not built for it. */
const evaModels = (): string => modelsWith(({ segmentControl }) => segmentControl);

/** The guest map for a kernel that starts at `entry`, if the host can provide it. */
function mapFor(entry: number, model: CpuModel): GuestMap {
  if (isIn(TE_KSEG0, entry)) return TE_MAP;
  const at = entry.toString(16).padStart(8, "0");
  if (!isIn(KSEG0, entry))
    throw new GuestConfigError(
      "kernel",
      `the kernel starts at ${at}, which is kseg0 neither of a stock kernel (80000000 to 9fffffff) nor of one ` +
        "for trap and emulate (40000000 to 5fffffff): run it with mode bare",
    );
  if (model.segmentControl) return EVA_MAP;
  throw new GuestConfigError(
    "kernel",
    `the kernel starts at ${at}, and the host CPU ${model.name} cannot give kseg0 to a guest under trap and ` +
      `emulate: use a host CPU with EVA (${evaModels()}), run it with mode bare, or build it for KVM guests ` +
      "(40000000 to 5fffffff; Linux: CONFIG_KVM_GUEST)",
  );
}

function checkNotTe(entry: number): void {
  if (!isIn(TE_KSEG0, entry)) return;
  const at = entry.toString(16).padStart(8, "0");
  throw new GuestConfigError(
    "kernel",
    `the kernel starts at ${at}: it is built for trap and emulate, run it with mode te`,
  );
}

function wallClock(config: GuestConfig): { wallClock?: WallClock } {
  if ((config.clock ?? "virtual") === "virtual") return {};
  const { now } = config;
  if (typeof now !== "function")
    throw new GuestConfigError("now", "the wall clock needs a source of time: give `now`");
  const start = now();
  const ticks = (): number => {
    const time = now();
    const passed = (time - start) * TICKS_PER_MILLISECOND;
    if (typeof time === "number" && Number.isSafeInteger(Math.trunc(passed))) return passed;
    throw new GuestConfigError(
      "now",
      `now() gave ${String(time)}, after ${String(start)}: give milliseconds`,
    );
  };
  ticks();
  return { wallClock: { now: ticks } };
}
