import { BootError, prepareBoot } from "../boards/malta/boot.ts";
import { GuestConfigError, type Guest, type GuestConfig } from "../guest.ts";
import { DEFAULT_GUEST_TLB, DEFAULT_GVA_ROOTS, KvmError } from "../kvm/index.ts";
import { ElfError, parseElf } from "../loader/elf.ts";
import { CPU_MODELS, DEFAULT_CPU_MODEL, type CpuModel } from "../machine/cpu-models.ts";
import type { WallClock } from "../machine/machine-timeline.ts";
import { TICKS_PER_SECOND } from "../machine/timeline.ts";
import { SnapshotError } from "../state/snapshot-error.ts";
import { BareGuest } from "./bare.ts";
import { checkCallbacks, checkConfig, checkSettings, modelOf } from "./check-config.ts";
import { DEFAULT_MEMORY, MEMORY_UNIT } from "./limits.ts";
import type { MachineGuest, Surroundings } from "./machine-guest.ts";
import type { HypervisorSettings, Settings } from "./settings.ts";
import { decodeSnapshot } from "./snapshot-file.ts";
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
  return createMachineGuest(config);
}

/** What {@link createGuest} does, for the rest of the VMM. */
export function createMachineGuest(config: GuestConfig): MachineGuest {
  checkConfig(config);
  const { memory = DEFAULT_MEMORY, clock = "virtual" } = config;
  const model = modelOf(config.hostCpu ?? DEFAULT_CPU_MODEL);
  try {
    const kernel = parseElf(config.kernel);
    const hypervisor = hypervisorSettings(config, kernel.entry, model);
    const settings = {
      hostCpu: model.name,
      endian: kernel.endian,
      memoryUnits: memory / MEMORY_UNIT,
      ...{ clock, hypervisor },
    };
    const guest = buildGuest(settings, surroundingsOf(config, model, clock));
    guest.start(
      prepareBoot({
        memory: guest.memory,
        kernel,
        ...(config.initrd === undefined ? {} : { initrd: config.initrd }),
        ...(config.append === undefined ? {} : { commandLine: config.append }),
      }),
    );
    return guest;
  } catch (error) {
    if (error instanceof ElfError) throw new GuestConfigError("kernel", error.message, { cause: error });
    if (error instanceof BootError) throw new GuestConfigError(error.about, error.message, { cause: error });
    throw error;
  }
}

/** What the embedder gives to a guest that comes from a snapshot: all else is in there. */
export type RestoreConfig = Pick<
  GuestConfig,
  | "onConsole"
  | "onSerial"
  | "engine"
  | "clock"
  | "now"
  | "checkInvariants"
  | "refillLog"
  | "tracer"
  | "devices"
> & {
  /** The model of the snapshot's host CPU, if that is none of `CPU_MODELS`. */
  readonly hostCpu?: CpuModel;
};

/** What the embedder gives to any guest, however it is made. */
type GivenAnew = Omit<RestoreConfig, "hostCpu">;

/**
 * Builds the machine that `snapshot` was taken of (`Guest.save`), and puts it into the state that it was in: it goes on
 * from there, bit for bit. The clock is that of the snapshot by default, and goes on as well. Throws
 * {@link SnapshotError} if the snapshot cannot be used, {@link GuestConfigError} if the configuration cannot.
 */
export function restoreGuest(snapshot: Uint8Array, config: RestoreConfig): Guest {
  return restoreMachineGuest(snapshot, config);
}

/** What {@link restoreGuest} does, for the rest of the VMM. */
export function restoreMachineGuest(snapshot: Uint8Array, config: RestoreConfig): MachineGuest {
  checkSettings(config);
  checkCallbacks(config);
  const { settings, ...image } = decodeSnapshot(snapshot);
  const { clock = settings.clock } = config;
  const surroundings = surroundingsOf(config, modelOfSnapshot(settings.hostCpu, config.hostCpu), clock);
  const guest = buildKnown({ ...settings, clock }, surroundings);
  guest.reinstate(image, true);
  return guest;
}

