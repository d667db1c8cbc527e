import { CP0, STATUS } from "../isa/cp0.ts";
import { decoderFor } from "../isa/decode.ts";
import { encode } from "../isa/encode.ts";
import { EXC_CODE } from "../isa/exceptions.ts";
import { deliver, deliverAddressError } from "./deliver.ts";
import { segmentOf } from "./guest-map.ts";
import { faultingInstruction } from "./guest-memory.ts";
import { executeAgain, type VcpuState } from "./vcpu-state.ts";

/** Primary opcode of coprocessor 0. Whether that may be used is asked before what the instruction is. */
const COP0 = encode("mfc0", { rt: 0, rdNumber: 0, sel: 0 }) >>> 26;
const decode = decoderFor("mips32r2");

/**
 * Coprocessor 0 is unusable, to the host. The guest's kernel may have given it to its user mode (Status.CU0), and what
 * its CPU does not have is reserved there, although the host's may want a privilege for it (the instructions of EVA).
 */
function deliverUnusable(vcpu: VcpuState): boolean {
  if ((vcpu.cp0[CP0.Status]! & STATUS.CU0) !== 0) return false;
  const word = faultingInstruction(vcpu);
  if (word === null) executeAgain(vcpu);
  else deliver(vcpu, word >>> 26 !== COP0 && decode(word) === null ? EXC_CODE.RI : EXC_CODE.CpU);
  return true;
}

/**
 * The guest's own privilege rules, for an exception raised in guest user mode: the host runs all guest code in
 * its user mode and cannot tell. True if the guest was given an exception because it overstepped; the
 * exception is then dealt with.
 */
export function deliverPrivileged(vcpu: VcpuState, code: number, coprocessor: number): boolean {
  const { badVAddr } = vcpu.regs;
  switch (code) {
    case EXC_CODE.CpU:
      return coprocessor === 0 && deliverUnusable(vcpu);
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
