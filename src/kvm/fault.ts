import { EXC_CODE } from "../isa/exceptions.ts";
import type { Gpa, Gva } from "./addresses.ts";
import { deliver, deliverAddressError, deliverTlb } from "./deliver.ts";
import { emulateMmio } from "./mmio-access.ts";
import { internalError } from "./report.ts";
import { backingPage, translate } from "./translate.ts";
import type { VcpuExit } from "./vcpu-exit.ts";
import { faultingPc, inUserMode, type VcpuState } from "./vcpu-state.ts";

/** True if the exit was caused by the fetch of an instruction. */
function isFetch(vcpu: VcpuState): boolean {
  return vcpu.regs.badVAddr === faultingPc(vcpu);
}

function mmio(vcpu: VcpuState, gpa: Gpa): VcpuExit | null {
  if (isFetch(vcpu))
    return internalError(vcpu, `the guest executes from ${gpa.toString(16)}, where it has no memory`);
  return emulateMmio(vcpu, gpa);
}

/** Guest KSeg0: maps the pair of pages around `gva`, as far as memslots back it. */
function fillDirect(vcpu: VcpuState, gva: Gva, gpa: Gpa, store: boolean): VcpuExit | null {
  const page = backingPage(vcpu, gpa, true);
  if (page === null || (store && !page.writable)) return mmio(vcpu, gpa);
  const even = gpa - (gpa % (2 * vcpu.pageSize));
  vcpu.mmu.fillPair(
    gva,
    inUserMode(vcpu),
    backingPage(vcpu, even, true),
    backingPage(vcpu, even + vcpu.pageSize, true),
  );
  return null;
}

/**
 * A mapped address that guest TLB entry `index` translates: maps the pair of host pages around it. A guest page
 * is never smaller than a host page, so that one entry covers the pair.
 */
function fillMapped(vcpu: VcpuState, gva: Gva, gpa: Gpa, store: boolean): VcpuExit | null {
  const page = backingPage(vcpu, gpa, true);
  if (page === null || (store && !page.writable)) return mmio(vcpu, gpa);
  const user = inUserMode(vcpu);
  const even = (gva & ~(2 * vcpu.pageSize - 1)) >>> 0;
  const half = (at: Gva): ReturnType<typeof backingPage> => {
    const found = translate(vcpu, at, user);
    return found.kind === "mapped" && found.valid ? backingPage(vcpu, found.gpa, found.dirty) : null;
  };
  vcpu.mmu.fillPair(gva, user, half(even), half(even + vcpu.pageSize));
  return null;
}

/**
 * A host TLB exception on guest address `gva`: refill, invalid or modified. Either what the guest has mapped
 * there is made known to the host, or the guest gets the exception that its own TLB causes, or the access
 * is one to a device. Returns null if the guest goes on.
 */
export function handleTlbFault(vcpu: VcpuState, gva: Gva, store: boolean): VcpuExit | null {
  const code = store ? EXC_CODE.TLBS : EXC_CODE.TLBL;
  const found = translate(vcpu, gva, inUserMode(vcpu));
  switch (found.kind) {
    case "forbidden":
      deliverAddressError(vcpu, gva, store);
      return null;
    case "commpage":
      vcpu.mmu.fillCommpage();
      return null;
    case "direct":
      return fillDirect(vcpu, gva, found.gpa, store);
    case "miss":
      deliverTlb(vcpu, code, gva, true);
      return null;
    case "mapped":
      if (!found.valid) deliverTlb(vcpu, code, gva, false);
      else if (store && !found.dirty) deliverTlb(vcpu, EXC_CODE.Mod, gva, false);
      else return fillMapped(vcpu, gva, found.gpa, store);
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
