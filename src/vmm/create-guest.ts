import { BootError } from "../boards/malta/boot.ts";
import { GuestConfigError, type Guest, type GuestConfig } from "../guest.ts";
import { EVA_MAP, GUEST_TLB_SIZES, TE_MAP, type GuestMap } from "../kvm/index.ts";
import { ElfError, parseElf } from "../loader/elf.ts";
import { CPU_MODELS, DEFAULT_CPU_MODEL, type CpuModel } from "../machine/cpu-models.ts";
import { MAX_CPUS } from "../machine/machine.ts";
import type { WallClock } from "../machine/machine-timeline.ts";
import { TICKS_PER_SECOND } from "../machine/timeline.ts";
import { BareGuest } from "./bare.ts";
import { DEFAULT_MEMORY, MAX_GVA_ROOTS, MAX_MEMORY, MEMORY_UNIT } from "./limits.ts";
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
  checkChoices(config);
  const { hostCpu = DEFAULT_CPU_MODEL, memory = DEFAULT_MEMORY, mode = "te" } = config;
  const model = modelOf(hostCpu);
  checkMemory(memory);
  try {
    const kernel = parseElf(config.kernel);
    const machine = { model, endian: kernel.endian, ...wallClock(config) };
    if (mode === "te") {
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

/** The values that a setting may have, where it is a choice. Callers without types may give anything. */
const CHOICES = {
  mode: ["te", "bare"],
  engine: ["auto", "interp"],
  refill: ["fast", "slow"],
  fastExits: ["on", "off"],
  clock: ["virtual", "wall"],
  hostPageSize: [4096, 16384],
  guestTlb: GUEST_TLB_SIZES,
} as const satisfies Partial<Record<keyof GuestConfig, readonly unknown[]>>;

/** The settings that are about the hypervisor. */
const HYPERVISOR_SETTINGS = [
  "refill",
  "gvaRoots",
  "guestTlb",
  "fastExits",
  "hostPageSize",
  "hostCpus",
] as const;

/** The settings that are whole numbers from 1 on, and the most that each can be. */
const WHOLE_NUMBERS = [
  ["gvaRoots", MAX_GVA_ROOTS],
  ["hostCpus", MAX_CPUS],
] as const;

function checkChoices(config: GuestConfig): void {
  if (typeof config !== "object" || config === null)
    throw new TypeError(`createGuest takes an object with the guest's settings, not ${String(config)}`);
  for (const [name, allowed] of Object.entries(CHOICES) as [keyof typeof CHOICES, readonly unknown[]][]) {
    const value: unknown = config[name];
    if (value === undefined || allowed.includes(value)) continue;
    const shown =
      typeof value === "bigint" || typeof value === "symbol" ? value.toString() : JSON.stringify(value);
    throw new GuestConfigError(name, `${name} is ${shown}: choose from ${allowed.join(", ")}`);
  }
  if (config.mode === "bare")
    for (const name of HYPERVISOR_SETTINGS)
      if (config[name] !== undefined)
        throw new GuestConfigError(name, `${name} is about the hypervisor: leave it out with mode bare`);
  for (const [name, most] of WHOLE_NUMBERS) {
    const value = config[name];
    if (value !== undefined && !(Number.isInteger(value) && value >= 1 && value <= most))
      throw new GuestConfigError(name, `${name} is ${String(value)}: give a whole number from 1 to ${most}`);
  }
  for (const name of ["kernel", "initrd"] as const) {
    if (name === "initrd" && config.initrd === undefined) continue;
    if (!(config[name] instanceof Uint8Array))
      throw new GuestConfigError(name, `the ${name} is no Uint8Array: give the file's bytes`);
  }
  if (typeof config.onConsole !== "function")
    throw new GuestConfigError(
      "onConsole",
      "onConsole is missing: give a function that takes the console's bytes",
    );
  if (config.append !== undefined && typeof config.append !== "string")
    throw new GuestConfigError("append", "append is no string: give the kernel's command line");
}

/** The CPU model of that name. Throws {@link GuestConfigError}. */
export function modelOf(name: string): CpuModel {
  const model = Object.hasOwn(CPU_MODELS, name) ? CPU_MODELS[name] : undefined;
  if (model !== undefined) return model;
  throw new GuestConfigError(
    "hostCpu",
    `there is no host CPU "${String(name)}": choose from ${Object.keys(CPU_MODELS).join(", ")}`,
  );
}

function checkMemory(bytes: number): void {
  if (Number.isInteger(bytes) && bytes > 0 && bytes <= MAX_MEMORY && bytes % MEMORY_UNIT === 0) return;
  const most = Math.floor(MAX_MEMORY / MEMORY_UNIT);
  throw new GuestConfigError(
    "memory",
    `${String(bytes)} bytes of memory: give a whole number of MiB from 1 to ${most}`,
  );
}

const isIn = (range: { readonly first: number; readonly end: number }, address: number): boolean =>
  address >= range.first && address < range.end;

/** The names of the models on which kernels run under trap and emulate that were not built for it. */
function evaModels(): string {
  const models = Object.values(CPU_MODELS).filter(({ segmentControl }) => segmentControl);
  return models.map(({ name }) => name).join(", ");
}

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
