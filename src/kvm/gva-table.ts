import type { Memory } from "../machine/memory.ts";
import { SnapshotError } from "../state/snapshot-error.ts";
import type { Gva, Hpa } from "./addresses.ts";
import { flushRanges, segmentOf, type GuestMap } from "./guest-map.ts";
import { HostPageError, type HostPages } from "./host-pages.ts";
import { isXpa, type PteFormat, type TableGeometry } from "./page-format.ts";
import { TableLevels, type TableStep } from "./table-levels.ts";

/** Pages that a cache holds when it is topped up: more than the levels of any walk. */
export const CACHE_PAGES = 4;

/** Allocates a block that a snapshot says is allocated. Throws {@link SnapshotError} if it cannot be. */
function claimPages(pages: HostPages, hpa: Hpa, bytes: number): void {
  try {
    pages.claim(hpa, bytes);
  } catch (error) {
    if (!(error instanceof HostPageError)) throw error;
    throw new SnapshotError(`the snapshot is inconsistent: ${error.message}`, { cause: error });
  }
}

/**
 * Pages set aside for tables, so that a walk in the middle of an update never allocates. Shared by all walks
 * of one vcpu.
 */
export class PageCache {
  private readonly source: HostPages;
  private readonly pages: Hpa[] = [];

  constructor(source: HostPages) {
    this.source = source;
  }

  get count(): number {
    return this.pages.length;
  }

  /** If fewer than `min` pages are left, fills up. Throws OutOfHostMemoryError; what was got by then is kept. */
  topUp(min = 1): void {
    if (this.pages.length >= min) return;
    while (this.pages.length < CACHE_PAGES) this.pages.push(this.source.alloc(this.source.pageSize));
  }

  /** Takes a page. The caller has topped up before: an empty cache is a mistake. */
  take(): Hpa {
    const page = this.pages.pop();
    if (page === undefined) throw new Error("page cache is empty: it was not topped up before the walk");
    return page;
  }

  /** The pages, in the order in which they came. */
  snapshot(): readonly Hpa[] {
    return [...this.pages];
  }

  /** Takes over a snapshot, when it is empty. Throws {@link SnapshotError} if one of the pages is not free. */
  restore(pages: readonly Hpa[]): void {
    for (const page of pages) {
      claimPages(this.source, page, this.source.pageSize);
      this.pages.push(page);
    }
  }

  /** Gives all pages back. */
  release(): void {
    for (const page of this.pages.splice(0)) this.source.release(page);
  }
}

/** A walk that allocates was asked for an address that belongs to the host's half of the table. */
export class HostSlotError extends Error {
  override readonly name = "HostSlotError";
  readonly gva: Gva;
  constructor(gva: Gva) {
    super(`no GVA table maps ${gva.toString(16)}: its slot of the root belongs to the host`);
    this.gva = gva;
  }
}

/** What a flush did. */
export interface FlushResult {
  /** Present PTEs that are gone, those of freed tables included. */
  readonly ptesInvalidated: number;
  readonly tablesFreed: number;
  /** True if everything that the root can map was covered, so that the root itself could go. */
  readonly removable: boolean;
}

/**
 * Page tables in host RAM, of two levels or three, in the format that the generated refill handler walks: what leads
 * to a table of PTEs is the business of {@link TableLevels}. Slots of a root beyond the guest's last GVA are copied
 * from the host kernel's and never change here, but for 64-bit hosts, whose kernel has no part in a user's root. Roots
 * are also used for GPA tables, then without a host half.
 *
 * Tables of direct segments ({@link isShared}) can be linked into several roots; they are freed with the last.
 */
export class GvaTables {
  readonly geometry: TableGeometry;
  readonly format: PteFormat;
  readonly map: GuestMap;
  /** The shared table of zero PTEs. */
  readonly invalidPteTable: Hpa;
  private readonly pages: HostPages;
  private readonly memory: Memory;
  private readonly hostPgd: Hpa;
  private readonly levels: TableLevels;
  /** PTEs are the two words of XPA. */
  private readonly twoWords: boolean;
  /** Tables of PTEs that a root can have for its guest. Their numbers are called slots here. */
  private readonly guestSlots: number;
  /** For each guest slot, 1 if its table is shared by the roots of a mode: it lies in a direct segment. */
  private readonly sharedSlots: Uint8Array;
  /** Present PTEs that flushes and {@link clearPte} removed since the start. */
  ptesInvalidated = 0;
  /** How many PTEs of each table are present, by number of its page: so a table can go without a look at them. */
  private readonly presentIn: Uint16Array;

