import type { Gpa, Gva } from "./addresses.ts";
import { backingPage, translate } from "./translate.ts";
import type { BackingPage } from "./shadow-mmu.ts";
import { inUserMode, type VcpuState } from "./vcpu-state.ts";

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

/** Guest KSeg0: maps the pair of pages around `gva`, as far as memslots back it. */
function fillDirect(vcpu: VcpuState, gva: Gva, gpa: Gpa, store: boolean): Fill {
  const page = backingPage(vcpu, gpa, true);
  if (page === null || (store && !page.writable)) return { kind: "mmio", gpa };
  const even = gpa - (gpa % (2 * vcpu.pageSize));
  vcpu.mmu.fillPair(
    gva,
    inUserMode(vcpu),
    backingPage(vcpu, even, true),
    backingPage(vcpu, even + vcpu.pageSize, true),
  );
  return FILLED;
}

/**
 * A mapped address that the guest TLB translates: maps the pair of host pages around it. A guest page is never
 * smaller than a host page, so that one entry covers the pair.
 */
function fillMapped(vcpu: VcpuState, gva: Gva, gpa: Gpa, store: boolean): Fill {
  const page = backingPage(vcpu, gpa, true);
  if (page === null || (store && !page.writable)) return { kind: "mmio", gpa };
  const user = inUserMode(vcpu);
  const even = (gva & ~(2 * vcpu.pageSize - 1)) >>> 0;
  const half = (at: Gva): BackingPage | null => {
    const found = translate(vcpu, at, user);
    return found.kind === "mapped" && found.valid ? backingPage(vcpu, found.gpa, found.dirty) : null;
  };
  vcpu.mmu.fillPair(gva, user, half(even), half(even + vcpu.pageSize));
  return FILLED;
}

/**
 * Makes known to the host what the guest has mapped at `gva`, for an access in its current mode that raised a host
 * TLB exception; or says why the guest has nothing there that the access could reach. The guest notices nothing.
 */
export function fill(vcpu: VcpuState, gva: Gva, store: boolean): Fill {
  const found = translate(vcpu, gva, inUserMode(vcpu));
  switch (found.kind) {
    case "commpage":
      vcpu.mmu.fillCommpage();
      return FILLED;
    case "direct":
      return fillDirect(vcpu, gva, found.gpa, store);
    case "mapped":
      if (!found.valid) return { kind: "invalid" };
      if (store && !found.dirty) return { kind: "modified" };
      return fillMapped(vcpu, gva, found.gpa, store);
    default:
      return found;
  }
}
