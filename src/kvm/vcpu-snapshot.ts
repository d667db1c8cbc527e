import { counter, flag, orNull, record, type Field } from "../state/fields.ts";
import { PENDING_ACCESS, type PendingAccess } from "./emulate/mmio.ts";
import { guestTlbSnapshot, type GuestTlbSnapshot } from "./guest-tlb.ts";
import { INTERRUPTS_SNAPSHOT, type InterruptsSnapshot } from "./interrupts.ts";
import { LAST_EXITS_SNAPSHOT, type LastExitsSnapshot } from "./last-exits.ts";
import { loopSnapshot, type LoopSnapshot } from "./run-loop.ts";
import { mmuSnapshot, type MmuSnapshot } from "./shadow-mmu.ts";
import { STATS_SNAPSHOT, type StatsSnapshot } from "./stats.ts";
import { TIMER_SNAPSHOT, type TimerSnapshot } from "./timer.ts";
import type { VcpuOptions } from "./vcpu.ts";

/** A vcpu as plain data, without what lies in host memory: the vcpu structure, CP0 registers and page tables. */
export interface VcpuSnapshot {
  readonly inDelaySlot: boolean;
  readonly counted: boolean;
  readonly randomStart: number;
  readonly pendingAccess: PendingAccess | null;
  readonly waiting: boolean;
  readonly loop: LoopSnapshot;
  readonly guestTlb: GuestTlbSnapshot;
  readonly fpuIsLive: boolean;
  readonly mmu: MmuSnapshot;
  readonly timer: TimerSnapshot;
  readonly interrupts: InterruptsSnapshot;
  readonly stats: StatsSnapshot;
  readonly lastExits: LastExitsSnapshot;
}

/** How that of a vcpu with these options, on a host with `cpus` CPUs, is kept. */
export const vcpuSnapshot = ({ guestTlb, gvaRoots }: VcpuOptions, cpus: number): Field<VcpuSnapshot> =>
  record<VcpuSnapshot>({
    ...{ inDelaySlot: flag, counted: flag, randomStart: counter },
    pendingAccess: orNull(PENDING_ACCESS),
    waiting: flag,
    loop: loopSnapshot(cpus),
    guestTlb: guestTlbSnapshot(guestTlb),
    fpuIsLive: flag,
    mmu: mmuSnapshot(gvaRoots, cpus),
    timer: TIMER_SNAPSHOT,
    interrupts: INTERRUPTS_SNAPSHOT,
    stats: STATS_SNAPSHOT,
    lastExits: LAST_EXITS_SNAPSHOT,
  });
