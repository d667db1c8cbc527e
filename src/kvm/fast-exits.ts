import type { Cp0Masks, FastExitOptions } from "./entry/fast-exit-operations.ts";
import { toKseg0, type Hpa } from "./addresses.ts";
import { GUEST_STATUS_WRITABLE, type GuestCpu } from "./guest-cp0.ts";
import { FPU_STATUS } from "./guest-fpu.ts";
import { CP0_REGISTERS, FAST_EXIT_CODES, NOT_READY } from "./layout.ts";
import type { ShadowMmu } from "./shadow-mmu.ts";
import { inUserMode, type VcpuState } from "./vcpu-state.ts";

/**
 * Tells the generated code of fast exits what it may rely on until the next exit: which address spaces are good, for
 * which guest ASID, and how the guest's Count runs. Right before the guest is entered.
 */
export function publishForFastExits(vcpu: VcpuState): void {
  const { regs, mmu, timer, machine } = vcpu;
  regs.userIsLive = inUserMode(vcpu);
  if (!vcpu.fastExits) return;
  regs.setReady(readyAsid(mmu, false), readyAsid(mmu, true));
  regs.setProbe(vcpu.guestTlb.lastEntryHi, vcpu.guestTlb.lastIndex);
  // Under a wall clock Count runs on by itself, and could pass Compare before the timer is looked at.
  const { config, cpu } = machine;
  regs.countBias =
    config.wallClock === undefined ? timer.biasTo(cpu.clock.count(), config.model.ccres) : null;
}

/** The guest ASID that the address space of a mode is good for. */
function readyAsid(mmu: ShadowMmu, user: boolean): number {
  return mmu.host.asids.isCurrent(mmu.mmOf(user)) ? mmu.guestAsidOf(user) : NOT_READY;
}

/**
 * Tells the generated code which CP0 registers it can read and write as plain words; after a VMM may have changed what
 * there is.
 */
export function publishCp0Masks({ regs, guestCpu, cp0 }: VcpuState): void {
  for (let index = 0; index < CP0_REGISTERS; index++) {
    const { read, write } = cp0MasksOf(guestCpu, cp0, index);
    regs.setCp0Masks(index, read, write);
  }
}

/** How simple MFC0 and MTC0 of register `index` are. */
function cp0MasksOf(guestCpu: GuestCpu, cp0: Int32Array, index: number): Cp0Masks {
  const { mask, plain } = guestCpu.write(cp0, index);
  return { read: guestCpu.readMask(index) | 0, write: plain ? mask | 0 : 0 };
}

/**
 * What the code of fast exits has to know of a guest on `guestCpu` whose CP0 registers are the page `cop0Page`. The
 * masks are those of a guest without KScratch registers, which its VMM can give to it later.
 */
export function fastExitOptions(guestCpu: GuestCpu, cop0Page: Hpa, commpage: boolean): FastExitOptions {
  const reset = new Int32Array(CP0_REGISTERS);
  return {
    statusWritable: GUEST_STATUS_WRITABLE,
    statusSpecial: guestCpu.model.fpu === null ? 0 : FPU_STATUS,
    commpage,
    cop0: toKseg0(cop0Page),
    masksOf: (index) => cp0MasksOf(guestCpu, reset, index),
  };
}

/** Adds the fast exits since the last call to the vcpu's statistics. */
export function collectFastExits({ regs, stats }: VcpuState): void {
  for (const code of FAST_EXIT_CODES) stats.countFastExits(code, regs.takeFastExits(code));
}
