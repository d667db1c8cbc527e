/** What can be seen of the machine itself, whoever runs on it. */
import type { BusRegion } from "../machine/bus.ts";
import type { Cpu } from "../machine/cpu.ts";
import type { Machine } from "../machine/machine.ts";
import { MODE, type Mode } from "../machine/modes.ts";
import { cp0Views } from "./cp0-view.ts";
import { hostEntry, hostRoute } from "./host-access.ts";
import type { Cp0View, PhysicalRegionView, TlbEntryView } from "./views.ts";

/** CP0 registers of the machine's CPU. */
export function hostCp0Views(machine: Machine): Cp0View[] {
  return cp0Views(machine.cpu.cp0Specs.keys(), (index) => machine.ops.readCp0(index));
}

/**
 * The entries of a CPU's TLB that can match an access. Kernels give those that are to match nothing addresses that no
 * TLB translates.
 */
export function usedEntries(cpu: Cpu): TlbEntryView[] {
  const entries: TlbEntryView[] = [];
  for (let index = 0; index < cpu.tlb.entries; index++) {
    if (!cpu.tlb.isUsed(index)) continue;
    const entry = hostEntry(cpu, index);
    const isMapped = (mode: Mode): boolean => hostRoute(cpu, entry.vpn2, mode) === "mapped";
    if (Object.values(MODE).some(isMapped)) entries.push(entry);
  }
  return entries;
}

/** Devices as regions of physical memory. */
export function deviceViews(regions: readonly BusRegion[]): PhysicalRegionView[] {
  return regions.map(({ name, base, size }) => ({
    kind: "device",
    name,
    first: base,
    size,
    host: null,
    readonly: false,
  }));
}
