import { CAUSE } from "../isa/cp0.ts";
import { decode } from "../isa/decode.ts";
import { EXC_CODE, excCodeName } from "../isa/exceptions.ts";
import { endsInstruction } from "../machine/exception-kinds.ts";
import { emulateCop0 } from "./emulate/cop0.ts";
import { helperCall, operandOf } from "./emulate/helper-call.ts";
import { rdhwr } from "./emulate/rdhwr.ts";
import { resumePc } from "./emulate/resume.ts";
import { handleAddressError, handleTlbFault, reflect } from "./fault.ts";
import { faultingInstruction } from "./guest-memory.ts";
import { deliverPrivileged } from "./privilege.ts";
import { internalError } from "./report.ts";
import type { VcpuExit } from "./vcpu-exit.ts";
import { executeAgain, finishInstruction, inUserMode, type VcpuState } from "./vcpu-state.ts";

/** RI: RDHWR traps like this because the host's HWREna is zero; anything else is the guest's to handle. */
function handleReserved(vcpu: VcpuState): VcpuExit | null {
  const word = faultingInstruction(vcpu);
  if (word === null) {
    executeAgain(vcpu);
    return null;
  }
  const row = decode(word);
  if (row === null) return reflect(vcpu, EXC_CODE.RI);
  const { gpr } = vcpu.regs;
  const call = helperCall(row, word);
  if (call?.name !== "rdhwr") return reflect(vcpu, EXC_CODE.RI);
  const resume = resumePc(vcpu);
  const value = resume === null ? null : rdhwr(vcpu, operandOf(call, 0, gpr));
  if (value === null || resume === null) return reflect(vcpu, EXC_CODE.RI);
  if (call.register !== null) gpr[call.register] = value;
  finishInstruction(vcpu, resume);
  return null;
}

/** The guest uses an FPU that the host has turned off: it gets the host's, or the exception if it has none. */
function handleFpuUnusable(vcpu: VcpuState): null {
  const { fpu } = vcpu;
  if (fpu === null || !fpu.enabled) return reflect(vcpu, EXC_CODE.CpU, 1);
  fpu.own();
  executeAgain(vcpu);
  return null;
}

/** Does what exception `code` of the host, raised by guest code, asks for. Null if the guest goes on. */
function dispatch(vcpu: VcpuState, code: number, coprocessor: number): VcpuExit | null {
  const { badVAddr } = vcpu.regs;
  switch (code) {
    case EXC_CODE.Int:
      // What raised the host's line has told the vcpu; delivery happens on the way back. Without one the guest
      // was only looked at, between a branch and its delay slot perhaps: then the branch is executed again.
      if (vcpu.inDelaySlot && !vcpu.interrupts.deliverable) vcpu.machine.timeline.retire(-1);
      return null;
    case EXC_CODE.TLBL:
    case EXC_CODE.TLBS:
    case EXC_CODE.Mod:
      return handleTlbFault(vcpu, badVAddr, code !== EXC_CODE.TLBL);
    case EXC_CODE.TLBRI:
    case EXC_CODE.TLBXI:
      return handleTlbFault(vcpu, badVAddr, false);
    case EXC_CODE.AdEL:
    case EXC_CODE.AdES:
      return handleAddressError(vcpu, badVAddr, code === EXC_CODE.AdES);
    case EXC_CODE.CpU:
      if (coprocessor === 0) return emulateCop0(vcpu);
      return coprocessor === 1 ? handleFpuUnusable(vcpu) : reflect(vcpu, EXC_CODE.CpU, coprocessor);
    case EXC_CODE.RI:
      return handleReserved(vcpu);
    case EXC_CODE.Sys:
    case EXC_CODE.Bp:
    case EXC_CODE.Tr:
    case EXC_CODE.Ov:
    case EXC_CODE.IBE:
    case EXC_CODE.DBE:
    case EXC_CODE.MSAFPE:
    case EXC_CODE.FPE:
    case EXC_CODE.MSADis:
      return reflect(vcpu, code);
    default:
      return internalError(vcpu, `the host took exception ${excCodeName(code)} in the guest`);
  }
}

/**
 * Handles the exit whose state lies in the vcpu structure. Null if the guest goes on. Never throws for
 * anything that a guest does.
 */
export function handleExit(vcpu: VcpuState): VcpuExit | null {
  const { cause, pc } = vcpu.regs;
  const code = (cause & CAUSE.ExcCode) >>> 2;
  const coprocessor = (cause & CAUSE.CE) >>> CAUSE.CE_SHIFT;
  vcpu.inDelaySlot = (cause & CAUSE.BD) !== 0;
  vcpu.counted = endsInstruction(code);
  vcpu.stats.countExit(code);
  vcpu.lastExits.add(vcpu.machine.timeline.retired, pc, code, vcpu.regs.badVAddr);
  vcpu.tracer.kvm_exit?.(pc, code);
  if (inUserMode(vcpu) && deliverPrivileged(vcpu, code, coprocessor)) return null;
  return dispatch(vcpu, code, coprocessor);
}
