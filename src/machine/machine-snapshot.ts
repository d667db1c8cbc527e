import { integer, list, record, words, type Field } from "../state/fields.ts";
import { COUNT_SNAPSHOT, type CountSnapshot } from "./count-compare.ts";
import { CPU_SNAPSHOT, type CpuSnapshot } from "./cpu-snapshot.ts";
import { tlbSizeOf } from "./cpu-models.ts";
import type { MachineConfig } from "./machine.ts";
import { TIMELINE_SNAPSHOT, type TimelineSnapshot } from "./machine-timeline.ts";
import { TLB_ENTRY } from "./state-layout.ts";

/** A machine that stands still, without RAM and devices, as plain data. */
export interface MachineSnapshot {
  /** Number of the CPU that executes. */
  readonly executing: number;
  readonly cpus: readonly CpuAndUnits[];
  readonly timeline: TimelineSnapshot;
}

interface CpuAndUnits {
  readonly cpu: CpuSnapshot;
  readonly tlb: Int32Array;
  readonly count: CountSnapshot;
}

/** How the state of a machine of this kind is kept. */
export function machineSnapshot({
  model,
  cpus = 1,
}: Pick<MachineConfig, "model" | "cpus">): Field<MachineSnapshot> {
  const tlb = words(tlbSizeOf(model) * TLB_ENTRY.words);
  return record<MachineSnapshot>({
    executing: integer(0, cpus - 1),
    cpus: list(record<CpuAndUnits>({ cpu: CPU_SNAPSHOT, tlb, count: COUNT_SNAPSHOT }), cpus),
    timeline: TIMELINE_SNAPSHOT,
  });
}
