import { cp0Name, CP0, type Cp0Name } from "../isa/cp0.ts";
import { FCR } from "../isa/fpu.ts";
import { cp0Table } from "../machine/cp0-table.ts";
import type { Gva, Hpa } from "./addresses.ts";
import { mtc0, readGuestCp0 } from "./emulate/cp0.ts";
import { publishCp0Masks } from "./fast-exits.ts";
import { peekTranslation } from "./translate.ts";
import { continueAt, inUserMode } from "./vcpu-state.ts";
import type { Vcpu } from "./vcpu.ts";

/**
 * The registers and the memory of a guest as a debugger sees and changes them, wherever the vcpu stopped. Looking
 * changes nothing: the guest is not taken out of the machine, nothing is counted, no TLB is filled.
 */
export class GuestState {
  private readonly vcpu: Vcpu;

  constructor(vcpu: Vcpu) {
    this.vcpu = vcpu;
  }

  /**
   * False in the middle of generated code that the guest does not see, as the refill handler: some of its registers
   * hold the host's values then, or are about to.
   */
  get isComplete(): boolean {
    return !this.vcpu.inGuest || !this.vcpu.cpu.isKernel;
  }

  /** What has the general registers: the CPU while guest code runs, the vcpu structure after an exit. */
  private get holder(): { readonly gpr: Int32Array; hi: number; lo: number } {
    const { vcpu } = this;
    return vcpu.inGuest ? vcpu.cpu : vcpu.regs;
  }

  get pc(): Gva {
    const { vcpu } = this;
    return this.isComplete ? vcpu.pc : vcpu.cpu.cp0[CP0.EPC]! >>> 0;
  }
  /** The guest goes on at `gva`, outside any delay slot. */
  set pc(gva: Gva) {
    const { vcpu } = this;
    if (vcpu.inGuest) vcpu.cpu.setPc(gva);
    else continueAt(vcpu, gva >>> 0);
  }
  /** General register `n`, signed. */
  gpr(n: number): number {
    return this.holder.gpr[n]!;
  }
  setGpr(n: number, value: number): void {
    if (n !== 0) this.holder.gpr[n] = value;
  }
  get hi(): number {
    return this.holder.hi;
  }
  set hi(value: number) {
    this.holder.hi = value;
  }
  get lo(): number {
    return this.holder.lo;
  }
  set lo(value: number) {
    this.holder.lo = value;
  }

  /** The CP0 registers that the guest has. */
  get cp0Names(): readonly Cp0Name[] {
    const { guestCpu, machine } = this.vcpu;
    return [...cp0Table(guestCpu.model, machine.memory.endian).keys()].map((index) => cp0Name(index)!);
  }
  /** What MFC0 would read, signed. */
  cp0(index: number): number {
    return readGuestCp0(this.vcpu, index);
  }
  /** Does what MTC0 would do. The guest leaves the machine for it if it is there: host instructions are executed. */
  setCp0(index: number, value: number): void {
    const { vcpu } = this;
    vcpu.settle();
    mtc0(vcpu, index, value);
    publishCp0Masks(vcpu);
  }

  get hasFpu(): boolean {
    return this.vcpu.fpu?.announced === true;
  }
  /** FPU register `n` as a word. */
  fpr(n: number): number {
    const { vcpu } = this;
    const fpu = vcpu.fpu!;
    return fpu.isLive ? vcpu.cpu.fpu!.word(n) : fpu.word(n);
  }
  /** FPU control register `number`. An exit has taken FCSR from the host's FPU. */
  fcr(number: number): number {
    const { vcpu } = this;
    const fpu = vcpu.fpu!;
    const isInCpu = fpu.isLive && vcpu.inGuest && number === FCR.FCSR;
    return isInCpu ? vcpu.cpu.fpu!.fcsr : fpu.control(number);
  }

  /**
   * Where guest memory at `gva` is, up to the end of a page, as the guest's current mode sees it, else its kernel.
   * Null if no TLB entry of the guest's says so, or no memory is there: devices are not touched.
   */
  memoryAt(gva: Gva): Hpa | null {
    const { vcpu } = this;
    const own = inUserMode(vcpu) ? this.seenBy(gva, true) : null;
    return own ?? this.seenBy(gva, false);
  }

  private seenBy(gva: Gva, user: boolean): Hpa | null {
    const { vcpu } = this;
    const found = peekTranslation(vcpu, gva, user);
    switch (found.kind) {
      case "commpage":
        return vcpu.regs.cp0Page + (found.gva & (vcpu.pageSize - 1));
      case "mapped":
      case "direct":
      case "mmio": {
        if (found.kind === "mapped" && !found.valid) return null;
        const hpa = vcpu.slots.gpaToHpa(found.gpa, false);
        return hpa < 0 ? null : hpa;
      }
      default:
        return null;
    }
  }
}
