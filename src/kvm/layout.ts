import { CAUSE } from "../isa/cp0.ts";
import { EXC_CODE } from "../isa/exceptions.ts";
import { fromKseg0, toKseg0, type Hpa, type HostVa } from "./addresses.ts";
import type { Memory } from "../machine/memory.ts";
import { HostMm, MM } from "./host-mm.ts";

/** CP0 registers that there can be: 32 of 8 selects. */
export const CP0_REGISTERS = 32 * 8;

/**
 * The vcpu structure in host RAM, as byte offsets. Generated code and TypeScript share it, so it is stated
 * here and nowhere else. Every field is a word; the base is the "VCPU pointer" of the generated code, and each
 * offset fits the signed 16-bit displacement of a load or store.
 */
// prettier-ignore
export const VCPU = {
  /** Guest $0 to $31. Slots of $26 and $27 (k0, k1) are written by the exception stubs and by the refill. */
  gprs:       0,
  hi:         128,
  lo:         132,
  /** Where the guest goes on; at an exit, EPC. */
  pc:         136,
  /** Host CP0 registers as they were at the exit. */
  badVAddr:   140,
  cause:      144,
  /** Left alone on hosts without BadInstr and BadInstrP. */
  badInstr:   148,
  badInstrP:  152,
  /** Host registers kept while the guest runs. */
  hostSp:     156,
  hostGp:     160,
  /** kseg0 address of the guest's CP0 register array. */
  cop0:       164,
  /**
   * What fast exits know of the guest, published at each entry. Two words, for kernel mode and user mode: the guest
   * ASID that the mode's address space is good for, or {@link NOT_READY}.
   */
  ready:      168,
  /** The mode whose address space is live, as an offset from `ready`: 0 kernel, 4 user. */
  liveMode:   176,
  /** What the guest's interrupt lines make of the bits {@link HARDWARE_LINES} of its Cause. */
  lines:      180,
  /** Not 0 if the guest's Count is the host's plus the bias. */
  countRuns:  184,
  countBias:  188,
  /** Fast exits, a word for each of {@link FAST_EXIT_CODES}. */
  fastExits:  192,
  /** The EntryHi of which it is known what TLBP says, or {@link NO_PROBE}, and the entry that it finds or -1. */
  probeHi:    208,
  probeIndex: 212,
  /** The address space of guest kernel mode, an `MM` structure. That of user mode follows: {@link userMm}. */
  kernelMm:   216,
} as const;

/** Offset of guest user mode's address space in the vcpu structure of a host with `cpus` CPUs. */
export const userMm = (cpus: number): number => VCPU.kernelMm + MM.bytes(cpus);

/** Bytes of the vcpu structure, without what lies behind it. */
export const vcpuBytes = (cpus: number): number => userMm(cpus) + MM.bytes(cpus);

/** What a vcpu with an FPU has behind the rest of its structure, as byte offsets from {@link fpuArea}. */
export const FPU_AREA = {
  /** FPU registers, 64 bits each, as SDC1 stores them: while the guest has not got the FPU. */
  fpr: 0,
  /** FCSR, since the last exit. */
  fcsr: 256,
  bytes: 264,
} as const;

/** Offset of the FPU's part in the structure of a vcpu that has one. */
export const fpuArea = (cpus: number): number => (vcpuBytes(cpus) + 7) & -8;

/**
 * What fast exits do of MFC0 and MTC0: an array each with a word for every CP0 register, by flat index. At these
 * offsets from the vcpu structure, behind all the rest.
 */
export const CP0_MASKS = { read: 0x400, write: 0x800, end: 0xc00 } as const;

/** Exception codes that fast exits are counted by: those between the first and the last that they settle. */
export const FAST_EXIT_CODES: readonly number[] = [EXC_CODE.Sys, EXC_CODE.Bp, EXC_CODE.RI, EXC_CODE.CpU];

/** No guest ASID. */
export const NOT_READY = -1;

/** No EntryHi: no guest's has bits 12 and 11. */
export const NO_PROBE = 0x1800;

/** Bits of Cause that hardware interrupt lines set. */
export const HARDWARE_LINES = (CAUSE.IP & ~CAUSE.IP01) | CAUSE.TI;

/** Bytes of the guest CP0 array. */
export const GUEST_CP0_BYTES = CP0_REGISTERS * 4;

/** Byte offset of guest CP0 register `index` (number * 8 + select) in the guest CP0 array, hence in a commpage. */
export function cp0Slot(index: number): number {
  return index * 4;
}

/**
 * The TypeScript side of a vcpu structure. Registers are signed 32-bit numbers, addresses unsigned. Nothing is
 * cached: each access goes to host memory, which generated code reads and writes too.
 */
export class VcpuMemory {
  readonly hpa: Hpa;
  /** The page of the guest's CP0 register array, and of nothing else: with dynamic translation it is the commpage. */
  readonly cp0Page: Hpa;
  /** Guest $0 to $31, signed. */
  readonly gpr: Int32Array;
  /** The guest's virtual CP0 registers by flat index, signed. With a commpage the guest kernel can write them at will. */
  readonly cp0: Int32Array;
  readonly kernelMm: HostMm;
  readonly userMm: HostMm;
  /** The host virtual address of {@link FPU_AREA}, and its words; meaningful for a vcpu with an FPU. */
  readonly fpuArea: HostVa;
  readonly fpu: Int32Array;
  private readonly words: Int32Array;
  private readonly cp0Masks: Int32Array;