  /**
   * `hostPgd` is the root of the host kernel's own table, `invalidPteTable` the zero table that it uses, and where
   * there is a middle level `invalidPmdTable` the one without a table.
   */
  constructor(
    pages: HostPages,
    geometry: TableGeometry,
    format: PteFormat,
    map: GuestMap,
    hostPgd: Hpa,
    invalidPteTable: Hpa,
    invalidPmdTable: Hpa | null = null,
  ) {
    this.pages = pages;
    this.memory = pages.memory;
    this.twoWords = isXpa(geometry);
    this.levels = new TableLevels(pages, geometry, invalidPteTable, invalidPmdTable);
    this.presentIn = new Uint16Array(pages.end >>> geometry.pageShift);
    this.geometry = geometry;
    this.format = format;
    this.map = map;
    this.hostPgd = hostPgd;
    this.invalidPteTable = invalidPteTable;
    this.guestSlots = (map.lastGva >>> geometry.tableShift) + 1;
    // Segments end where tables end.
    this.sharedSlots = Uint8Array.from({ length: this.guestSlots }, (_, slot) =>
      segmentOf(map, slot << geometry.tableShift).kind === "kseg0" ? 1 : 0,
    );
  }

  private get pgdBytes(): number {
    return this.geometry.pgdEntries << this.geometry.pointerShift;
  }

  /** A new root: guest slots empty, the others the host kernel's ("host") or empty too. */
  allocPgd(rest: "host" | "empty" = "host"): Hpa {
    const pgd = this.pages.alloc(this.pgdBytes, this.pgdBytes);
    const empty = this.levels.emptyRootEntry;
    for (let slot = 0; slot < this.geometry.pgdEntries; slot++) {
      const host = rest === "host" && this.geometry.pmd === null && slot >= this.guestSlots;
      this.levels.write(pgd, slot, host ? this.levels.read(this.hostPgd, slot) : empty);
    }
    return pgd;
  }

  /** Frees a root and the tables of its guest slots. Returns how many present PTEs went with them. */
  freePgd(pgd: Hpa): number {
    const { ptesInvalidated } = this.flushRange(pgd, 0, this.map.lastGva);
    this.pages.release(pgd);
    return ptesInvalidated;
  }

  /**
   * True if `gva` means the same in every guest ASID, so that the roots of all of them link to one table: it lies
   * in a direct segment.
   */
  isShared(gva: Gva): boolean {
    return this.sharedSlots[gva >>> this.geometry.tableShift] === 1;
  }

  /** Links the shared tables of root `from` into root `to`, which has none. Throws OutOfHostMemoryError. */
  copyShared(from: Hpa, to: Hpa): void {
    const source = { take: () => this.pages.alloc(this.pages.pageSize) };
    for (let slot = 0; slot < this.guestSlots; slot++) {
      const table = this.sharedSlots[slot] === 1 ? this.levels.table(from, slot) : 0;
      if (table !== 0) this.levels.link(to, slot, table, source);
    }
  }

  /**
   * Frees a root and the tables that `flags` (KMF) covers, which are its own; others stay for the roots that share
   * them. Returns how many present PTEs went with them.
   */
  freeSharingPgd(pgd: Hpa, flags: number): number {
    const { ptesInvalidated } = this.flush(pgd, flags);
    this.levels.freePmds(pgd, 0, this.guestSlots - 1, this.guestSlots);
    this.pages.release(pgd);
    return ptesInvalidated;
  }

  /**
   * Takes over root `pgd`, which is in memory with all its tables: claims the pages, and counts what is present. The
   * tables in direct segments that roots of the mode have brought so far are in `shared`, by slot. Throws
   * {@link SnapshotError} if there is anything in them that {@link writePte} would not have written.
   */
  adopt(pgd: Hpa, shared: Map<number, Hpa>): void {
    const { pageSize, pageShift, tableShift } = this.geometry;
    const refuse = (what: string): never => {
      throw new SnapshotError(
        `the snapshot is inconsistent: the guest's page table at ${pgd.toString(16)} ${what}`,
      );
    };
    if (pgd % this.pgdBytes !== 0) refuse("is not aligned");
    claimPages(this.pages, pgd, this.pgdBytes);
    for (let slot = 0; slot < this.guestSlots; slot++) {
      const table = this.levels.table(pgd, slot);
      if (!this.levels.isExact(pgd, slot)) refuse(`has no pointer in slot ${slot}`);
      if (table === 0) continue;
      const isShared = this.isShared(slot << tableShift);
      if (isShared && shared.get(slot) === table) continue;
      if (isShared) shared.set(slot, table);
      claimPages(this.pages, table, pageSize);
      const present = this.countPresentIn(table) ?? refuse("has a PTE that it cannot have");
      this.presentIn[table >>> pageShift] = present;
    }
  }

