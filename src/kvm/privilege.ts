import { EXC_CODE } from "../isa/exceptions.ts";
import { deliver, deliverAddressError } from "./deliver.ts";
import { segmentOf } from "./guest-map.ts";
import type { VcpuState } from "./vcpu-state.ts";

/**
 * The guest's own privilege rules, for an exception raised in guest user mode: the host runs all guest code in
 * its user mode and cannot tell. True if the guest was given an exception because it overstepped; the
 * exception is then dealt with.
 */
export function deliverPrivileged(vcpu: VcpuState, code: number, coprocessor: number): boolean {
  const { badVAddr } = vcpu.regs;
  switch (code) {
    case EXC_CODE.CpU:
      if (coprocessor !== 0) return false;
      deliver(vcpu, EXC_CODE.CpU, 0);
      return true;
    case EXC_CODE.TLBL:
    case EXC_CODE.TLBS:
      if (segmentOf(vcpu.map, badVAddr).user) return false;
      deliverAddressError(vcpu, badVAddr, code === EXC_CODE.TLBS);
      return true;
    case EXC_CODE.AdEL:
    case EXC_CODE.AdES:
      deliverAddressError(vcpu, badVAddr, code === EXC_CODE.AdES);
      return true;
    default:
      return false;
  }
}
