import { EXC_CODE, VECTOR_OFFSET } from "../isa/exceptions.ts";
import type { Gpa, Gva } from "./addresses.ts";
import { deliver, deliverAddressError, deliverTlb } from "./deliver.ts";
import { fill } from "./fill.ts";
import { emulateMmio } from "./mmio-access.ts";
import { internalError } from "./report.ts";
import { backingPage, peekTranslation, translate } from "./translate.ts";
import type { VcpuExit } from "./vcpu-exit.ts";
import { faultingPc, inUserMode, vectorBase, type VcpuState } from "./vcpu-state.ts";

/** True if the exit was caused by the fetch of an instruction. */
function isFetch(vcpu: VcpuState): boolean {
  return vcpu.regs.badVAddr === faultingPc(vcpu);
}

/** True if the guest could fetch its exception handler. */
export function hasHandler(vcpu: VcpuState): boolean {
  const handler = peekTranslation(vcpu, vectorBase(vcpu) + VECTOR_OFFSET.general, false);
  return handler.kind === "direct" && backingPage(vcpu, handler.gpa, false) !== null;
}

/** An access where the guest has no memory: one to a device, or for a fetch a bus error, as there is on a bare machine. */
function mmio(vcpu: VcpuState, gpa: Gpa): VcpuExit | null {
  if (!isFetch(vcpu)) return emulateMmio(vcpu, gpa);
  // It would get one bus error after the other.
  if (!hasHandler(vcpu))
    return internalError(vcpu, `the guest executes from ${gpa.toString(16)}, where it has no memory`);
  return reflect(vcpu, EXC_CODE.IBE);
}

/**
 * A host TLB exception on guest address `gva`: refill, invalid or modified. Either what the guest has mapped
 * there is made known to the host, or the guest gets the exception that its own TLB causes, or the access
 * is one to a device. Returns null if the guest goes on.
 */
export function handleTlbFault(vcpu: VcpuState, gva: Gva, store: boolean): VcpuExit | null {
  const found = fill(vcpu, gva, store);
  switch (found.kind) {
    case "filled":
      return null;
    case "forbidden":
      deliverAddressError(vcpu, gva, store);
      return null;
    case "miss":
    case "invalid":
      deliverTlb(vcpu, store ? EXC_CODE.TLBS : EXC_CODE.TLBL, gva, found.kind === "miss");
      return null;
    case "modified":
      deliverTlb(vcpu, EXC_CODE.Mod, gva, false);
      return null;
    case "mmio":
      return mmio(vcpu, found.gpa);
    case "illegal":
      return internalError(
        vcpu,
        `the guest touches ${gva.toString(16)}, which lies in no segment of its map`,
      );
  }
}

/** A host address error on guest address `gva`: an access to a device, or the guest's own mistake. */
export function handleAddressError(vcpu: VcpuState, gva: Gva, store: boolean): VcpuExit | null {
  const found = translate(vcpu, gva, inUserMode(vcpu));
  switch (found.kind) {
    case "illegal":
      return internalError(
        vcpu,
        `the guest touches ${gva.toString(16)}, which lies in no segment of its map`,
      );
    case "mmio":
      if (isFetch(vcpu) && (gva & 3) !== 0) break;
      return mmio(vcpu, found.gpa);
    default:
  }
  deliverAddressError(vcpu, gva, store);
  return null;
}

/** Gives the guest exception `code` as it is. */
export function reflect(vcpu: VcpuState, code: Parameters<typeof deliver>[1], coprocessor = 0): null {
  deliver(vcpu, code, coprocessor);
  return null;
}