  /** The number of PTEs that are present in `table`; null if there is one that is no PTE of a guest's page. */
  private countPresentIn(table: Hpa): number | null {
    const { ptesPerTable, pteShift } = this.geometry;
    const { format } = this;
    let present = 0;
    for (let n = 0; n < ptesPerTable; n++) {
      const at = table + (n << pteShift);
      const pte = this.readPte(at);
      if (
        this.twoWords &&
        format.split(pte).some((word, half) => word >>> 0 !== this.memory.read32(at + 4 * half))
      )
        return null;
      if (pte === 0) continue;
      const write = format.hardwareWritable(pte);
      if (pte !== format.make(format.hpa(pte), { write, young: true, dirty: true })) return null;
      present++;
    }
    return present;
  }

  newCache(): PageCache {
    return new PageCache(this.pages);
  }

  /**
   * Host physical address of the PTE for `gva`, or 0. A missing table is taken from `cache`, zeroed and
   * linked into the roots `sharers`, or into this one; without a cache the answer is 0. Beyond the guest's last GVA nothing is ever
   * found, and a walk with a cache throws {@link HostSlotError}.
   */
  walk(pgd: Hpa, cache: PageCache | null, gva: Gva, sharers: readonly Hpa[] | null = null): Hpa {
    const { tableShift, pageShift, pteShift, ptesPerTable, pageSize } = this.geometry;
    const address = gva >>> 0;
    if (address > this.map.lastGva) {
      if (cache !== null) throw new HostSlotError(address);
      return 0;
    }
    const slot = address >>> tableShift;
    let table = this.levels.table(pgd, slot);
    if (table === 0) {
      if (cache === null) return 0;
      table = cache.take();
      this.pages.clear(table, pageSize);
      this.presentIn[table >>> pageShift] = 0;
      for (const root of sharers ?? [pgd]) this.levels.link(root, slot, table, cache);
    }
    return table + (((address >>> pageShift) & (ptesPerTable - 1)) << pteShift);
  }

  /** The walk that the refill handler makes for `gva`: the slots, and where the PTE is (null if a slot is empty). */
  path(pgd: Hpa, gva: Gva): { readonly steps: readonly TableStep[]; readonly pte: Hpa | null } {
    const { tableShift, pageShift, pteShift, ptesPerTable } = this.geometry;
    const address = gva >>> 0;
    const steps = this.levels.path(pgd, address >>> tableShift);
    const table = steps.at(-1)!.next;
    if (table === null) return { steps, pte: null };
    return { steps, pte: table + (((address >>> pageShift) & (ptesPerTable - 1)) << pteShift) };
  }

  /** The PTE at `pte`, unsigned. */
  readPte(pte: Hpa): number {
    if (!this.twoWords) return this.memory.read32(this.levels.lowWord(pte));
    return this.format.join(this.memory.read32(pte), this.memory.read32(pte + 4));
  }
  /** Writes a PTE. The matching host TLB entry must then be invalidated: an invalid one may be there. */
  writePte(pte: Hpa, value: number): void {
    const change = Number(this.format.present(value)) - Number(this.format.present(this.readPte(pte)));
    if (change !== 0) this.countPresent(pte, change);
    // Host RAM ends below 2 GiB, so the upper word of a doubleword is always 0.
    if (!this.twoWords) this.memory.write32(this.levels.lowWord(pte), value);
    else this.format.split(value).forEach((word, n) => this.memory.write32(pte + 4 * n, word));
  }
  private countPresent(pte: Hpa, change: number): void {
    this.presentIn[pte >>> this.geometry.pageShift]! += change;
  }

  /** Zeroes a PTE if it is present; true if it was. */
  private clearIfPresent(pte: Hpa): boolean {
    const present = this.format.present(this.readPte(pte));
    if (present) this.writePte(pte, 0);
    return present;
  }
  /** Zeroes a PTE; true if it was present. */
  clearPte(pte: Hpa): boolean {
    const present = this.clearIfPresent(pte);
    if (present) this.ptesInvalidated++;
    return present;
  }
  /** The PTE value for `gva`, 0 if there is none. */
  lookup(pgd: Hpa, gva: Gva): number {
    const pte = this.walk(pgd, null, gva);
    return pte === 0 ? 0 : this.readPte(pte);
  }

