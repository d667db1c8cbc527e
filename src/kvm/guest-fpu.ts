import { CONFIG, CP0, STATUS } from "../isa/cp0.ts";
import { FCR, FCSR } from "../isa/fpu.ts";
import type { FpuModel } from "../machine/cpu-models.ts";
import type { HostKernel } from "./host-kernel.ts";
import { FPU_AREA, type VcpuMemory } from "./layout.ts";
import { AUX, type Tracer } from "./trace.ts";

/** Bits of Status that are about the FPU. */
export const FPU_STATUS = STATUS.CU1 | STATUS.FR;

/** Halves of a 64-bit register in memory, by the machine's byte order: which word is the upper one. */
const UPPER_WORD = { big: 0, little: 1 } as const;

/**
 * The FPU of a guest: its registers are in the host's FPU or in the vcpu structure.
 *
 * The guest gets the host's FPU when it uses one and has turned it on, by the exit for Coprocessor Unusable, and keeps
 * it until the vcpu is put. Status.CU1 and FR of the host are the guest's while guest code runs and has the FPU; at all
 * other times CU1 is off. FCSR is the guest's in guest context only: each exit takes it away.
 *
 * A change of FR leaves the registers' bits where they are, as in the machine itself. KVM discards them then, as it may.
 */
export class GuestFpu {
  readonly model: FpuModel;
  private readonly host: HostKernel;
  private readonly regs: VcpuMemory;
  private readonly tracer: Tracer;
  /** The guest's registers are in the host's FPU. */
  private live = false;

  constructor(model: FpuModel, host: HostKernel, regs: VcpuMemory, tracer: Tracer) {
    this.model = model;
    this.host = host;
    this.regs = regs;
    this.tracer = tracer;
    this.fcsr = model.fcsrReset;
  }

  /** True if the guest's registers are in the host's FPU. */
  get isLive(): boolean {
    return this.live;
  }

  /** The registers are where a snapshot says: `live` in the host's FPU, else in the vcpu structure. */
  restore(live: boolean): void {
    this.live = live;
  }

  /** Whether the guest is told that it has an FPU, which the VMM can take away (Config1.FP). */
  get announced(): boolean {
    return (this.regs.cp0[CP0.Config1]! & CONFIG.C1_FP) !== 0;
  }

  /** What the guest's Status says of the FPU. */
  private get guestStatus(): number {
    return this.announced ? this.regs.cp0[CP0.Status]! & FPU_STATUS : 0;
  }

  /** True if the guest may use its FPU. */
  get enabled(): boolean {
    return (this.guestStatus & STATUS.CU1) !== 0;
  }

  // --- the host's FPU ---

  private get hostStatus(): number {
    return this.host.machine.cpu.cp0[CP0.Status]! & FPU_STATUS;
  }
  private set hostStatus(bits: number) {
    const { machine } = this.host;
    machine.ops.writeCp0(CP0.Status, (machine.cpu.cp0[CP0.Status]! & ~FPU_STATUS) | bits);
  }

  /** The guest uses its FPU, which is enabled: it has the host's from now on. */
  own(): void {
    if (!this.live) {
      this.hostStatus = FPU_STATUS;
      this.host.callFpu("restore", this.regs.fpuArea);
      this.live = true;
      this.trace(AUX.restore);
    } else this.trace(AUX.enable);
    this.hostStatus = this.guestStatus;
  }

  /** Takes the host's FPU away from the guest. On the host CPU that the vcpu is loaded on. */
  lose(): void {
    if (!this.live) return;
    this.hostStatus = FPU_STATUS;
    this.host.callFpu("save", this.regs.fpuArea);
    this.hostStatus = 0;
    this.live = false;
    this.trace(AUX.save);
  }

  /** The guest is about to go on after an exit: CU1 and FR are as it has them now, and FCSR is its own. */
  resume(): void {
    if (!this.live) return;
    const status = this.guestStatus;
    const off = (status & STATUS.CU1) === 0;
    if (off && (this.hostStatus & STATUS.CU1) !== 0) this.trace(AUX.disable);
    const wanted = off ? 0 : status;
    if (this.hostStatus !== wanted) this.hostStatus = wanted;
    if (!off) this.host.callFpu("restoreFcsr", this.fcsr);
  }

  /** The host has left the guest: it does not use its FPU. */
  leave(): void {
    if (this.hostStatus !== 0) this.hostStatus = 0;
  }

  private trace(op: number): void {
    this.tracer.kvm_aux?.(this.regs.pc, op, AUX.fpu);
  }

  // --- registers, after `lose` ---

  get fcsr(): number {
    return this.regs.fpu[FPU_AREA.fcsr / 4]!;
  }
  set fcsr(value: number) {
    this.regs.fpu[FPU_AREA.fcsr / 4] = value;
  }

  /** A control register as the VMM sees it. */
  control(number: number): number {
    return number === FCR.FIR ? this.model.fir : this.fcsr;
  }

  /** Writes FCSR; FIR cannot be written. */
  setControl(number: number, value: number): void {
    const { fcsrWritable } = this.model;
    if (number === FCR.FCSR) this.fcsr = (this.fcsr & ~(fcsrWritable | FCSR.CAUSES)) | (value & fcsrWritable);
  }

  /** Registers are 64 bits wide for the guest. */
  get wide(): boolean {
    return (this.regs.cp0[CP0.Status]! & STATUS.FR) !== 0;
  }

  private place(n: number, upper: boolean): number {
    const { endian } = this.host.machine.memory;
    const word = upper ? UPPER_WORD[endian] : 1 - UPPER_WORD[endian];
    return FPU_AREA.fpr / 4 + 2 * n + word;
  }

  /** The word in register `n`. */
  word(n: number): number {
    return this.regs.fpu[this.place(n, false)]!;
  }
  setWord(n: number, value: number): void {
    this.regs.fpu[this.place(n, false)] = value;
  }

  /** The upper half of the double in register `n`. If registers are 32 bits wide, two of them have it. */
  upper(n: number): number {
    return this.regs.fpu[this.wide ? this.place(n, true) : this.place(n | 1, false)]!;
  }
  setUpper(n: number, value: number): void {
    this.regs.fpu[this.wide ? this.place(n, true) : this.place(n | 1, false)] = value;
  }

  /** The lower half of the double in register `n`. */
  lower(n: number): number {
    return this.word(this.wide ? n : n & ~1);
  }
  setLower(n: number, value: number): void {
    this.setWord(this.wide ? n : n & ~1, value);
  }
}
