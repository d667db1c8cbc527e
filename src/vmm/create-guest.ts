import { BootError } from "../boards/malta/boot.ts";
import { GuestConfigError, type Guest, type GuestConfig } from "../guest.ts";
import { ElfError, parseElf } from "../loader/elf.ts";
import { CPU_MODELS, DEFAULT_CPU_MODEL, type CpuModel } from "../machine/cpu-models.ts";
import type { WallClock } from "../machine/machine-timeline.ts";
import { TICKS_PER_SECOND } from "../machine/timeline.ts";
import { BareGuest } from "./bare.ts";
import { DEFAULT_MEMORY, MAX_MEMORY, MEMORY_UNIT } from "./limits.ts";
import { TrapAndEmulateGuest } from "./trap-and-emulate.ts";

const TICKS_PER_MILLISECOND = TICKS_PER_SECOND / 1000;
/** Kernels for trap and emulate are linked into the guest's KSeg0; all others from 80000000 up. */
const TE_KSEG0 = { first: 0x4000_0000, end: 0x6000_0000 } as const;

/**
 * Builds a machine, or a hypervisor with a VM, and loads the guest. Throws {@link GuestConfigError} if the
 * configuration cannot work.
 */
export function createGuest(config: GuestConfig): Guest {
  checkChoices(config);
  const model = modelOf(config.hostCpu ?? DEFAULT_CPU_MODEL);
  const memory = checkMemory(config.memory ?? DEFAULT_MEMORY);
  const mode = config.mode ?? "te";
  try {
    const kernel = parseElf(config.kernel);
    checkLinkedFor(mode, kernel.entry);
    const machine = { model, endian: kernel.endian, ...wallClock(config) };
    return mode === "bare"
      ? new BareGuest(config, kernel, machine, memory)
      : new TrapAndEmulateGuest(config, kernel, machine, memory);
  } catch (error) {
    if (error instanceof ElfError || error instanceof BootError)
      throw new GuestConfigError(error.message, { cause: error });
    throw error;
  }
}

/** The values that a setting may have, where it is a choice. Callers without types may give anything. */
const CHOICES = {
  mode: ["te", "bare"],
  engine: ["auto", "interp"],
  refill: ["fast", "slow"],
  clock: ["virtual", "wall"],
  hostPageSize: [4096, 16384],
} as const satisfies Partial<Record<keyof GuestConfig, readonly unknown[]>>;

function checkChoices(config: GuestConfig): void {
  for (const [name, allowed] of Object.entries(CHOICES) as [keyof typeof CHOICES, readonly unknown[]][]) {
    const value: unknown = config[name];
    if (value !== undefined && !allowed.includes(value))
      throw new GuestConfigError(`${name} is ${JSON.stringify(value)}: choose from ${allowed.join(", ")}`);
  }
  for (const name of ["kernel", "initrd"] as const) {
    if (name === "initrd" && config.initrd === undefined) continue;
    if (!(config[name] instanceof Uint8Array))
      throw new GuestConfigError(`the ${name} is no Uint8Array: give the file's bytes`);
  }
  if (typeof config.onConsole !== "function")
    throw new GuestConfigError("onConsole is missing: give a function that takes the console's bytes");
  if (config.append !== undefined && typeof config.append !== "string")
    throw new GuestConfigError("append is no string: give the kernel's command line");
}

function modelOf(name: string): CpuModel {
  const model = Object.hasOwn(CPU_MODELS, name) ? CPU_MODELS[name] : undefined;
  if (model !== undefined) return model;
  throw new GuestConfigError(
    `there is no host CPU "${name}": choose from ${Object.keys(CPU_MODELS).join(", ")}`,
  );
}

function checkMemory(bytes: number): number {
  if (Number.isInteger(bytes) && bytes > 0 && bytes <= MAX_MEMORY && bytes % MEMORY_UNIT === 0) return bytes;
  const most = Math.floor(MAX_MEMORY / MEMORY_UNIT);
  throw new GuestConfigError(`${bytes} bytes of memory: give a whole number of MiB from 1 to ${most}`);
}

function checkLinkedFor(mode: "te" | "bare", entry: number): void {
  const isTe = entry >= TE_KSEG0.first && entry < TE_KSEG0.end;
  const at = entry.toString(16).padStart(8, "0");
  if (mode === "te" && !isTe)
    throw new GuestConfigError(
      `the kernel starts at ${at}, but a guest under trap and emulate lives at 40000000 to 5fffffff: ` +
        "run it with mode bare, or build it for KVM guests (Linux: CONFIG_KVM_GUEST)",
    );
  if (mode === "bare" && isTe)
    throw new GuestConfigError(
      `the kernel starts at ${at}: it is built for trap and emulate, run it with mode te`,
    );
}

function wallClock(config: GuestConfig): { wallClock?: WallClock } {
  if ((config.clock ?? "virtual") === "virtual") return {};
  const { now } = config;
  if (now === undefined) throw new GuestConfigError("the wall clock needs a source of time: give `now`");
  return { wallClock: { now: () => now() * TICKS_PER_MILLISECOND } };
}
