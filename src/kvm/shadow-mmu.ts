import type { Gva, Hpa } from "./addresses.ts";
import { KMF } from "./guest-map.ts";
import type { GvaTables, PageCache } from "./gva-table.ts";
import type { HostKernel } from "./host-kernel.ts";
import { OutOfHostMemoryError } from "./host-pages.ts";
import type { HostMm } from "./host-mm.ts";
import type { VcpuMemory } from "./layout.ts";
import type { VcpuStats } from "./stats.ts";

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

/** More host page pairs than this are dropped by taking new ASIDs, not one by one. */
const MAX_SINGLE_INVALIDATIONS = 16;

/**
 * What is derived from guest TLB and memslots: the two GVA tables and the guest's entries in the host TLB. This
 * is the only file that changes either for a guest, so that no stale copy survives:
 *
 * - after a PTE has changed, the host TLB entry of its pair is dropped in that mode's ASID;
 * - when a guest TLB entry goes, so does everything derived from it, in both modes;
 * - a changed guest ASID empties the kernel table's mapped ranges at once, the user table before it is used.
 *
 * With `refill: "slow"` the tables stay empty and pairs go straight into the host TLB.
 */
export class ShadowMmu {
  readonly refill: RefillMode;
  readonly host: HostKernel;
  readonly tables: GvaTables;
  private readonly regs: VcpuMemory;
  private readonly stats: VcpuStats;
  private readonly cache: PageCache;
  private readonly commpage: Gva;
  private readonly pageSize: number;
  /** The guest ASID that the user table's contents and ASID belong to, and that of the kernel table. */
  private lastUserGuestAsid = 0;
  private kernelGuestAsid = 0;

  /** Allocates both roots. Throws OutOfHostMemoryError, then without keeping any. */
  constructor(
    host: HostKernel,
    tables: GvaTables,
    regs: VcpuMemory,
    commpage: Gva,
    stats: VcpuStats,
    refill: RefillMode,
  ) {
    this.host = host;
    this.tables = tables;
    this.regs = regs;
    this.commpage = commpage;
    this.stats = stats;
    this.refill = refill;
    this.pageSize = tables.geometry.pageSize;
    this.cache = tables.newCache();
    const kernelPgd = tables.allocPgd();
    try {
      regs.userMm.pgd = tables.allocPgd();
    } catch (error) {
      tables.freePgd(kernelPgd);
      throw error;
    }
    regs.kernelMm.pgd = kernelPgd;
    regs.kernelMm.dropContexts();
    regs.userMm.dropContexts();
  }

  /** Gives all host memory back. */
  destroy(): void {
    this.tables.freePgd(this.regs.kernelMm.pgd);
    this.tables.freePgd(this.regs.userMm.pgd);
    this.cache.release();
  }

  private mm(user: boolean): HostMm {
    return user ? this.regs.userMm : this.regs.kernelMm;
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
    if (!user && this.pairBase(this.commpage) === base) {
      const page = { hpa: this.regs.commpage, writable: true };
      if (this.commpage === base) even = page;
      else odd = page;
    }
    if (this.refill === "slow") this.writeHostTlb(base, user, even, odd);
    else this.writePtes(base, user, even, odd);
  }

