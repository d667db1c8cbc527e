import type { DebugRegister } from "../debug.ts";
import { cp0Name, CP0, type Cp0Name } from "../isa/cp0.ts";
import { FCR } from "../isa/fpu.ts";
import { GPR, GPR_NAMES, type GprName } from "../isa/registers.ts";
import type { GuestState } from "../kvm/index.ts";
import type { Machine } from "../machine/machine.ts";
import { MODE } from "../machine/modes.ts";

/** What has registers and memory for a debugger: {@link GuestState}, and {@link MachineTarget} likewise. */
export type DebugTarget = Omit<GuestState, never>;

/** The registers and the memory of a machine. */
export class MachineTarget implements DebugTarget {
  readonly isComplete = true;
  private readonly machine: Machine;

  constructor(machine: Machine) {
    this.machine = machine;
  }

  get pc(): number {
    return this.machine.cpu.pc;
  }
  set pc(va: number) {
    this.machine.cpu.setPc(va);
  }
  gpr(n: number): number {
    return this.machine.cpu.gpr[n]!;
  }
  setGpr(n: number, value: number): void {
    if (n !== 0) this.machine.cpu.gpr[n] = value;
  }
  get hi(): number {
    return this.machine.cpu.hi;
  }
  set hi(value: number) {
    this.machine.cpu.hi = value;
  }
  get lo(): number {
    return this.machine.cpu.lo;
  }
  set lo(value: number) {
    this.machine.cpu.lo = value;
  }

  get cp0Names(): readonly Cp0Name[] {
    return [...this.machine.cpu.cp0Specs.keys()].map((index) => cp0Name(index)!);
  }
  cp0(index: number): number {
    return this.machine.ops.readCp0(index);
  }
  setCp0(index: number, value: number): void {
    this.machine.ops.writeCp0(index, value);
  }

  get hasFpu(): boolean {
    return this.machine.cpu.fpu !== null;
  }
  fpr(n: number): number {
    return this.machine.cpu.fpu!.word(n);
  }
  fcr(number: number): number {
    return this.machine.cpu.fpu!.readControl(number);
  }

  memoryAt(va: number): number | null {
    const { mmu, cpu } = this.machine;
    let pa = mmu.peek(va, cpu.mode, cpu.asid);
    if (pa < 0) pa = mmu.peek(va, MODE.kernel, cpu.asid);
    const offset = pa < 0 ? -1 : mmu.ramOffset(pa);
    return offset < 0 ? null : offset;
  }
}

const FPU_REGISTERS = 32;

/** A register of a target, and how to get at it. */
interface Accessor extends DebugRegister {
  readonly read: () => number;
  /** Null: it cannot be written. */
  readonly write: ((value: number) => void) | null;
}

/** All registers of `target`. */
export function accessorsOf(target: DebugTarget): readonly Accessor[] {
  return [...generalOf(target), ...target.cp0Names.map((name) => cp0Of(target, name)), ...fpuOf(target)];
}

function generalOf(target: DebugTarget): Accessor[] {
  const gpr = (name: GprName): Accessor => ({
    name,
    group: "general",
    read: () => target.gpr(GPR[name]),
    write: name === "zero" ? null : (value) => target.setGpr(GPR[name], value),
  });
  const special = (name: "lo" | "hi" | "pc"): Accessor => ({
    name,
    group: "general",
    read: () => target[name],
    write: (value) => (target[name] = value),
  });
  return [...GPR_NAMES.map(gpr), special("lo"), special("hi"), special("pc")];
}

function cp0Of(target: DebugTarget, name: Cp0Name): Accessor {
  const index = CP0[name];
  return {
    name,
    group: "cp0",
    read: () => target.cp0(index),
    write: (value) => target.setCp0(index, value),
  };
}

function fpuOf(target: DebugTarget): Accessor[] {
  if (!target.hasFpu) return [];
  const readOnly = (name: string, read: () => number): Accessor => ({
    name,
    group: "fpu",
    read,
    write: null,
  });
  return [
    ...Array.from({ length: FPU_REGISTERS }, (_, n) => readOnly(`f${n}`, () => target.fpr(n))),
    readOnly("fcsr", () => target.fcr(FCR.FCSR)),
    readOnly("fir", () => target.fcr(FCR.FIR)),
  ];
}
