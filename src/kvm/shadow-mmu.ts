import { flag, list, record, u32, type Field } from "../state/fields.ts";
import type { Gva, Hpa } from "./addresses.ts";
import { KMF, segmentOf } from "./guest-map.ts";
import { GvaRootSet, rootSetSnapshot, type GvaRoot, type RootSetSnapshot } from "./gva-roots.ts";
import { CACHE_PAGES, type GvaTables, type PageCache } from "./gva-table.ts";
import type { HostKernel } from "./host-kernel.ts";
import { OutOfHostMemoryError } from "./host-pages.ts";
import type { HostMm } from "./host-mm.ts";
import type { VcpuMemory } from "./layout.ts";
import type { VcpuStats } from "./stats.ts";
import type { Tracer } from "./trace.ts";

/** A host page that a guest page is backed by. */
export interface BackingPage {
  /** Page aligned. */
  readonly hpa: Hpa;
  /** The guest may store to it without an exit. */
  readonly writable: boolean;
}

/** Who serves host TLB misses of the guest. */
export type RefillMode =
  /** Generated code, from the GVA tables. */
  | "fast"
  /** The hypervisor, by an exit each: as it was before there were GVA tables. */
  | "slow";

/** How the shadow MMU of a vcpu works. */
export interface ShadowMmuOptions {
  readonly refill: RefillMode;
  /** Guest ASIDs whose tables are kept, for each guest mode: 1 is the original system's scheme. */
  readonly gvaRoots: number;
  readonly tracer: Tracer;
}

/** What a shadow MMU has besides its tables, which are in memory. */
export interface MmuSnapshot {
  readonly usegIsPhysical: boolean;
  readonly kernel: RootSetSnapshot;
  readonly user: RootSetSnapshot;
  /** Pages set aside for tables. */
  readonly cache: readonly Hpa[];
}

/** How that of one with up to `gvaRoots` roots a mode, on a host with `cpus` CPUs, is kept. */
export function mmuSnapshot(gvaRoots: number, cpus: number): Field<MmuSnapshot> {
  const roots = rootSetSnapshot(gvaRoots, cpus);
  return record<MmuSnapshot>({
    usegIsPhysical: flag,
    kernel: roots,
    user: roots,
    cache: list(u32, 0, CACHE_PAGES),
  });
}

/** More host page pairs than this are dropped by taking new ASIDs, not one by one. */
const MAX_SINGLE_INVALIDATIONS = 16;

/**
 * What is derived from guest TLB and memslots: the GVA tables and the guest's entries in the host TLB. This is
 * the only file that changes either for a guest, so that no stale copy survives:
 *
 * - after a PTE has changed, the host TLB entry of its pair is dropped in each host ASID that the PTE is of: one,
 *   or with a shared table those of all roots of the mode. Other host CPUs lose their ASIDs instead: what their TLBs
 *   have is out of reach, and a vcpu that comes to one draws a new ASID there;
 * - when a guest TLB entry goes, so does everything derived from it, in the roots of its guest ASID, or in all if it
 *   was global;
 * - a changed guest ASID takes another root: the kernel's at once, and the user's too if it is there, else before it is
 *   used. A root that is taken from another guest ASID is emptied first.
 *
 * With `refill: "slow"` the tables stay empty and pairs go straight into the host TLB.
 */
export class ShadowMmu {
  readonly refill: RefillMode;
  readonly host: HostKernel;
  readonly tables: GvaTables;
  private readonly regs: VcpuMemory;
  private readonly stats: VcpuStats;
  private readonly tracer: Tracer;
  private readonly cache: PageCache;
  /** Where the guest kernel has its commpage; null if it has none. */
  private readonly commpage: Gva | null;
  private readonly pageSize: number;
  /**
   * The guest's Status.ERL is 1: its kernel finds physical memory at the addresses of user mode (PRA, "kuseg when
   * Status.ERL = 1").
   */
  usegIsPhysical = false;
  private readonly kernelRoots: GvaRootSet;
  private readonly userRoots: GvaRootSet;

  /** Allocates a root for each mode. Throws OutOfHostMemoryError, then without keeping any. */
  constructor(
    host: HostKernel,
    tables: GvaTables,
    regs: VcpuMemory,
    commpage: Gva | null,
    stats: VcpuStats,
    options: ShadowMmuOptions,
  ) {
    this.host = host;
    this.tables = tables;
    this.regs = regs;
    this.commpage = commpage;
    this.stats = stats;
    this.refill = options.refill;
    this.tracer = options.tracer;
    this.pageSize = tables.geometry.pageSize;
    this.cache = tables.newCache();
    this.kernelRoots = new GvaRootSet(regs.kernelMm, tables, options.gvaRoots, KMF.KERN);
    try {
      this.userRoots = new GvaRootSet(regs.userMm, tables, options.gvaRoots, KMF.USER);
    } catch (error) {
      this.kernelRoots.destroy();
      throw error;
    }
  }

