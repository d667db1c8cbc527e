import { CAUSE, CP0, STATUS } from "../isa/cp0.ts";
import { EXC_CODE, VECTOR_OFFSET, type ExcCode } from "../isa/exceptions.ts";
import { setTlbExceptionRegisters } from "../machine/tlb.ts";
import type { Gva } from "./addresses.ts";
import { continueAt, vectorBase, type VcpuState } from "./vcpu-state.ts";

/** Enters the guest's exception `code`: the guest goes on at the vector. */
function enter(vcpu: VcpuState, code: ExcCode, coprocessor: number, offset: number): void {
  const { cp0, regs } = vcpu;
  const base = vectorBase(vcpu);
  let cause = cp0[CP0.Cause]! & ~(CAUSE.ExcCode | CAUSE.CE);
  cause |= (code << 2) | (coprocessor << CAUSE.CE_SHIFT);
  if ((cp0[CP0.Status]! & STATUS.EXL) === 0) {
    cp0[CP0.EPC] = regs.pc;
    cause = vcpu.inDelaySlot ? cause | CAUSE.BD : cause & ~CAUSE.BD;
    cp0[CP0.Status] = cp0[CP0.Status]! | STATUS.EXL;
  } else if (offset === VECTOR_OFFSET.refill) offset = VECTOR_OFFSET.general;
  cp0[CP0.Cause] = cause;
  vcpu.tracer.kseg_guest_exception?.(regs.pc, code, base + offset, cp0[CP0.BadVAddr]! >>> 0);
  continueAt(vcpu, base + offset);
  vcpu.stats.delivered++;
}

/**
 * Enters an exception that the guest's own instruction caused. That takes the time of one instruction, or a
 * guest whose vector raises the same exception again would go on for ever without any time passing.
 */
function raise(vcpu: VcpuState, code: ExcCode, coprocessor: number, offset: number): void {
  if (!vcpu.counted) vcpu.machine.timeline.pass(1);
  enter(vcpu, code, coprocessor, offset);
}

/** Gives the guest an exception at the instruction that caused the exit. `coprocessor` is Cause.CE. */
export function deliver(vcpu: VcpuState, code: ExcCode, coprocessor = 0): void {
  raise(vcpu, code, coprocessor, VECTOR_OFFSET.general);
}

/** Gives the guest an address error on `gva`. */
export function deliverAddressError(vcpu: VcpuState, gva: Gva, store: boolean): void {
  vcpu.cp0[CP0.BadVAddr] = gva;
  deliver(vcpu, store ? EXC_CODE.AdES : EXC_CODE.AdEL);
}

/**
 * Gives the guest a TLB exception on `gva`, with registers set as the machine sets its own. `refill` selects the
 * refill vector, which is used if EXL was 0.
 */
export function deliverTlb(vcpu: VcpuState, code: ExcCode, gva: Gva, refill: boolean): void {
  setTlbExceptionRegisters(vcpu.cp0, gva);
  raise(vcpu, code, 0, refill ? VECTOR_OFFSET.refill : VECTOR_OFFSET.general);
}

/** Gives the guest the interrupt that it is ready to take, if there is one. True if it did. */
export function deliverInterrupt(vcpu: VcpuState): boolean {
  if (!vcpu.interrupts.deliverable) return false;
  const vector = (vcpu.cp0[CP0.Cause]! & CAUSE.IV) !== 0 ? VECTOR_OFFSET.interrupt : VECTOR_OFFSET.general;
  enter(vcpu, EXC_CODE.Int, 0, vector);
  return true;
}
