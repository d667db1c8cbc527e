/** Whether a configuration can work: callers without types may give anything. */
import { ENGINES } from "../engine/index.ts";
import { GuestConfigError, type GuestConfig } from "../guest.ts";
import { GUEST_TLB_SIZES } from "../kvm/index.ts";
import { CPU_MODELS, type CpuModel } from "../machine/cpu-models.ts";
import { MAX_CPUS } from "../machine/machine.ts";
import { nearest } from "../nearest.ts";
import { checkDevices } from "./added-devices.ts";
import { checkModel } from "./check-model.ts";
import { MAX_GVA_ROOTS, MAX_MEMORY, MEMORY_UNIT } from "./limits.ts";

/** The values that a setting may have, where it is a choice. */
const CHOICES = {
  mode: ["te", "bare"],
  engine: Object.keys(ENGINES),
  refill: ["fast", "slow"],
  fastExits: ["on", "off"],
  guestFpu: ["on", "off"],
  dyntrans: ["on", "off"],
  clock: ["virtual", "wall"],
  hostPageSize: [4096, 16384],
  checkInvariants: [true, false],
  refillLog: [true, false],
  guestTlb: GUEST_TLB_SIZES,
} as const satisfies Partial<Record<keyof GuestConfig, readonly unknown[]>>;

/** The settings that are no choices. */
const OTHER_SETTINGS = {
  kernel: true,
  initrd: true,
  append: true,
  memory: true,
  hostCpu: true,
  hostCpus: true,
  gvaRoots: true,
  now: true,
  onConsole: true,
  onSerial: true,
  devices: true,
  tracer: true,
} as const satisfies Record<Exclude<keyof GuestConfig, keyof typeof CHOICES>, true>;

const SETTINGS: readonly string[] = Object.keys({ ...CHOICES, ...OTHER_SETTINGS });

/** The settings that are about the hypervisor. */
const HYPERVISOR_SETTINGS = [
  "refill",
  "gvaRoots",
  "guestTlb",
  "fastExits",
  "guestFpu",
  "dyntrans",
  "hostPageSize",
  "hostCpus",
  "tracer",
] as const;

/** The settings that are whole numbers from 1 on, and the most that each can be. */
const WHOLE_NUMBERS = [
  ["gvaRoots", MAX_GVA_ROOTS],
  ["hostCpus", MAX_CPUS],
] as const;

/** A value that should not be there, for a message. */
function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return "a function";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

/** Checks each setting that there is by itself. Throws TypeError and {@link GuestConfigError}. */
export function checkSettings(config: Partial<GuestConfig>): void {
  if (typeof config !== "object" || config === null)
    throw new TypeError(`the configuration is an object with the guest's settings, not ${shown(config)}`);
  for (const [name, value] of Object.entries(config)) if (value !== undefined) checkName(name);
  for (const [name, allowed] of Object.entries(CHOICES) as [keyof typeof CHOICES, readonly unknown[]][]) {
    const value: unknown = config[name];
    if (value === undefined || allowed.includes(value)) continue;
    throw new GuestConfigError(name, `${name} is ${shown(value)}: choose from ${allowed.join(", ")}`);
  }
  for (const [name, most] of WHOLE_NUMBERS) {
    const value = config[name];
    if (value !== undefined && !(Number.isInteger(value) && value >= 1 && value <= most))
      throw new GuestConfigError(name, `${name} is ${shown(value)}: give a whole number from 1 to ${most}`);
  }
  if (config.append !== undefined && typeof config.append !== "string")
    throw new GuestConfigError("append", "append is no string: give the kernel's command line");
  if (config.tracer !== undefined && (typeof config.tracer !== "object" || config.tracer === null))
    throw new GuestConfigError(
      "tracer",
      `tracer is ${shown(config.tracer)}: give an object with a function for each tracepoint that is wanted`,
    );
  if (config.hostCpu !== undefined) modelOf(config.hostCpu);
  if (config.memory !== undefined) checkMemory(config.memory);
  if (config.devices !== undefined) checkDevices(config.devices);
}

/** Checks that there is a setting of that name. Throws {@link GuestConfigError}. */
function checkName(name: string): void {
  if (SETTINGS.includes(name)) return;
  const guess = nearest(name, SETTINGS);
  const hint = guess === undefined ? `choose from ${SETTINGS.join(", ")}` : `did you mean ${guess}?`;
  throw new GuestConfigError(name, `there is no setting ${name}: ${hint}`);
}

/** Checks that a configuration is whole, and its settings go together. Throws what {@link checkSettings} does. */
export function checkConfig(config: GuestConfig): void {
  checkSettings(config);
  if (config.mode === "bare")
    for (const name of HYPERVISOR_SETTINGS)
      if (config[name] !== undefined)
        throw new GuestConfigError(name, `${name} is about the hypervisor: leave it out with mode bare`);
  for (const name of ["kernel", "initrd"] as const) {
    if (name === "initrd" && config.initrd === undefined) continue;
    if (!(config[name] instanceof Uint8Array))
      throw new GuestConfigError(name, `the ${name} is no Uint8Array: give the file's bytes`);
  }
  checkCallbacks(config);
}

/** Checks that what has to be called is there. Throws {@link GuestConfigError}. */
export function checkCallbacks({ onConsole, onSerial }: Pick<GuestConfig, "onConsole" | "onSerial">): void {
  if (typeof onConsole !== "function")
    throw new GuestConfigError(
      "onConsole",
      "onConsole is missing: give a function that takes the console's bytes",
    );
  if (onSerial !== undefined && typeof onSerial !== "function")
    throw new GuestConfigError(
      "onSerial",
      "onSerial is no function: give one that takes a port and its bytes, or leave it out",
    );
}

/** The CPU model of that name, or that model if it can be. Throws {@link GuestConfigError}. */
export function modelOf(name: string | CpuModel): CpuModel {
  if (typeof name === "object" && name !== null) {
    checkModel(name);
    return name;
  }
  const model = typeof name === "string" && Object.hasOwn(CPU_MODELS, name) ? CPU_MODELS[name] : undefined;
  if (model !== undefined) return model;
  throw new GuestConfigError(
    "hostCpu",
    `there is no host CPU ${shown(name)}: choose from ${Object.keys(CPU_MODELS).join(", ")}`,
  );
}

function checkMemory(bytes: number): void {
  if (Number.isInteger(bytes) && bytes > 0 && bytes <= MAX_MEMORY && bytes % MEMORY_UNIT === 0) return;
  const most = Math.floor(MAX_MEMORY / MEMORY_UNIT);
  throw new GuestConfigError(
    "memory",
    `${shown(bytes)} bytes of memory: give a whole number of MiB from 1 to ${most}`,
  );
}
