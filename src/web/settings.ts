/** The settings of a guest as a page shows them and a URL holds them: stated once, under the names of `kseg run`. */
import { CPU_MODELS, DEFAULT_CPU_MODEL } from "../index.ts";
import type { Settings } from "./protocol.ts";

/** A setting that is one of a few values. */
export interface Choice {
  readonly kind: "choice";
  /** What the URL and the page call each value; the first is the default. */
  readonly values: ReadonlyMap<string, string | number>;
}

/** A setting of free text: `parse` returns undefined for text that it cannot be. */
export interface Free {
  readonly kind: "text";
  /** What the default is written as. */
  readonly preset: string;
  /** What is wanted, for a message. */
  readonly wanted: string;
  readonly parse: (text: string) => string | number | undefined;
  readonly format: (value: string | number) => string;
}

/** A setting: what it is called, what it does, and what it can be. */
export interface Setting {
  readonly key: keyof Settings;
  /** In the URL: the flag of `kseg run`, without its dashes. */
  readonly name: string;
  readonly label: string;
  /** What it does, in a few words. */
  readonly help: string;
  /** It is about the hypervisor, and left out with mode bare. */
  readonly hypervisor: boolean;
  readonly type: Choice | Free;
}

const choice = (...values: readonly string[]): Choice => ({
  kind: "choice",
  values: new Map(values.map((value) => [value, value])),
});

const MEBIBYTE = 2 ** 20;
const UNITS: Readonly<Record<string, number>> = { K: 2 ** 10, M: MEBIBYTE, G: 2 ** 30 };

function parseSize(text: string): number | undefined {
  const [, digits, unit] = /^(\d{1,7})([KMG])$/i.exec(text.trim()) ?? [];
  return digits === undefined ? undefined : Number(digits) * UNITS[unit!.toUpperCase()]!;
}

/** The CPU models, the default one first. */
const CPUS = [DEFAULT_CPU_MODEL, ...Object.keys(CPU_MODELS).filter((name) => name !== DEFAULT_CPU_MODEL)];

/** In the order in which a page shows them. */
export const SETTINGS: readonly Setting[] = [
  {
    ...{ key: "mode", name: "mode", label: "Mode", hypervisor: false },
    help: "trap and emulate under the hypervisor, or bare on the machine",
    type: choice("te", "bare"),
  },
  {
    ...{ key: "hostCpu", name: "host-cpu", label: "Host CPU", hypervisor: false },
    help: "model of the machine's CPU",
    type: choice(...CPUS),
  },
  {
    ...{ key: "hostPageSize", name: "host-page-size", label: "Host pages", hypervisor: true },
    help: "pages of the host's page tables",
    type: {
      kind: "choice",
      values: new Map([
        ["4k", 4096],
        ["16k", 16384],
      ]),
    },
  },
  {
    ...{ key: "refill", name: "refill", label: "Refill", hypervisor: true },
    help: "TLB misses by the generated handler, or by an exit each",
    type: choice("fast", "slow"),
  },
  {
    ...{ key: "gvaRoots", name: "gva-roots", label: "GVA roots", hypervisor: true },
    help: "guest ASIDs whose page tables are kept, 1 to 64",
    type: {
      kind: "text",
      preset: "8",
      wanted: "a whole number from 1 to 64",
      parse: (text) => (/^([1-9]|[1-5]\d|6[0-4])$/.test(text.trim()) ? Number(text) : undefined),
      format: String,
    },
  },
  {
    ...{ key: "guestTlb", name: "guest-tlb", label: "Guest TLB", hypervisor: true },
    help: "entries of the TLB that the guest sees",
    type: {
      kind: "choice",
      values: new Map([512, 64, 128, 256, 1024, 2048, 4096].map((size) => [String(size), size])),
    },
  },
  {
    ...{ key: "fastExits", name: "fast-exits", label: "Fast exits", hypervisor: true },
    help: "simple traps settled by generated code",
    type: choice("on", "off"),
  },
  {
    ...{ key: "dyntrans", name: "dyntrans", label: "Dynamic translation", hypervisor: true },
    help: "privileged instructions rewritten in guest memory",
    type: choice("off", "on"),
  },
  {
    ...{ key: "guestFpu", name: "guest-fpu", label: "Guest FPU", hypervisor: true },
    help: "the guest has the host CPU's FPU",
    type: choice("off", "on"),
  },
  {
    ...{ key: "engine", name: "engine", label: "Engine", hypervisor: false },
    help: "hot code translated to WebAssembly, all code, or all of it interpreted",
    type: choice("auto", "jit", "interp"),
  },
  {
    ...{ key: "memory", name: "memory", label: "Memory", hypervisor: false },
    help: "guest memory, such as 64M",
    type: {
      kind: "text",
      preset: "256M",
      wanted: "a size, such as 64M",
      parse: parseSize,
      format: (bytes) => `${Number(bytes) / MEBIBYTE}M`,
    },
  },
  {
    ...{ key: "append", name: "append", label: "Command line", hypervisor: false },
    help: "for the kernel",
    type: { kind: "text", preset: "", wanted: "text", parse: (text) => text, format: String },
  },
];