  /** Maps the commpage, and leaves the other page of its pair as it is. */
  fillCommpage(): void {
    if (this.refill === "slow") {
      this.writeHostTlb(this.pairBase(this.commpage), false, ...this.commpagePair());
      return;
    }
    this.ensurePages();
    const pte = this.tables.walk(this.regs.kernelMm.pgd, this.cache, this.commpage);
    this.setPte(pte, { hpa: this.regs.commpage, writable: true });
    this.invalidateHostTlb(this.commpage, this.regs.kernelMm);
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

  private commpagePair(): [even: BackingPage | null, odd: BackingPage | null] {
    const page = { hpa: this.regs.commpage, writable: true };
    return (this.commpage & this.pageSize) === 0 ? [page, null] : [null, page];
  }

  private writePtes(base: Gva, user: boolean, even: BackingPage | null, odd: BackingPage | null): void {
    this.ensurePages();
    const mm = this.mm(user);
    const pte = this.tables.walk(mm.pgd, this.cache, base);
    this.setPte(pte, even);
    this.setPte(pte + (1 << this.tables.geometry.pteShift), odd);
    this.invalidateHostTlb(base, mm);
  }

  private setPte(pte: Hpa, page: BackingPage | null): void {
    if (page === null) {
      this.tables.writePte(pte, 0);
      return;
    }
    this.tables.writePte(pte, this.pteFor(page));
    this.stats.gvaPtesFilled++;
  }

  private pteFor(page: BackingPage): number {
    return this.tables.format.make(page.hpa, { write: page.writable, young: true, dirty: true });
  }

  private writeHostTlb(base: Gva, user: boolean, even: BackingPage | null, odd: BackingPage | null): void {
    const asid = this.host.asids.asid(this.mm(user));
    this.host.tlb.write(base, asid, this.entryLo(even), this.entryLo(odd));
    this.stats.slowRefills++;
  }

  private entryLo(page: BackingPage | null): number {
    return page === null ? 0 : this.tables.format.toEntryLo(this.pteFor(page));
  }

  // --- dropping ---

  private invalidateHostTlb(gva: Gva, mm: HostMm): void {
    if (this.host.asids.isCurrent(mm)) this.host.tlb.invalidate(gva, this.host.asids.asid(mm));
  }

  /**
   * A guest TLB entry that mapped `bytes` bytes from `base` is about to go: drops everything derived from it.
   */
  dropRange(base: Gva, bytes: number): void {
    const { lastGva, userLimit } = this.tables.map;
    if (base > lastGva) return;
    const modes = base < userLimit ? [this.regs.kernelMm, this.regs.userMm] : [this.regs.kernelMm];
    const pairBytes = 2 * this.pageSize;
    for (const mm of modes) {
      if (this.refill === "fast") {
        const { ptesInvalidated } = this.tables.flushRange(mm.pgd, base, base + bytes - 1);
        this.stats.gvaPtesInvalidated += ptesInvalidated;
      }
      if (bytes / pairBytes > MAX_SINGLE_INVALIDATIONS) mm.dropContexts();
      else for (let at = base; at < base + bytes; at += pairBytes) this.invalidateHostTlb(at, mm);
    }
    if (this.commpage >= base && this.commpage < base + bytes) this.keepCommpage();
  }

  /** The commpage is no mapping of the guest's: it goes back in at once after a flush, which saves an exit. */
  private keepCommpage(): void {
    if (this.refill === "fast") this.fillCommpage();
  }

  /**
   * The guest's ASID is `guestAsid`: if it was another one, the guest's mapped addresses mean something else
   * now. Returns the ASID that it was.
   */
  setGuestAsid(guestAsid: number): number {
    const old = this.kernelGuestAsid;
    if (guestAsid === old) return old;
    this.kernelGuestAsid = guestAsid;
    this.flush(this.regs.kernelMm, KMF.KERN);
    this.keepCommpage();
    return old;
  }

  private flush(mm: HostMm, flags: number): void {
    if (this.refill === "fast")
      this.stats.gvaPtesInvalidated += this.tables.flush(mm.pgd, flags).ptesInvalidated;
    mm.dropContexts();
  }

  /** What GPAs mean has changed: nothing derived stays. */
  flushAll(): void {
    this.flush(this.regs.kernelMm, KMF.GPA | KMF.KERN);
    this.flush(this.regs.userMm, KMF.GPA | KMF.USER);
  }

  /** Before the guest is entered in `user` mode with ASID `guestAsid`: makes that mode's table and ASID good. */
  beforeEntry(user: boolean, guestAsid: number): void {
    const mm = this.mm(user);
    if (user && guestAsid !== this.lastUserGuestAsid) {
      this.flush(mm, KMF.USER);
      this.lastUserGuestAsid = guestAsid;
    }
    this.host.asids.check(mm);
  }

  // --- looking ---

  /** The PTE for `gva` in one mode's table, 0 if there is none. */
  lookup(gva: Gva, user: boolean): number {
    return this.tables.lookup(this.mm(user).pgd, gva);
  }

  /** The guest ASID that one mode's table belongs to; before an entry in that mode, it is the guest's own. */
  guestAsidOf(user: boolean): number {
    return user ? this.lastUserGuestAsid : this.kernelGuestAsid;
  }

  /** Address space of one guest mode. */
  mmOf(user: boolean): HostMm {
    return this.mm(user);
  }
}