/** The model of a snapshot's host CPU, with that of the configuration. Throws {@link SnapshotError}. */
function modelOfSnapshot(name: string, given: CpuModel | undefined): CpuModel {
  if (given !== undefined && (typeof given !== "object" || given === null))
    throw new GuestConfigError("hostCpu", "hostCpu is no model: a snapshot has the name, give its model");
  if (given !== undefined && given.name !== name)
    throw new SnapshotError(
      `the snapshot is of a host CPU ${name}, and the configuration's is ${given.name}`,
    );
  const model = given ?? (Object.hasOwn(CPU_MODELS, name) ? CPU_MODELS[name] : undefined);
  if (model === undefined)
    throw new SnapshotError(`the snapshot is of a host CPU ${name}: give its model as hostCpu`);
  return model;
}

/** Builds what the settings of a snapshot say. Throws {@link SnapshotError}. */
function buildKnown(settings: Settings, surroundings: Surroundings): MachineGuest {
  try {
    return buildGuest(settings, surroundings);
  } catch (error) {
    const isMeant = error instanceof GuestConfigError || error instanceof KvmError;
    const why = isMeant ? error.message : `there is no memory for a machine of ${settings.memoryUnits} MiB`;
    // What WebAssembly throws when the system does not give it the memory.
    if (!isMeant && !(error instanceof RangeError)) throw error;
    throw new SnapshotError(`the snapshot cannot be used: ${why}`, { cause: error });
  }
}

function buildGuest(settings: Settings, surroundings: Surroundings): MachineGuest {
  const { hypervisor } = settings;
  return hypervisor === null
    ? new BareGuest(settings, surroundings)
    : new TrapAndEmulateGuest(settings, hypervisor, surroundings);
}

function surroundingsOf(config: GivenAnew, model: CpuModel, clock: Settings["clock"]): Surroundings {
  const { onConsole, onSerial, engine = "auto", tracer, devices = [] } = config;
  const { checkInvariants = false, refillLog = false } = config;
  return {
    ...{ onConsole, model, devices, engine, checkInvariants, refillLog },
    ...(onSerial === undefined ? {} : { onSerial }),
    ...(tracer === undefined ? {} : { tracer }),
    ...(clock === "virtual" ? {} : wallClock(config)),
  };
}

/** The hypervisor for a kernel that starts at `entry`; null if it is to run without. */
function hypervisorSettings(config: GuestConfig, entry: number, model: CpuModel): HypervisorSettings | null {
  if (config.mode === "bare") {
    checkNotTe(entry);
    return null;
  }
  checkFpu(config, model);
  return {
    hostCpus: config.hostCpus ?? 1,
    hostPageSize: config.hostPageSize ?? 4096,
    map: mapFor(entry, model),
    refill: config.refill ?? "fast",
    gvaRoots: config.gvaRoots ?? DEFAULT_GVA_ROOTS,
    guestTlb: config.guestTlb ?? DEFAULT_GUEST_TLB,
    fastExits: config.fastExits !== "off",
    guestFpu: config.guestFpu === "on",
    dyntrans: config.dyntrans === "on",
  };
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
function mapFor(entry: number, model: CpuModel): HypervisorSettings["map"] {
  if (isIn(TE_KSEG0, entry)) return "te";
  const at = entry.toString(16).padStart(8, "0");
  if (!isIn(KSEG0, entry))
    throw new GuestConfigError(
      "kernel",
      `the kernel starts at ${at}, which is kseg0 neither of a stock kernel (80000000 to 9fffffff) nor of one ` +
        "for trap and emulate (40000000 to 5fffffff): run it with mode bare",
    );
  if (model.segmentControl) return "eva";
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

function wallClock({ now }: GivenAnew): { wallClock: WallClock } {
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
