/** What the machine's CPU would do with an access, without doing it. */
import { CP0, PAGE_GRAIN } from "../isa/cp0.ts";
import { EXC_CODE, type ExcCode } from "../isa/exceptions.ts";
import type { Cpu } from "../machine/cpu.ts";
import type { Machine } from "../machine/machine.ts";
import type { Mode } from "../machine/modes.ts";
import { MAPPED, NO_ACCESS } from "../machine/segments.ts";
import type { TlbEntry } from "../machine/tlb.ts";
import type { AccessKind } from "./explanation.ts";
import { halfFor, tlbEntryView } from "./tlb-view.ts";
import type { TlbEntryView, TlbHalfView } from "./views.ts";

/** Where an address leads before anything is looked up in the TLB: a physical address, or one of these. */
export function hostRoute(cpu: Cpu, va: number, mode: Mode): number | "mapped" | "error" {
  const where = cpu.segments.resolve(va, mode);
  if (where === MAPPED) return "mapped";
  return where === NO_ACCESS ? "error" : where;
}

/** Entry `index` of the machine's TLB. */
export function hostEntry(cpu: Cpu, index: number): TlbEntryView {
  const [high0, high1] = hasLargeAddresses(cpu) ? cpu.tlb.readHigh(index) : [0, 0];
  return tlbEntryView(index, { ...cpu.tlb.read(index), high0, high1 });
}

function hasLargeAddresses(cpu: Cpu): boolean {
  return cpu.model.xpa && (cpu.cp0[CP0.PageGrain]! & PAGE_GRAIN.ELPA) !== 0;
}

/** The entry of the machine's TLB that matches `va` in `asid`; null if none does, or the ASID is no current one. */
export function matchingEntry(cpu: Cpu, va: number, asid: number | null): TlbEntryView | null {
  const index = asid === null ? -1 : cpu.tlb.probe(va, asid);
  return index < 0 ? null : hostEntry(cpu, index);
}

/** The entry that the hardware page walker would write for `va` now; null if it would not, or there is none. */
export function walkedEntry(machine: Machine, va: number): TlbEntryView | null {
  const entry: TlbEntry | null = machine.pageWalker?.find(va) ?? null;
  const index = entry === null ? -1 : machine.ops.placeToFill(entry);
  return entry === null || index < 0 ? null : tlbEntryView(index, entry);
}

/** The exception that an access to a page raises which the TLB has; null if the access goes through. */
export function deniedBy(cpu: Cpu, half: TlbHalfView, access: AccessKind): ExcCode | null {
  if (!half.valid) return access === "store" ? EXC_CODE.TLBS : EXC_CODE.TLBL;
  if (cpu.model.rixi) {
    const grain = cpu.cp0[CP0.PageGrain]!;
    const separate = (grain & PAGE_GRAIN.IEC) !== 0;
    if (access === "fetch" && half.executeInhibit && (grain & PAGE_GRAIN.XIE) !== 0)
      return separate ? EXC_CODE.TLBXI : EXC_CODE.TLBL;
    if (access === "load" && half.readInhibit && (grain & PAGE_GRAIN.RIE) !== 0)
      return separate ? EXC_CODE.TLBRI : EXC_CODE.TLBL;
  }
  return access === "store" && !half.dirty ? EXC_CODE.Mod : null;
}

/** Physical address of `va` by an entry that matches it. */
export function physicalBy(entry: TlbEntryView, va: number): number {
  return halfFor(entry, va).physical + (va & (entry.pageSize - 1));
}

/** The most bytes, up to a word, that are aligned at `va`. */
export function alignedSize(va: number): 1 | 2 | 4 {
  if ((va & 3) === 0) return 4;
  return (va & 1) === 0 ? 2 : 1;
}

/** True if an access at `va` raises an address error whatever is there. */
export function isMisaligned(va: number, access: AccessKind): boolean {
  return access === "fetch" && (va & 3) !== 0;
}
