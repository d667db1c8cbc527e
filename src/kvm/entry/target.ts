import { CONFIG, CP0 } from "../../isa/cp0.ts";
import type { IsaLevel } from "../../isa/row.ts";
import type { Machine } from "../../machine/machine.ts";
import type { Assembler } from "../../uasm/assembler.ts";
import { PteFormat, probeFillBits, tableGeometry } from "../page-format.ts";
import type { HostPageSize, TableGeometry } from "../page-format.ts";
import { HostFeatureError } from "../errors.ts";
import { selectScratch, type ScratchBank, type ScratchRegisters } from "./scratch.ts";

/** What code generators have to know of the host. */
export interface CodeTarget {
  readonly level: IsaLevel;
  readonly geometry: TableGeometry;
  readonly format: PteFormat;
  readonly scratch: ScratchRegisters;
  /** BadInstr and BadInstrP exist. */
  readonly badInstr: boolean;
  /** User mode and kernel mode see different things at one address ({@link TargetOptions.eva}). */
  readonly eva: boolean;
  /** HWREna as the host's own processes have it. */
  readonly hwrena: number;
  /** The CPU has an FPU, with registers of 64 bits. */
  readonly fpu: boolean;
  /** Host CPUs. With one the code does not ask which it runs on; a 64-bit host has one. */
  readonly cpus: number;
}

/** Choices that the CPU does not make. */
export interface TargetOptions {
  readonly pageSize: HostPageSize;
  /** Scratch registers other than those that Config4 announces. */
  readonly scratch?: ScratchBank;
  /** Large physical addresses: PTEs of two words. The CPU must have XPA (default false). */
  readonly xpa?: boolean;
  /**
   * Have user mode see the whole address space as mapped, as guests that live above 7FFFFFFF need it, while
   * kernel mode reaches physical memory where it always does. The CPU must have segmentation control (default
   * false).
   */
  readonly eva?: boolean;
  /** Position of G in a PTE, if not the default of the layout. */
  readonly gShift?: number;
}

/** Finds out what the host CPU has, from its Config registers, as a kernel does when it starts. */
export function probeTarget(machine: Machine, options: TargetOptions): CodeTarget {
  const { ops } = machine;
  const config3 = ops.readCp0(CP0.Config3);
  const config4 = (config3 & CONFIG.M) === 0 ? 0 : ops.readCp0(CP0.Config4);
  const kscratch = (config4 >>> CONFIG.C4_KSCREXIST_SHIFT) & 0xff;
  if (options.xpa === true && (config3 & CONFIG.C3_LPA) === 0)
    throw new HostFeatureError(machine.config.model.name, "XPA");
  if (options.eva === true && (config3 & CONFIG.C3_SC) === 0)
    throw new HostFeatureError(machine.config.model.name, "segmentation control");
  const geometry = tableGeometry(options.pageSize, options.xpa === true ? 3 : 2);
  const rixi = (config3 & CONFIG.C3_RXI) !== 0;
  return {
    level: machine.config.model.isa,
    geometry,
    format: new PteFormat(geometry, rixi, probeFillBits(ops), options.gShift),
    scratch: selectScratch(options.scratch ?? { register: 31, selects: kscratch }),
    badInstr: (config3 & CONFIG.C3_BI) !== 0,
    eva: options.eva ?? false,
    hwrena: machine.cpu.cp0Specs.get(CP0.HWREna)?.writable ?? 0,
    fpu: (ops.readCp0(CP0.Config1) & CONFIG.C1_FP) !== 0,
    cpus: machine.cpus.length,
  };
}

/** Lowest bit and width of the field that `mask` covers: what EXT and INS take. */
export function fieldOf(mask: number): [position: number, width: number] {
  const position = 31 - Math.clz32(mask & -mask);
  return [position, 32 - Math.clz32(mask >>> position)];
}

/** What works on a whole register or address of the host, be it of 32 or of 64 bits. */
interface NativeOps {
  readonly registerBytes: 4 | 8;
  load(rt: number, offset: number, base: number): void;
  store(rt: number, offset: number, base: number): void;
  add(rd: number, rs: number, rt: number): void;
  /** A logical shift right. */
  shiftRight(rd: number, rt: number, by: number): void;
  rotateRight(rd: number, rt: number, by: number): void;
  /** From and to the CP0 register with flat index `cp0`. */
  moveFrom(rt: number, cp0: number): void;
  moveTo(rt: number, cp0: number): void;
}

/** Whether the host is a 64-bit one: its tables have three levels. */
export function is64Bit({ geometry }: CodeTarget): boolean {
  return geometry.pmd !== null;
}

/** {@link NativeOps} of the host. */
export function nativeOps(asm: Assembler, target: CodeTarget): NativeOps {
  if (is64Bit(target))
    return {
      registerBytes: 8,
      load: (rt, offset, base) => asm.ld(rt, offset, base),
      store: (rt, offset, base) => asm.sd(rt, offset, base),
      add: (rd, rs, rt) => asm.daddu(rd, rs, rt),
      shiftRight: (rd, rt, by) => (by < 32 ? asm.dsrl(rd, rt, by) : asm.dsrl32(rd, rt, by - 32)),
      rotateRight: (rd, rt, by) => asm.drotr(rd, rt, by),
      moveFrom: (rt, cp0) => asm.dmfc0(rt, cp0 >>> 3, cp0 & 7),
      moveTo: (rt, cp0) => asm.dmtc0(rt, cp0 >>> 3, cp0 & 7),
    };
  return {
    registerBytes: 4,
    load: (rt, offset, base) => asm.lw(rt, offset, base),
    store: (rt, offset, base) => asm.sw(rt, offset, base),
    add: (rd, rs, rt) => asm.addu(rd, rs, rt),
    shiftRight: (rd, rt, by) => asm.srl(rd, rt, by),
    rotateRight: (rd, rt, by) => asm.rotr(rd, rt, by),
    moveFrom: (rt, cp0) => mfc0(asm, rt, cp0),
    moveTo: (rt, cp0) => mtc0(asm, rt, cp0),
  };
}

/** MFC0 from the register with flat index `cp0`. */
export function mfc0(asm: Assembler, rt: number, cp0: number): void {
  asm.mfc0(rt, cp0 >>> 3, cp0 & 7);
}

/** MTC0 to the register with flat index `cp0`. */
export function mtc0(asm: Assembler, rt: number, cp0: number): void {
  asm.mtc0(rt, cp0 >>> 3, cp0 & 7);
}