  /**
   * A view of the structure at `hpa`, on a host with `cpus` CPUs, whose CP0 array is the host page `cp0Page`; stores
   * the pointer to it.
   */
  constructor(memory: Memory, hpa: Hpa, cp0Page: Hpa, cpus = 1) {
    const at = memory.plan.ram + hpa;
    this.hpa = hpa;
    this.cp0Page = cp0Page;
    this.words = new Int32Array(memory.wasm.buffer, at, vcpuBytes(cpus) / 4);
    this.cp0Masks = new Int32Array(memory.wasm.buffer, at + CP0_MASKS.read, 2 * CP0_REGISTERS);
    this.gpr = new Int32Array(memory.wasm.buffer, at + VCPU.gprs, 32);
    this.cp0 = new Int32Array(memory.wasm.buffer, memory.plan.ram + cp0Page, GUEST_CP0_BYTES / 4);
    this.kernelMm = new HostMm(memory, hpa + VCPU.kernelMm, cpus);
    this.userMm = new HostMm(memory, hpa + userMm(cpus), cpus);
    this.fpuArea = toKseg0(hpa + fpuArea(cpus));
    this.fpu = new Int32Array(memory.wasm.buffer, at + fpuArea(cpus), FPU_AREA.bytes / 4);
    this.set(VCPU.cop0, toKseg0(cp0Page));
  }

  /** The VCPU pointer of the generated code. */
  get pointer(): HostVa {
    return toKseg0(this.hpa);
  }

  private get(offset: number): number {
    return this.words[offset >>> 2]!;
  }
  private set(offset: number, value: number): void {
    this.words[offset >>> 2] = value;
  }

  get hi(): number {
    return this.get(VCPU.hi);
  }
  set hi(value: number) {
    this.set(VCPU.hi, value);
  }
  get lo(): number {
    return this.get(VCPU.lo);
  }
  set lo(value: number) {
    this.set(VCPU.lo, value);
  }
  /** Where the guest goes on, unsigned; right after an exit, the host's EPC. */
  get pc(): number {
    return this.get(VCPU.pc) >>> 0;
  }
  set pc(value: number) {
    this.set(VCPU.pc, value);
  }
  /** The host's BadVAddr at the exit, unsigned. */
  get badVAddr(): number {
    return this.get(VCPU.badVAddr) >>> 0;
  }
  /** The host's Cause at the exit, signed as all register values. */
  get cause(): number {
    return this.get(VCPU.cause);
  }
  set cause(value: number) {
    this.set(VCPU.cause, value);
  }
  /** The instruction that faulted, unsigned; meaningful only on hosts with BadInstr. */
  get badInstr(): number {
    return this.get(VCPU.badInstr) >>> 0;
  }
  /** The branch before `badInstr` if that lay in a delay slot, unsigned; only on hosts with BadInstrP. */
  get badInstrP(): number {
    return this.get(VCPU.badInstrP) >>> 0;
  }
  /** Host stack pointer kept while the guest runs: kseg0. */
  get hostSp(): HostVa {
    return this.get(VCPU.hostSp) >>> 0;
  }
  /** Tells fast exits which guest ASID each mode's address space is good for. */
  setReady(kernel: number, user: number): void {
    this.set(VCPU.ready, kernel);
    this.set(VCPU.ready + 4, user);
  }
  /** True if guest user mode's address space is live. */
  get userIsLive(): boolean {
    return this.get(VCPU.liveMode) !== 0;
  }
  set userIsLive(user: boolean) {
    this.set(VCPU.liveMode, user ? 4 : 0);
  }
  /** Tells fast exits that TLBP with EntryHi `entryHi` finds `index`, or nothing if that is -1. */
  setProbe(entryHi: number, index: number): void {
    this.set(VCPU.probeHi, entryHi);
    this.set(VCPU.probeIndex, index);
  }
  /** The bits {@link HARDWARE_LINES} of Cause. */
  set lines(value: number) {
    this.set(VCPU.lines, value);
  }
  /** Guest Count minus host Count, null if they do not run alike. */
  set countBias(value: number | null) {
    this.set(VCPU.countRuns, value === null ? 0 : 1);
    this.set(VCPU.countBias, value ?? 0);
  }
  /**
   * Tells fast exits how to settle MFC0 and MTC0 of register `index`: the bits that a read shows of the word in the
   * array, and those that a write changes there, with no other effect. 0 leaves it to the hypervisor.
   */
  setCp0Masks(index: number, read: number, write: number): void {
    this.cp0Masks[index] = read;
    this.cp0Masks[CP0_REGISTERS + index] = write;
  }
  /** Takes away the count of fast exits by the exception with `code`, one of {@link FAST_EXIT_CODES}. */
  takeFastExits(code: number): number {
    const offset = VCPU.fastExits + 4 * (code - FAST_EXIT_CODES[0]!);
    const count = this.get(offset) >>> 0;
    this.set(offset, 0);
    return count;
  }
  /** Where the structure says the guest CP0 array is. */
  get cop0(): Hpa {
    return fromKseg0(this.get(VCPU.cop0));
  }
}
