import { integer, list, record, u32, type Field } from "../state/fields.ts";
import { SnapshotError } from "../state/snapshot-error.ts";
import type { Hpa } from "./addresses.ts";
import { ASID_MASK } from "./asid.ts";
import type { GvaTables } from "./gva-table.ts";
import type { AsidHolder, HostMm } from "./host-mm.ts";
import { OutOfHostMemoryError } from "./host-pages.ts";

/**
 * A root of GVA tables with the host ASID that goes with it: what one guest address space is in one guest mode.
 * While it is in use, its context words are in the mode's `MM` structure, where the entry code looks; while it is
 * parked, here.
 */
export class GvaRoot implements AsidHolder {
  readonly pgd: Hpa;
  /** The guest ASID that its tables belong to. */
  guestAsid: number;
  private readonly parked: number[];
  private mm: HostMm | null = null;

  /** A root that has no ASID on any of `cpus` host CPUs yet. */
  constructor(pgd: Hpa, guestAsid: number, cpus: number) {
    this.pgd = pgd;
    this.guestAsid = guestAsid;
    this.parked = new Array<number>(cpus).fill(0);
  }

  context(cpu: number): number {
    return this.mm === null ? this.parked[cpu]! : this.mm.context(cpu);
  }

  setContext(value: number, cpu: number): void {
    if (this.mm === null) this.parked[cpu] = value;
    else this.mm.setContext(value, cpu);
  }

  /** Takes the host ASID away on every host CPU but `cpu`. */
  dropContextsBesides(cpu: number): void {
    for (let other = 0; other < this.parked.length; other++) if (other !== cpu) this.setContext(0, other);
  }

  /** Takes the host ASID away on every host CPU: what the host TLB has in it is out of reach. */
  dropContexts(): void {
    if (this.mm === null) this.parked.fill(0);
    else this.mm.dropContexts();
  }

  /** Puts root and context words into `mm`. */
  load(mm: HostMm): void {
    mm.pgd = this.pgd;
    for (let cpu = 0; cpu < this.parked.length; cpu++) mm.setContext(this.parked[cpu]!, cpu);
    this.mm = mm;
  }

  /** Takes the context words back from the `MM` structure. */
  park(): void {
    for (let cpu = 0; cpu < this.parked.length; cpu++) this.parked[cpu] = this.context(cpu);
    this.mm = null;
  }
}

/** A root as plain data; its tables are in memory. */
export interface RootSnapshot {
  readonly pgd: Hpa;
  readonly guestAsid: number;
  /** Its context word on each host CPU. */
  readonly contexts: readonly number[];
}

/** The roots of a mode: the one used last is the last, and in use is number `inUse`. */
export interface RootSetSnapshot {
  readonly roots: readonly RootSnapshot[];
  readonly inUse: number;
}

/** How that of up to `capacity` roots on a host with `cpus` CPUs is kept. */
export const rootSetSnapshot = (capacity: number, cpus: number): Field<RootSetSnapshot> =>
  record<RootSetSnapshot>({
    roots: list(
      record<RootSnapshot>({ pgd: u32, guestAsid: integer(0, ASID_MASK), contexts: list(u32, cpus) }),
      1,
      capacity,
    ),
    inUse: integer(0, capacity - 1),
  });

const NONE: readonly GvaRoot[] = [];

/**
 * The roots of one guest mode, one for each of the guest ASIDs used last. A change of the guest's ASID puts another
 * root into the mode's `MM` structure; only an ASID that has none takes the root that was not used for longest
 * away from its own. With a capacity of one every change does.
 *
 * Tables of direct segments mean the same in every guest ASID: all roots of a mode link to the same ones.
 */
export class GvaRootSet {
  /** What emptying a root of this mode covers: see `KMF`. */
  readonly flags: number;
  /** The mode's address space as the entry code sees it: root and context word of the one in use. */
  readonly mm: HostMm;
  private readonly tables: GvaTables;
  private readonly capacity: number;
  /** One for each guest ASID that has one; the one used last is the last. */
  private readonly roots: GvaRoot[] = [];
  private inUse: GvaRoot;

