import { CP0 } from "../isa/cp0.ts";
import { CP0_REGISTERS, FAST_EXIT_CODES, NOT_READY } from "./layout.ts";
import { exitCause } from "./stats.ts";
import { inUserMode, type VcpuState } from "./vcpu-state.ts";

/**
 * Tells the generated code of fast exits what it may rely on until the next exit: which address spaces are good, for
 * which guest ASID, and how the guest's Count runs. Right before the guest is entered.
 */
export function publishForFastExits(vcpu: VcpuState): void {
  const { regs, mmu, timer, machine } = vcpu;
  const ready = (user: boolean): number =>
    mmu.host.asids.isCurrent(mmu.mmOf(user)) ? mmu.guestAsidOf(user) : NOT_READY;
  regs.setReady(ready(false), ready(true));
  regs.userIsLive = inUserMode(vcpu);
  regs.setProbe(vcpu.guestTlb.lastEntryHi, vcpu.guestTlb.lastIndex);
  // Under a wall clock Count runs on by itself, and could pass Compare before the timer is looked at.
  const virtual = machine.config.wallClock === undefined;
  regs.countBias = virtual ? timer.biasTo(machine.ops.readCp0(CP0.Count), machine.config.model.ccres) : null;
}

/**
 * Tells the generated code which CP0 registers it can read and write as plain words; after a VMM may have changed what
 * there is.
 */
export function publishCp0Masks({ regs, guestCpu, cp0 }: VcpuState): void {
  for (let index = 0; index < CP0_REGISTERS; index++) {
    const { mask, plain } = guestCpu.write(cp0, index);
    regs.setCp0Masks(index, guestCpu.readMask(index), plain ? mask : 0);
  }
}

/** Adds the fast exits since the last call to the vcpu's statistics. */
export function collectFastExits(vcpu: VcpuState): void {
  const { fastExits } = vcpu.stats;
  for (const code of FAST_EXIT_CODES) {
    const count = vcpu.regs.takeFastExits(code);
    if (count === 0) continue;
    const cause = exitCause(code);
    fastExits[cause] = (fastExits[cause] ?? 0) + count;
  }
}
