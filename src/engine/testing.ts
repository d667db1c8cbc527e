import { CP0, ENTRY_LO } from "../isa/cp0.ts";
import { CPU_MODELS } from "../machine/cpu-models.ts";
import { Machine, type EngineFactory, type StopReason } from "../machine/machine.ts";
import type { Endian } from "../machine/memory.ts";
import type { RamRegion } from "../machine/mmu.ts";
import { Assembler } from "../uasm/assembler.ts";
import { createInterpreter } from "./index.ts";

/** Where test code lies, in kseg0. */
export const CODE = 0x8001_0000;
/** Code of the SDBBP at every vector that no test has taken. */
export const UNEXPECTED = 99;
const VECTORS = [0x000, 0x180, 0x200] as const;

export interface TestMachineOptions {
  readonly model?: string;
  readonly endian?: Endian;
  readonly ramBytes?: number;
  /** At 0 by default. */
  readonly ramRegions?: readonly RamRegion[];
  /** Default 1. All start in kernel mode at CODE. */
  readonly cpus?: number;
  /** The interpreter by default. */
  readonly engine?: EngineFactory;
}

/** A bare machine in kernel mode at CODE. SDBBP ends a run; so does any exception without a handler. */
export class TestMachine {
  readonly machine: Machine;

  constructor(options: TestMachineOptions = {}) {
    const { model = "24Kc", endian = "little", ramBytes = 1 << 20, engine = createInterpreter } = options;
    const cpus = options.cpus ?? 1;
    this.machine = new Machine(
      {
        ...{ model: CPU_MODELS[model]!, cpus, endian, ramBytes, guestTime: "all", hostCalls: true },
        ramRegions: options.ramRegions ?? [{ base: 0, size: ramBytes, offset: 0 }],
      },
      engine,
    );
    for (const vector of VECTORS) this.load(0x8000_0000 + vector, (a) => a.sdbbp(UNEXPECTED));
    for (const cpu of this.machine.cpus) {
      cpu.cp0[CP0.Status] = 0;
      cpu.modeMayHaveChanged();
      cpu.setPc(CODE);
    }
  }

  /** Puts code at a kseg0 or kseg1 address, or where `pa` says. Returns the address behind it. */
  load(address: number, build: (a: Assembler) => void, pa = address & 0x1fff_ffff): number {
    const a = new Assembler({ level: this.machine.config.model.isa, baseAddress: address });
    build(a);
    a.words().forEach((word, index) => this.machine.write32(pa + index * 4, word));
    return a.address;
  }

  /** Code at CODE. */
  code(build: (a: Assembler) => void): this {
    this.load(CODE, build);
    return this;
  }

  /** Runs; the code of the SDBBP that ended the run, or the whole reason if it was something else. */
  run(ticks = 1_000_000): number | StopReason {
    const reason = this.machine.run(ticks);
    return reason.kind === "host-call" ? reason.code : reason;
  }

  gpr(register: number): number {
    return this.machine.cpu.gpr[register]!;
  }

  cp0(name: keyof typeof CP0): number {
    return this.machine.ops.readCp0(CP0[name]) >>> 0;
  }

  setCp0(name: keyof typeof CP0, value: number): void {
    this.machine.ops.writeCp0(CP0[name], value);
  }

  /** Cause.ExcCode. */
  get excCode(): number {
    return (this.cp0("Cause") >>> 2) & 31;
  }

  /** Writes TLB entry `index`: the pair of 4K pages at `va` to the frames at `pa0` and `pa1`. */
  map(index: number, va: number, asid: number, pa0: number, pa1: number, bits = 0x1e): void {
    this.setCp0("Index", index);
    this.setCp0("PageMask", 0);
    this.setCp0("EntryHi", (va & -0x2000) | asid);
    this.setCp0("EntryLo0", ((pa0 >>> 12) << ENTRY_LO.PFN_SHIFT) | bits);
    this.setCp0("EntryLo1", ((pa1 >>> 12) << ENTRY_LO.PFN_SHIFT) | bits);
    this.machine.ops.tlbwi();
    this.machine.cpu.setPc(CODE);
  }
}