  /** Gives all host memory back. */
  destroy(): void {
    this.kernelRoots.destroy();
    this.userRoots.destroy();
    this.cache.release();
  }

  snapshot(): MmuSnapshot {
    return {
      usegIsPhysical: this.usegIsPhysical,
      kernel: this.kernelRoots.snapshot(),
      user: this.userRoots.snapshot(),
      cache: this.cache.snapshot(),
    };
  }

  /** Takes over a snapshot, after {@link destroy} and when memory holds its tables. Throws SnapshotError. */
  restore({ usegIsPhysical, kernel, user, cache }: MmuSnapshot): void {
    this.usegIsPhysical = usegIsPhysical;
    this.kernelRoots.restore(kernel);
    this.userRoots.restore(user);
    this.cache.restore(cache);
  }

  private rootsOf(user: boolean): GvaRootSet {
    return user ? this.userRoots : this.kernelRoots;
  }

  /** Address of the even page of the pair around `gva`. */
  private pairBase(gva: Gva): Gva {
    return (gva & ~(2 * this.pageSize - 1)) >>> 0;
  }

  // --- filling ---

  /**
   * Maps the pair of pages around `gva` in one mode. `null` leaves a page unmapped; in the guest kernel's pair
   * of the commpage that page is kept whatever the guest's TLB says.
   */
  fillPair(gva: Gva, user: boolean, even: BackingPage | null, odd: BackingPage | null): void {
    const base = this.pairBase(gva);
    if (user) this.prepareUser();
    else if (this.commpage !== null && this.pairBase(this.commpage) === base) {
      const page = this.commpageBacking;
      if (this.commpage === base) even = page;
      else odd = page;
    }
    if (this.refill === "slow") this.writeHostTlb(base, user, even, odd);
    else this.writePtes(base, user, even, odd);
  }

  /**
   * User mode is about to be given a mapping. The guest's kernel can have made itself user mode, by a store to its
   * Status on the commpage: then no entry has seen to it that user mode's root and ASID are the guest's.
   */
  private prepareUser(): void {
    this.beforeEntry(true, this.kernelRoots.current.guestAsid);
    // The new ASID may have made those before it stale, that of the kernel included, which is live then.
    this.stayLive(this.kernelRoots, this.kernelRoots.current.pgd);
  }

  /** The page behind the commpage. */
  get commpageBacking(): BackingPage {
    return { hpa: this.regs.cp0Page, writable: true };
  }

  /** Maps the commpage at `gva`, and leaves the other page of its pair as it is. */
  fillCommpage(gva: Gva): void {
    const page = this.commpageBacking;
    if (this.refill === "slow") {
      const [even, odd] = (gva & this.pageSize) === 0 ? [page, null] : [null, page];
      this.writeHostTlb(this.pairBase(gva), false, even, odd);
      return;
    }
    this.ensurePages();
    this.setPte(this.pteOf(this.kernelRoots, gva), page);
    this.tracer.kseg_fill?.(gva, false, 1);
    this.invalidateHostTlb(gva, this.kernelRoots.current);
  }

  /**
   * Has pages ready for the tables of a walk. If the host has none left, the guest's own tables give theirs
   * back: they only hold what can be derived again.
   */
  private ensurePages(): void {
    try {
      this.cache.topUp();
    } catch (error) {
      if (!(error instanceof OutOfHostMemoryError)) throw error;
      if (this.cache.count > 0) return;
      this.flushAll();
      this.cache.topUp();
    }
  }

  private writePtes(base: Gva, user: boolean, even: BackingPage | null, odd: BackingPage | null): void {
    this.ensurePages();
    const set = this.rootsOf(user);
    const pte = this.pteOf(set, base);
    this.setPte(pte, even);
    this.setPte(pte + (1 << this.tables.geometry.pteShift), odd);
    this.tracer.kseg_fill?.(base, user, Number(even !== null) + Number(odd !== null));
    if (!this.tables.isShared(base)) this.invalidateHostTlb(base, set.current);
    else for (const root of set.all()) this.invalidateHostTlb(base, root);
  }