/** How a stock kernel with a packed busybox is run: directly on the machine, which any host CPU can. */
export const PACKAGE_SETTINGS: Settings = { mode: "bare", append: "console=ttyS0 rdinit=/init" };

/** `settings` with others in their place, and with mode bare without what is about the hypervisor. */
export function changeSettings(settings: Settings, changes: Settings): Settings {
  const changed = { ...settings, ...changes };
  if (changed.mode !== "bare") return changed;
  const left = SETTINGS.filter(({ hypervisor }) => hypervisor).map(({ key }) => key as string);
  return Object.fromEntries(Object.entries(changed).filter(([key]) => !left.includes(key)));
}

/** Where e_entry is in the header of a 32-bit ELF file, and what says its byte order (System V ABI, chapter 4). */
const ELF_ENTRY = 24;
const ELF_DATA = 5;
const ELF_LITTLE = 1;
/** The first addresses of kseg0, in which stock kernels are linked, and of kseg1 behind it. */
const KSEG0 = 0x8000_0000;
const KSEG1 = 0xa000_0000;

/**
 * What has to be set for a kernel, an ELF file, besides what is: mode bare for one that was not built for trap and
 * emulate, unless the host CPU can give such kernels their kseg0.
 */
export function kernelSettings(kernel: Uint8Array, { hostCpu = DEFAULT_CPU_MODEL }: Settings): Settings {
  if (kernel.length < ELF_ENTRY + 4) return {};
  const view = new DataView(kernel.buffer, kernel.byteOffset);
  const entry = view.getUint32(ELF_ENTRY, kernel[ELF_DATA] === ELF_LITTLE);
  const canBeGuest = entry < KSEG0 || (entry < KSEG1 && CPU_MODELS[hostCpu]?.segmentControl === true);
  return canBeGuest ? {} : { mode: "bare" };
}

/** Text that cannot be the value of a setting. */
export class SettingError extends Error {
  readonly setting: Setting;

  constructor(setting: Setting, text: string) {
    const { type, name } = setting;
    const wanted = type.kind === "text" ? type.wanted : `one of ${[...type.values.keys()].join(", ")}`;
    const shown = text.slice(0, 40).replaceAll(/\p{Cc}/gu, "?");
    super(`${name} cannot be "${shown}": give ${wanted}`);
    this.name = "SettingError";
    this.setting = setting;
  }
}

/** How the default of a setting is written. */
export function presetOf({ type }: Setting): string {
  return type.kind === "text" ? type.preset : [...type.values.keys()][0]!;
}

/** How `settings` has a setting, in text. */
export function settingText(settings: Settings, setting: Setting): string {
  const value = settings[setting.key];
  if (value === undefined) return presetOf(setting);
  const { type } = setting;
  if (type.kind === "text") return type.format(value);
  return [...type.values.keys()].find((name) => type.values.get(name) === value) ?? String(value);
}

/**
 * The settings that are written so, by name; those that are left out, or have their default, are left to kseg. With
 * mode bare what is about the hypervisor is passed over. `onWrong` is called for each that cannot be, which then is left
 * to kseg as well; by default the first one is thrown.
 */
export function readSettings(
  textOf: (name: string) => string | null,
  onWrong: (error: SettingError) => void = (error) => {
    throw error;
  },
): Settings {
  const settings: Partial<Record<keyof Settings, string | number>> = {};
  const bare = textOf("mode") === "bare";
  for (const setting of SETTINGS) {
    const text = textOf(setting.name);
    if (text === null || (bare && setting.hypervisor)) continue;
    const { type } = setting;
    const read = type.kind === "text" ? type.parse : (one: string) => type.values.get(one);
    const value = read(text);
    if (value === undefined) onWrong(new SettingError(setting, text));
    // However it is written: 0256M is 256M.
    else if (value !== read(presetOf(setting))) settings[setting.key] = value;
  }
  return settings as Settings;
}

/** `settings` as a query, such as `?mode=bare`: without defaults, and so empty if everything is as by default. */
export function settingsQuery(settings: Settings): string {
  const query = new URLSearchParams();
  for (const setting of SETTINGS) {
    const text = settingText(settings, setting);
    if (text !== presetOf(setting)) query.set(setting.name, text);
  }
  return query.size === 0 ? "" : `?${query.toString()}`;
}