  /** Flushes what `flags` (KMF) covers; see {@link flushRange}. */
  flush(pgd: Hpa, flags: number): FlushResult {
    let ptesInvalidated = 0;
    let tablesFreed = 0;
    let removable = false;
    for (const { first, last } of flushRanges(this.map, flags)) {
      const part = this.flushRange(pgd, first, last);
      ptesInvalidated += part.ptesInvalidated;
      tablesFreed += part.tablesFreed;
      removable = part.removable;
    }
    return { ptesInvalidated, tablesFreed, removable };
  }

  /**
   * Removes the mappings of `first` to `last`, both included and cut to the guest's last GVA. A table that is
   * covered completely is freed as it is, unvisited, and its slot emptied; in others the present PTEs in range are
   * zeroed. Host TLB entries are the caller's business.
   */
  flushRange(pgd: Hpa, first: Gva, last: Gva): FlushResult {
    const { tableShift, pageShift, pteShift, ptesPerTable } = this.geometry;
    const end = Math.min(last >>> 0, this.map.lastGva);
    const start = first >>> 0;
    let ptesInvalidated = 0;
    let tablesFreed = 0;
    if (start > end) return { ptesInvalidated, tablesFreed, removable: false };
    const firstSlot = start >>> tableShift;
    const lastSlot = end >>> tableShift;
    const index = (gva: Gva): number => (gva >>> pageShift) & (ptesPerTable - 1);
    for (let slot = firstSlot; slot <= lastSlot; slot++) {
      const table = this.levels.table(pgd, slot);
      if (table === 0) continue;
      const min = slot === firstSlot ? index(start) : 0;
      const max = slot === lastSlot ? index(end) : ptesPerTable - 1;
      const whole = min === 0 && max === ptesPerTable - 1;
      if (!whole) {
        for (let i = min; i <= max; i++) if (this.clearIfPresent(table + (i << pteShift))) ptesInvalidated++;
        continue;
      }
      ptesInvalidated += this.presentIn[table >>> pageShift]!;
      this.levels.unlink(pgd, slot);
      this.pages.release(table);
      tablesFreed++;
    }
    const firstWhole = index(start) === 0 ? firstSlot : firstSlot + 1;
    const lastWhole = index(end) === ptesPerTable - 1 ? lastSlot : lastSlot - 1;
    tablesFreed += this.levels.freePmds(pgd, firstWhole, lastWhole, this.guestSlots);
    this.ptesInvalidated += ptesInvalidated;
    const removable = start >>> pageShift === 0 && end >>> pageShift === this.map.lastGva >>> pageShift;
    return { ptesInvalidated, tablesFreed, removable };
  }

  /** Calls `visit` for each table that `pgd` links to for the guest, in ascending order of slots. */
  forEachTable(pgd: Hpa, visit: (slot: number, table: Hpa) => void): void {
    for (let slot = 0; slot < this.guestSlots; slot++) {
      const table = this.levels.table(pgd, slot);
      if (table !== 0) visit(slot, table);
    }
  }

  /** Calls `visit` for each present PTE of `table`, which slot `slot` links to, in ascending order. */
  forEachPteOf(slot: number, table: Hpa, visit: (gva: Gva, pte: number) => void): void {
    const { tableShift, pageShift, pteShift, ptesPerTable } = this.geometry;
    const stride = 1 << (pteShift - 2);
    // Most PTEs are zero; the checker of invariants looks at all of them after each exit.
    const { u32, plan } = this.memory;
    const first = (plan.ram + table) >>> 2;
    for (let i = 0; i < ptesPerTable; i++) {
      const at = first + i * stride;
      if ((u32[at]! | u32[at + stride - 1]!) === 0) continue;
      const pte = this.readPte(table + (i << pteShift));
      if (this.format.present(pte)) visit(((slot << tableShift) | (i << pageShift)) >>> 0, pte);
    }
  }

  /** Calls `visit` for each present PTE that `pgd` maps for the guest, in ascending order. */
  forEachPte(pgd: Hpa, visit: (gva: Gva, pte: number) => void): void {
    this.forEachTable(pgd, (slot, table) => this.forEachPteOf(slot, table, visit));
  }
}
