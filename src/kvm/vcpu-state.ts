import { CP0, EBASE, ENTRY_HI, STATUS } from "../isa/cp0.ts";
import type { Machine } from "../machine/machine.ts";
import type { Gva } from "./addresses.ts";
import { isGuestUser } from "./guest-mode.ts";
import type { GuestCpu } from "./guest-cp0.ts";
import type { GuestFpu } from "./guest-fpu.ts";
import type { GuestMap } from "./guest-map.ts";
import type { GuestTlb } from "./guest-tlb.ts";
import type { GuestInterrupts } from "./interrupts.ts";
import type { VcpuMemory } from "./layout.ts";
import type { Memslots } from "./memslots.ts";
import type { ShadowMmu } from "./shadow-mmu.ts";
import type { LastExits } from "./last-exits.ts";
import type { VcpuStats } from "./stats.ts";
import type { CountTimer } from "./timer.ts";
import type { Tracer } from "./trace.ts";
import type { PendingAccess } from "./emulate/mmio.ts";

/** What a vcpu consists of: the modules that handle exits work on this. */
export interface VcpuState {
  readonly id: number;
  readonly machine: Machine;
  readonly map: GuestMap;
  readonly slots: Memslots;
  /** Bytes of a host page. */
  readonly pageSize: number;
  /** Where the commpage lies in the guest kernel's address space; null without dynamic translation. */
  readonly commpage: Gva | null;
  /** Registers as they are in host memory, complete after an exit. */
  readonly regs: VcpuMemory;
  /** The guest's virtual CP0 registers (`regs.cp0`). */
  readonly cp0: Int32Array;
  /** What the guest is told it runs on. */
  readonly guestCpu: GuestCpu;
  readonly guestTlb: GuestTlb;
  /** The guest's FPU, null if it cannot have one. */
  readonly fpu: GuestFpu | null;
  readonly mmu: ShadowMmu;
  readonly timer: CountTimer;
  readonly interrupts: GuestInterrupts;
  readonly stats: VcpuStats;
  readonly lastExits: LastExits;
  readonly tracer: Tracer;
  /** What saves exits is done: see `VcpuOptions`. */
  readonly fastExits: boolean;
  /** `regs.pc` is a branch and the exception was raised in its delay slot (the exit's Cause.BD). */
  inDelaySlot: boolean;
  /** The CPU counted the instruction of this exit, and the branch before it, when it raised ({@link endsInstruction}). */
  counted: boolean;
  /** Instructions that the guest had retired when it wrote Wired last, which sets Random to the last entry. */
  randomStart: number;
  /** An MMIO access that the VMM is carrying out, or whose rest it has yet to see. */
  pendingAccess: PendingAccess | null;
  /** WAIT was executed and nothing has ended it. */
  waiting: boolean;
}

/** True if the guest is in user mode. */
export function inUserMode(vcpu: VcpuState): boolean {
  return isGuestUser(vcpu.cp0[CP0.Status]!);
}

/** The guest's current ASID. */
export function guestAsid(vcpu: VcpuState): number {
  return vcpu.cp0[CP0.EntryHi]! & ENTRY_HI.ASID;
}

/** Address of the instruction that caused the exit: behind the branch if it is in a delay slot. */
export function faultingPc(vcpu: VcpuState): Gva {
  return (vcpu.regs.pc + (vcpu.inDelaySlot ? 4 : 0)) >>> 0;
}

/** The instruction of this exit is finished: it counts as retired, and the guest goes on at `pc`. */
export function finishInstruction(vcpu: VcpuState, pc: Gva): void {
  retireInstruction(vcpu);
  continueAt(vcpu, pc);
}

/**
 * The guest goes on at `pc`, outside any delay slot.
 */
export function continueAt(vcpu: VcpuState, pc: Gva): void {
  vcpu.regs.pc = pc;
  vcpu.inDelaySlot = false;
}

/** The instruction of this exit is executed once more, and so is the branch before it: they have not counted yet. */
export function executeAgain(vcpu: VcpuState): void {
  if (vcpu.counted) vcpu.machine.timeline.retire(vcpu.inDelaySlot ? -2 : -1);
}

/**
 * Counts the guest instruction that the hypervisor carried out, and with it the branch before it that the CPU
 * takes as not retired, because its delay slot raised; unless the CPU has counted them. So they take the time that
 * they would have taken alone.
 */
export function retireInstruction(vcpu: VcpuState): void {
  if (!vcpu.counted) vcpu.machine.timeline.retire(vcpu.inDelaySlot ? 2 : 1);
}

/** Base of the guest's exception vectors. */
export function vectorBase(vcpu: VcpuState): Gva {
  if ((vcpu.cp0[CP0.Status]! & STATUS.BEV) !== 0) return vcpu.map.bevBase;
  return (vcpu.cp0[CP0.EBase]! & EBASE.BASE) >>> 0;
}