  /** The PTE of `gva` in a mode's current root, with the tables that lead there. */
  private pteOf(set: GvaRootSet, gva: Gva): Hpa {
    const sharers = this.tables.isShared(gva) ? set.all().map(({ pgd }) => pgd) : null;
    return this.tables.walk(set.current.pgd, this.cache, gva, sharers);
  }

  private setPte(pte: Hpa, page: BackingPage | null): void {
    if (page === null) {
      this.tables.writePte(pte, 0);
      return;
    }
    this.tables.writePte(pte, this.pteFor(page));
    this.stats.gvaPtesFilled++;
  }

  /** The PTE by which a page is mapped. */
  pteFor(page: BackingPage): number {
    return this.tables.format.make(page.hpa, { write: page.writable, young: true, dirty: true });
  }

  private writeHostTlb(base: Gva, user: boolean, even: BackingPage | null, odd: BackingPage | null): void {
    const asid = this.host.asids.asid(this.rootsOf(user).current);
    this.host.tlb.write(base, asid, this.entryLo(even), this.entryLo(odd));
    this.stats.slowRefills++;
    this.tracer.kseg_slow_refill?.(base, user);
  }

  private entryLo(page: BackingPage | null): number {
    return page === null ? 0 : this.tables.format.toEntryLo(this.pteFor(page));
  }

  // --- dropping ---

  private invalidateHostTlb(gva: Gva, root: GvaRoot): void {
    const { asids, tlb } = this.host;
    root.dropContextsBesides(tlb.cpu);
    if (asids.isCurrent(root)) tlb.invalidate(gva, asids.asid(root));
  }

  /**
   * A guest TLB entry that mapped `bytes` bytes from `base` in `guestAsid` (null: in all, it was global) is about to
   * go: drops everything derived from it.
   */
  dropRange(base: Gva, bytes: number, guestAsid: number | null): void {
    const { map } = this.tables;
    // Elsewhere the guest TLB translates nothing; what is there may be shared, or the host's.
    if (segmentOf(map, base).kind !== "mapped") return;
    this.dropFromRoots(this.kernelRoots, guestAsid, base, base + bytes - 1);
    if (base < map.userLimit) this.dropFromRoots(this.userRoots, guestAsid, base, base + bytes - 1);
  }

  private dropFromRoots(set: GvaRootSet, guestAsid: number | null, first: Gva, last: Gva): void {
    for (const root of set.holding(guestAsid)) this.dropFromRoot(set, root, first, last);
  }

  private dropFromRoot(set: GvaRootSet, root: GvaRoot, first: Gva, last: Gva): void {
    if (this.refill === "fast") {
      const ptes = this.flushBesidesCommpage(set, root.pgd, first, last);
      // What was in the host TLB is in the table.
      if (ptes === 0) return;
      this.invalidated(set, root.guestAsid, ptes, first, last);
    }
    const pairBytes = 2 * this.pageSize;
    if ((last - first) / pairBytes > MAX_SINGLE_INVALIDATIONS) this.dropContexts(set, root);
    else for (let at = first; at < last; at += pairBytes) this.invalidateHostTlb(at, root);
  }

  /**
   * Flushes the range without the commpage in the guest kernel's tables: that is no mapping of the guest's. Returns how
   * many PTEs are gone.
   */
  private flushBesidesCommpage(set: GvaRootSet, pgd: Hpa, first: Gva, last: Gva): number {
    const { commpage, tables } = this;
    if (set !== this.kernelRoots || commpage === null || commpage < first || commpage > last)
      return tables.flushRange(pgd, first, last).ptesInvalidated;
    const above = commpage + this.pageSize;
    let ptes = 0;
    if (first < commpage) ptes += tables.flushRange(pgd, first, commpage - 1).ptesInvalidated;
    if (above < last) ptes += tables.flushRange(pgd, above, last).ptesInvalidated;
    return ptes;
  }

  /** The guest TLB loses its entries of `guestAsid`, or (null) all: drops what can be derived from them, and more. */
  dropMapped(guestAsid: number | null): void {
    for (const set of [this.kernelRoots, this.userRoots])
      set.holding(guestAsid).forEach((root) => this.empty(set, root));
    this.keepCommpage();
  }

  /** Follows the guest's Status.ERL: what its kernel has at the addresses of user mode is another thing from now on. */
  setUsegPhysical(physical: boolean): void {
    if (this.usegIsPhysical === physical) return;
    this.usegIsPhysical = physical;
    for (const root of this.kernelRoots.all()) this.empty(this.kernelRoots, root);
    this.keepCommpage();
  }

