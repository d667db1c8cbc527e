import { CONFIG, CP0, HWRENA, STATUS } from "../../isa/cp0.ts";
import { legalPageMask } from "../../machine/tlb.ts";
import { GUEST_STATUS_WRITABLE } from "../guest-cp0.ts";
import { FPU_STATUS } from "../guest-fpu.ts";
import { HWR_OP } from "../trace.ts";
import type { VcpuState } from "../vcpu-state.ts";
import { random, writeEntryHi } from "./tlb-ops.ts";

/** The value that the guest's MFC0 of register `index` reads. */
export function readGuestCp0(vcpu: VcpuState, index: number): number {
  switch (index) {
    case CP0.Count:
      return vcpu.timer.count() | 0;
    case CP0.Random:
      return random(vcpu);
    default:
      return vcpu.cp0[index]! & vcpu.guestCpu.readMask(index);
  }
}

/** MFC0, with its tracepoint. */
export function mfc0(vcpu: VcpuState, index: number): number {
  const value = readGuestCp0(vcpu, index);
  vcpu.tracer.kvm_hwr?.(value, index, HWR_OP.MFC0);
  return value;
}

/** Hardware registers that HWREna cannot give to user mode because the VMM has taken them away. */
function hwrenaAbsent(vcpu: VcpuState): number {
  return (vcpu.cp0[CP0.Config3]! & CONFIG.C3_ULRI) === 0 ? HWRENA.ULR : 0;
}

/** MTC0: writes guest register `index`, with the effects of the write. */
export function mtc0(vcpu: VcpuState, index: number, value: number): void {
  vcpu.tracer.kvm_hwr?.(value, index, HWR_OP.MTC0);
  const { cp0, map } = vcpu;
  const merge = (mask: number): number => (cp0[index]! & ~mask) | (value & mask);
  const { mask } = vcpu.guestCpu.write(cp0, index);
  switch (index) {
    case CP0.PageMask:
      cp0[index] = legalPageMask(value);
      return;
    case CP0.HWREna:
      cp0[index] = value & mask & ~hwrenaAbsent(vcpu);
      return;
    case CP0.Wired:
      cp0[index] = merge(mask);
      vcpu.randomStart = vcpu.machine.timeline.retired;
      return;
    case CP0.Count:
      vcpu.timer.setCount(value);
      return;
    case CP0.Compare:
      vcpu.timer.setCompare(value);
      return;
    case CP0.EntryHi:
      writeEntryHi(vcpu, value);
      return;
    case CP0.Status:
      cp0[index] = merge(GUEST_STATUS_WRITABLE | (vcpu.fpu?.announced === true ? FPU_STATUS : 0));
      return;
    case CP0.Cause:
      cp0[index] = merge(mask);
      vcpu.timer.causeWritten(cp0[index]);
      return;
    case CP0.EBase:
      cp0[index] = merge(map.ebaseWritable);
      return;
    default:
      cp0[index] = merge(mask);
  }
}

/** DI and EI: returns Status as it was. */
export function changeInterruptEnable(vcpu: VcpuState, enable: boolean): number {
  const old = vcpu.cp0[CP0.Status]!;
  vcpu.cp0[CP0.Status] = enable ? old | STATUS.IE : old & ~STATUS.IE;
  return old;
}

/** ERET: leaves the error or exception level and returns where the guest goes on. */
export function eret(vcpu: VcpuState): number {
  const { cp0 } = vcpu;
  const status = cp0[CP0.Status]!;
  vcpu.machine.cpu.clearLlBit();
  if ((status & STATUS.ERL) !== 0) {
    cp0[CP0.Status] = status & ~STATUS.ERL;
    return cp0[CP0.ErrorEPC]! >>> 0;
  }
  cp0[CP0.Status] = status & ~STATUS.EXL;
  return cp0[CP0.EPC]! >>> 0;
}
