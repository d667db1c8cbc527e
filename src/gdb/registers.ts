import type { DebugView } from "../debug.ts";
import type { Endian } from "../machine/memory.ts";
import { GPR_NAMES } from "../isa/registers.ts";

/** A register as the debugger knows it: its number is its place in the list. */
export interface GdbRegister {
  /** In the target description. */
  readonly name: string;
  /** In a view; it may not have one like that. */
  readonly viewName: string;
  readonly type: "uint32" | "data_ptr" | "code_ptr" | "ieee_single";
  readonly group: "general" | "system" | "float";
}

/**
 * Features of the target description, with the names that gdb looks for (GDB manual, "MIPS Features"), and our own. gdb
 * refuses a description without one of its three: registers of an FPU that there is not are unavailable.
 */
export type Feature =
  "org.gnu.gdb.mips.cpu" | "org.gnu.gdb.mips.cp0" | "org.gnu.gdb.mips.fpu" | "org.kseg.cp0";

const general = (name: string, viewName: string): GdbRegister => ({
  name,
  viewName,
  type: "uint32",
  group: "general",
});
const system = (viewName: string): GdbRegister => ({
  name: viewName.toLowerCase(),
  viewName,
  type: "uint32",
  group: "system",
});
const float = (name: string, type: "uint32" | "ieee_single"): GdbRegister => ({
  name,
  viewName: name,
  type,
  group: "float",
});

/** By number: gdb's own order for MIPS, which those who go without a description rely on. */
const FIXED: readonly (readonly [Feature, GdbRegister])[] = [
  ...GPR_NAMES.map((name, n) => ["org.gnu.gdb.mips.cpu", general(`r${n}`, name)] as const),
  ["org.gnu.gdb.mips.cp0", system("Status")],
  ["org.gnu.gdb.mips.cpu", general("lo", "lo")],
  ["org.gnu.gdb.mips.cpu", general("hi", "hi")],
  ["org.gnu.gdb.mips.cp0", system("BadVAddr")],
  ["org.gnu.gdb.mips.cp0", system("Cause")],
  ["org.gnu.gdb.mips.cpu", { ...general("pc", "pc"), type: "code_ptr" }],
  ...Array.from({ length: 32 }, (_, n) => ["org.gnu.gdb.mips.fpu", float(`f${n}`, "ieee_single")] as const),
  ["org.gnu.gdb.mips.fpu", float("fcsr", "uint32")],
  ["org.gnu.gdb.mips.fpu", float("fir", "uint32")],
];

/** Numbers of the registers that each stop tells. */
export const REGISTER = { sp: 29, pc: 37 } as const;

/** The registers of a target: the same for all its views, some of which do not have them all. */
export class GdbRegisters {
  readonly all: readonly GdbRegister[];
  private readonly features: ReadonlyMap<Feature, readonly (readonly [number, GdbRegister])[]>;

  constructor(views: readonly DebugView[]) {
    const fixed = new Set(FIXED.map(([, { viewName }]) => viewName));
    const others = new Set(
      views.flatMap(({ registers }) =>
        registers.filter(({ name }) => !fixed.has(name)).map(({ name }) => name),
      ),
    );
    const listed = [...FIXED, ...[...others].map((name) => ["org.kseg.cp0", system(name)] as const)];
    this.all = listed.map(([, register]) => register);
    const features = new Map<Feature, (readonly [number, GdbRegister])[]>();
    for (const [number, [feature, register]] of listed.entries())
      features.set(feature, [...(features.get(feature) ?? []), [number, register]]);
    this.features = features;
  }

  /** The target description: XML. */
  get description(): string {
    const feature = ([name, registers]: [Feature, readonly (readonly [number, GdbRegister])[]]): string => {
      const lines = registers.map(
        ([number, { name: register, type, group }]) =>
          `<reg name="${register}" bitsize="32" regnum="${number}" type="${type}" group="${group}"/>`,
      );
      return [`<feature name="${name}">`, ...lines, "</feature>"].join("\n");
    };
    return [
      '<?xml version="1.0"?>',
      '<!DOCTYPE target SYSTEM "gdb-target.dtd">',
      '<target version="1.0">',
      "<architecture>mips:isa32r2</architecture>",
      ...Array.from(this.features, feature),
      "</target>",
      "",
    ].join("\n");
  }

  /** The value of register `number` of a view as digits, in the target's byte order; x where it is not known. */
  read(view: DebugView, number: number): string {
    const { viewName } = this.all[number]!;
    const value = has(view, viewName) ? view.readRegister(viewName) : null;
    return value === null ? "x".repeat(8) : wordToHex(value, view.endian);
  }

  /** Writes it; false if it cannot be written. */
  write(view: DebugView, number: number, bytes: Uint8Array): boolean {
    const { viewName } = this.all[number]!;
    if (!has(view, viewName) || bytes.length < 4) return false;
    return view.writeRegister(viewName, wordOf(bytes, view.endian));
  }
}

function has({ registers }: DebugView, name: string): boolean {
  return registers.some((register) => register.name === name);
}

/** A word as eight digits, in the byte order of the target. */
function wordToHex(value: number, endian: Endian): string {
  const digits = (value >>> 0).toString(16).padStart(8, "0");
  return endian === "big" ? digits : digits.replace(/(..)(..)(..)(..)/, "$4$3$2$1");
}

/** The first word of bytes in the byte order of the target. */
export function wordOf(bytes: Uint8Array, endian: Endian): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, endian === "little");
}