  /** Allocates the first root, for guest ASID 0. Throws OutOfHostMemoryError. */
  constructor(mm: HostMm, tables: GvaTables, capacity: number, flags: number) {
    this.mm = mm;
    this.tables = tables;
    this.capacity = capacity;
    this.flags = flags;
    this.inUse = new GvaRoot(tables.allocPgd(), 0, mm.cpus);
    this.roots.push(this.inUse);
    this.inUse.load(mm);
  }

  /** The root in the mode's `MM` structure. */
  get current(): GvaRoot {
    return this.inUse;
  }

  /** All roots. */
  all(): readonly GvaRoot[] {
    return this.roots;
  }

  /** The root of guest ASID `guestAsid`, null if it has none. */
  find(guestAsid: number): GvaRoot | null {
    if (this.inUse.guestAsid === guestAsid) return this.inUse;
    for (const root of this.roots) if (root.guestAsid === guestAsid) return root;
    return null;
  }

  /** The roots that can hold what a guest TLB entry of ASID `guestAsid` maps; null stands for a global entry. */
  holding(guestAsid: number | null): readonly GvaRoot[] {
    if (guestAsid === null) return this.all();
    const root = this.find(guestAsid);
    return root === null ? NONE : [root];
  }

  /**
   * A root for an ASID that has none: a new one if there may be more and the host has room, else the one that was
   * not used for longest. That still holds what belongs to its old ASID: see {@link use}.
   */
  spare(): GvaRoot {
    const [oldest] = this.roots;
    if (this.roots.length >= this.capacity) return oldest!;
    try {
      const root = new GvaRoot(this.tables.allocPgd(), -1, this.mm.cpus);
      this.tables.copyShared(this.inUse.pgd, root.pgd);
      return root;
    } catch (error) {
      if (error instanceof OutOfHostMemoryError) return oldest!;
      throw error;
    }
  }

  /** Has `root`, emptied if it was another ASID's, serve `guestAsid` from now on. */
  use(root: GvaRoot, guestAsid: number): void {
    this.makeLast(root);
    root.guestAsid = guestAsid;
    this.inUse.park();
    this.inUse = root;
    root.load(this.mm);
  }

  private makeLast(root: GvaRoot): void {
    const { roots } = this;
    const place = roots.indexOf(root);
    if (place < 0) roots.push(root);
    else {
      for (let at = place + 1; at < roots.length; at++) roots[at - 1] = roots[at]!;
      roots[roots.length - 1] = root;
    }
  }

  snapshot(): RootSetSnapshot {
    const roots = this.all();
    return {
      roots: roots.map((root) => ({
        pgd: root.pgd,
        guestAsid: root.guestAsid,
        contexts: Array.from({ length: this.mm.cpus }, (_, cpu) => root.context(cpu)),
      })),
      inUse: roots.indexOf(this.inUse),
    };
  }

  /**
   * Takes over a snapshot, after {@link destroy}: the roots and their tables are in memory already, and their pages are
   * claimed here. Throws {@link SnapshotError}.
   */
  restore({ roots, inUse }: RootSetSnapshot): void {
    this.roots.length = 0;
    const shared = new Map<number, Hpa>();
    for (const { pgd, guestAsid, contexts } of roots) {
      this.tables.adopt(pgd, shared);
      const root = new GvaRoot(pgd, guestAsid, this.mm.cpus);
      contexts.forEach((context, cpu) => root.setContext(context, cpu));
      this.roots.push(root);
    }
    const current = this.roots[inUse];
    if (current === undefined || new Set(roots.map(({ guestAsid }) => guestAsid)).size !== roots.length)
      throw new SnapshotError("the snapshot is inconsistent: the roots of a guest's page tables are no set");
    this.inUse = current;
    current.load(this.mm);
  }

  /** Frees all roots but the one in use. Returns how many present PTEs went with them. */
  freeParked(): number {
    let ptes = 0;
    for (const root of this.roots)
      if (root !== this.inUse) ptes += this.tables.freeSharingPgd(root.pgd, this.flags);
    this.roots.splice(0, this.roots.length, this.inUse);
    return ptes;
  }

  /** Frees everything. */
  destroy(): void {
    this.freeParked();
    this.tables.freePgd(this.inUse.pgd);
  }
}
