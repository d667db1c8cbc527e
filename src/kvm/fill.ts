import { CP0, ENTRY_LO, STATUS } from "../isa/cp0.ts";
import type { Gpa, Gva } from "./addresses.ts";
import { segmentOf, type GvaRange } from "./guest-map.ts";
import { backingPage, translate } from "./translate.ts";
import type { BackingPage } from "./shadow-mmu.ts";
import { guestAsid, inUserMode, type VcpuState } from "./vcpu-state.ts";

/** What became of a page that an access of the guest's did not find. */
export type Fill =
  /** It is mapped now: the access can be made again. */
  | { readonly kind: "filled" }
  /** No memslot has it, or not for stores: the access is one to a device at `gpa`. */
  | { readonly kind: "mmio"; readonly gpa: Gpa }
  /** The guest's TLB has no entry for it, one that is not valid, or one that allows no store. */
  | { readonly kind: "miss" | "invalid" | "modified" }
  /** The guest's current mode may not go there. */
  | { readonly kind: "forbidden" }
  /** No guest can. */
  | { readonly kind: "illegal" };

const FILLED: Fill = { kind: "filled" };

/** What a fault fills at most: the pairs of pages in this many bytes around it, aligned, as far as they are alike. */
const FILL_AROUND = 0x1_0000;

/**
 * Calls `fillPair` for each pair of pages around `gva` that is to be filled: the one of `gva`, and those around it
 * from `first` to `last` that the table has nothing for. They would be an exit each.
 */
function fillAround(
  vcpu: VcpuState,
  gva: Gva,
  user: boolean,
  range: GvaRange,
  fillPair: (pair: Gva) => void,
): void {
  const { mmu, pageSize } = vcpu;
  const wanted = (gva - (gva % (2 * pageSize))) >>> 0;
  fillPair(wanted);
  if (!vcpu.fastExits || mmu.refill === "slow") return;
  const isEmpty = (pair: Gva): boolean =>
    mmu.lookup(pair, user) === 0 && mmu.lookup(pair + pageSize, user) === 0;
  const block = (gva - (gva % FILL_AROUND)) >>> 0;
  const end = Math.min(block + FILL_AROUND - 1, range.last);
  for (let pair = Math.max(block, range.first); pair < end; pair += 2 * pageSize)
    if (pair !== wanted && isEmpty(pair)) fillPair(pair);
}

/** Addresses that are not translated by the guest's TLB: maps the pages around `gva`, as far as memslots back them. */
function fillDirect(vcpu: VcpuState, gva: Gva, gpa: Gpa, store: boolean): Fill {
  const page = backingPage(vcpu, gpa, true);
  if (page === null || (store && !page.writable)) return { kind: "mmio", gpa };
  const segment = segmentOf(vcpu.map, gva);
  // Within a segment what belongs to an address rises with it.
  const half = (at: Gva): BackingPage | null => backingPage(vcpu, gpa + (at - gva), true);
  fillAround(vcpu, gva, false, segment, (pair) =>
    vcpu.mmu.fillPair(pair, false, half(pair), half(pair + vcpu.pageSize)),
  );
  return FILLED;
}

/** A mapped address that guest TLB entry `index` translates to `gpa`. */
function fillMapped(vcpu: VcpuState, gva: Gva, index: number, gpa: Gpa, store: boolean): Fill {
  const page = backingPage(vcpu, gpa, true);
  if (page === null || (store && !page.writable)) return { kind: "mmio", gpa };
  fillEntry(vcpu, gva, inUserMode(vcpu), index);
  return FILLED;
}

/**
 * Maps what guest TLB entry `index` says of the pages around `gva`. A guest page is never smaller than a host page,
 * so that one entry covers a pair.
 */
function fillEntry(vcpu: VcpuState, gva: Gva, user: boolean, index: number): void {
  const { guestTlb } = vcpu;
  const half = (at: Gva): BackingPage | null => {
    const lo = guestTlb.entryLo(index, at);
    if ((lo & ENTRY_LO.V) === 0) return null;
    return backingPage(vcpu, guestTlb.gpa(index, at), (lo & ENTRY_LO.D) !== 0);
  };
  const segment = segmentOf(vcpu.map, gva);
  const base = guestTlb.base(index);
  const last = base + 2 * guestTlb.pageSize(index) - 1;
  const range = { first: Math.max(base, segment.first), last: Math.min(last, segment.last) };
  fillAround(vcpu, gva, user, range, (pair) =>
    vcpu.mmu.fillPair(pair, user, half(pair), half(pair + vcpu.pageSize)),
  );
}

/**
 * The guest's TLB exception handler has written a guest TLB entry. If that maps the address of the exception now,
 * the pair goes into the table of the mode that the handler returns to: the repeated access would exit for it.
 */
export function fillAfterTlbWrite(vcpu: VcpuState): void {
  const { cp0, mmu } = vcpu;
  const status = cp0[CP0.Status]!;
  const user = (status & STATUS.KSU) === STATUS.UM;
  if (!vcpu.fastExits || mmu.refill === "slow" || (status & STATUS.EXL) === 0) return;
  if (mmu.guestAsidOf(user) !== guestAsid(vcpu)) return;
  const gva = cp0[CP0.BadVAddr]! >>> 0;
  const found = translate(vcpu, gva, user);
  if (found.kind === "mapped" && found.valid && backingPage(vcpu, found.gpa, true) !== null)
    fillEntry(vcpu, gva, user, found.index);
}

/**
 * Makes known to the host what the guest has mapped at `gva`, for an access in its current mode that raised a host
 * TLB exception; or says why the guest has nothing there that the access could reach. The guest notices nothing.
 */
export function fill(vcpu: VcpuState, gva: Gva, store: boolean): Fill {
  const found = translate(vcpu, gva, inUserMode(vcpu));
  switch (found.kind) {
    case "commpage":
      vcpu.mmu.fillCommpage(found.gva);
      return FILLED;
    case "direct":
      return fillDirect(vcpu, gva, found.gpa, store);
    case "mapped":
      if (!found.valid) return { kind: "invalid" };
      if (store && !found.dirty) return { kind: "modified" };
      return fillMapped(vcpu, gva, found.index, found.gpa, store);
    default:
      return found;
  }
}