  /** The commpage is no mapping of the guest's: after a flush it goes back in at once, which saves an exit. */
  private keepCommpage(): void {
    if (this.refill === "fast" && this.commpage !== null) this.fillCommpage(this.commpage);
  }

  /**
   * The guest's ASID is `guestAsid`: the kernel uses the root of that, and user mode too if it has one, so that fast
   * exits can go there. Returns the ASID that it was.
   */
  setGuestAsid(guestAsid: number): number {
    const old = this.kernelRoots.current.guestAsid;
    if (this.useRootOf(this.kernelRoots, guestAsid)) this.keepCommpage();
    if (this.userRoots.find(guestAsid) !== null) this.useRootOf(this.userRoots, guestAsid);
    return old;
  }

  /** Has a mode use the root of `guestAsid`. True if there was none, so that it is empty. */
  private useRootOf(set: GvaRootSet, guestAsid: number): boolean {
    const { current } = set;
    if (current.guestAsid === guestAsid) return false;
    const known = set.find(guestAsid);
    const root = known ?? set.spare();
    if (known === null) this.empty(set, root);
    this.tracer.kseg_root_change?.(set === this.userRoots, current.guestAsid, guestAsid, known === null);
    set.use(root, guestAsid);
    this.stayLive(set, current.pgd);
    return known === null;
  }

  /** Drops what depends on the guest ASID of a root. */
  private empty(set: GvaRootSet, root: GvaRoot): void {
    this.flush(set, root, set.flags);
  }

  private flush(set: GvaRootSet, root: GvaRoot, flags: number): void {
    if (this.refill === "fast")
      this.invalidated(set, root.guestAsid, this.tables.flush(root.pgd, flags).ptesInvalidated);
    this.dropContexts(set, root);
  }

  private dropContexts(set: GvaRootSet, root: GvaRoot): void {
    root.dropContexts();
    this.stayLive(set, root.pgd);
  }

  /** `ptes` PTEs are gone from a root, or from all that are parked. */
  private invalidated(
    set: GvaRootSet,
    guestAsid: number,
    ptes: number,
    first: Gva = 0,
    last: Gva = this.tables.map.lastGva,
  ): void {
    this.stats.gvaPtesInvalidated += ptes;
    if (ptes > 0) this.tracer.kseg_invalidate?.(set === this.userRoots, guestAsid, first, last, ptes);
  }

  /** After an exit the address space of the guest's mode is live: it stays so when root or ASID change. */
  private stayLive(set: GvaRootSet, pgdBefore: Hpa): void {
    if (this.host.livePgd === pgdBefore && this.host.activate(set.mm)) this.renewed(set, set.current);
  }

  /** A root has got another host ASID. */
  private renewed(set: GvaRootSet, root: GvaRoot): void {
    this.tracer.kseg_host_asid?.(set === this.userRoots, root.guestAsid, this.host.asids.asid(root));
  }

  /** What GPAs mean has changed: nothing derived stays. */
  flushAll(): void {
    for (const set of [this.kernelRoots, this.userRoots]) {
      this.invalidated(set, set.current.guestAsid, set.freeParked());
      this.flush(set, set.current, KMF.GPA | set.flags);
    }
  }

  /** Before the guest is entered in `user` mode with ASID `guestAsid`: makes that mode's root and ASID good. */
  beforeEntry(user: boolean, guestAsid: number): void {
    if (user) this.useRootOf(this.userRoots, guestAsid);
    const set = this.rootsOf(user);
    if (this.host.asids.check(set.mm)) this.renewed(set, set.current);
  }

  /**
   * The vcpu has come from host CPU `from` to the one that executes. What had an ASID there gets one here, so that the
   * guest leaves as often as it would have without.
   */
  migrated(from: number): void {
    const { asids } = this.host;
    for (const set of [this.kernelRoots, this.userRoots])
      for (const root of set.all())
        if (asids.isCurrent(root, from) && asids.check(root)) this.renewed(set, root);
  }

  // --- looking ---

  /** The PTE for `gva` in a mode's current root, 0 if there is none. */
  lookup(gva: Gva, user: boolean): number {
    return this.tables.lookup(this.rootsOf(user).current.pgd, gva);
  }

  /** The guest ASID of a mode's current root; before an entry in that mode, it is the guest's own. */
  guestAsidOf(user: boolean): number {
    return this.rootsOf(user).current.guestAsid;
  }

  /** All roots of one guest mode. */
  roots(user: boolean): readonly GvaRoot[] {
    return this.rootsOf(user).all();
  }

  /** Address space of one guest mode. */
  mmOf(user: boolean): HostMm {
    return this.rootsOf(user).mm;
  }
}
