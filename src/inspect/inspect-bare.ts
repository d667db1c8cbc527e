import type { Machine } from "../machine/machine.ts";
import { codeViews } from "./code-view.ts";
import { explainBare } from "./explain-bare.ts";
import type { Explanation } from "./explanation.ts";
import { deviceViews, hostCp0Views, usedEntries } from "./machine-view.ts";
import type {
  CodeView,
  Cp0View,
  HostTlbEntryView,
  Inspection,
  PhysicalRegionView,
  RegistersView,
  RootView,
  TlbEntryView,
} from "./views.ts";

/** A guest directly on the machine, for looking at: its CPU is the machine's. */
export class BareInspection implements Inspection {
  private readonly machine: Machine;

  constructor(machine: Machine) {
    this.machine = machine;
  }

  registers(): RegistersView {
    const { cpu } = this.machine;
    return {
      pc: cpu.pc,
      inDelaySlot: cpu.inDelaySlot,
      hi: cpu.hi >>> 0,
      lo: cpu.lo >>> 0,
      gpr: Array.from(cpu.gpr, (value) => value >>> 0),
      mode: cpu.isKernel ? "kernel" : "user",
      asid: cpu.asid,
    };
  }

  cp0(): Cp0View[] {
    return hostCp0Views(this.machine);
  }
  hostCp0(): Cp0View[] {
    return this.cp0();
  }

  hostTlb(): HostTlbEntryView[] {
    return usedEntries(this.machine.cpu).map((entry) => ({ ...entry, space: null }));
  }
  guestTlb(): TlbEntryView[] {
    return usedEntries(this.machine.cpu);
  }

  roots(): RootView[] {
    return [];
  }
  gvaMap(): null {
    return null;
  }
  pageTable(): null {
    return null;
  }

  physical(): PhysicalRegionView[] {
    const { mmu, bus } = this.machine;
    const memory = mmu.ram.map(({ base, size, offset }): PhysicalRegionView => ({
      kind: "memory",
      name: "RAM",
      first: base,
      size,
      host: offset,
      readonly: false,
    }));
    return [...memory, ...deviceViews(bus.all)];
  }

  code(va: number, before: number, after: number): CodeView[] {
    const { cpu, mmu, memory } = this.machine;
    return codeViews(va, before, after, (at) => {
      const physical = mmu.peek(at, cpu.mode, cpu.asid);
      const offset = physical < 0 ? -1 : mmu.ramOffset(physical);
      return offset < 0 ? null : memory.read32(offset);
    });
  }

  explain(va: number): Explanation {
    return explainBare(this.machine, va);
  }
}
