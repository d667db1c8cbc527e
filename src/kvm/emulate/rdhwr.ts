import { CONFIG, CP0, EBASE, HWR, STATUS } from "../../isa/cp0.ts";
import { HWR_OP, HWR_REGISTER } from "../trace.ts";
import { inUserMode, type VcpuState } from "../vcpu-state.ts";

/** Value of hardware register `number`, or null if the guest has none of that number. */
function hardwareRegister(vcpu: VcpuState, number: number): number | null {
  const { cp0, machine } = vcpu;
  switch (number) {
    case HWR.CPUNum:
      return cp0[CP0.EBase]! & EBASE.CPUNUM;
    case HWR.SYNCI_Step:
      return machine.config.model.cacheLine;
    case HWR.CC:
      return vcpu.timer.count() | 0;
    case HWR.CCRes:
      return machine.config.model.ccres;
    case HWR.UserLocal:
      return (cp0[CP0.Config3]! & CONFIG.C3_ULRI) !== 0 ? cp0[CP0.UserLocal]! : null;
    default:
      return null;
  }
}

/**
 * RDHWR of hardware register `number`. Null if it is reserved: it does not exist, or the guest is in user mode without
 * coprocessor 0 and has not enabled it in HWREna.
 */
export function rdhwr(vcpu: VcpuState, number: number): number | null {
  const { cp0 } = vcpu;
  const privileged = !inUserMode(vcpu) || (cp0[CP0.Status]! & STATUS.CU0) !== 0;
  const enabled = privileged || ((cp0[CP0.HWREna]! >>> number) & 1) !== 0;
  const value = enabled ? hardwareRegister(vcpu, number) : null;
  if (value !== null) vcpu.tracer.kvm_hwr?.(value, HWR_REGISTER | (number << 3), HWR_OP.RDHWR);
  return value;
}
