import type { Memory } from "../machine/memory.ts";
import { fromKseg0, toKseg0, type Hpa } from "./addresses.ts";
import type { HostPages } from "./host-pages.ts";
import type { TableGeometry } from "./page-format.ts";

/** Where pages for tables come from in the middle of a walk. */
interface PageSource {
  take(): Hpa;
}

/** A slot that a walk comes by. */
export interface TableStep {
  readonly level: "pgd" | "pmd";
  readonly index: number;
  /** Where the slot is. */
  readonly at: Hpa;
  /** Where it points; null if it is empty, which leads the handler to the invalid table. */
  readonly next: Hpa | null;
}

/** Upper word of a 64-bit pointer into kseg0, which is sign-extended. */
const SIGN = 0xffff_ffff;

/**
 * What leads from a root to the tables of PTEs: the root's slots alone, or on a 64-bit host a middle level (pmd)
 * between them. Tables of PTEs have numbers: the part of an address above what one of them maps. Slots hold kseg0
 * addresses. An empty slot of the last level before the PTEs holds that of the invalid table of PTEs, an empty slot of
 * a root above a middle level that of the invalid pmd, whose slots are all empty: so a walk needs no test.
 */
export class TableLevels {
  private readonly pages: HostPages;
  private readonly memory: Memory;
  private readonly geometry: TableGeometry;
  private readonly invalidPteTable: Hpa;
  private readonly invalidPmdTable: Hpa | null;

  /** `invalidPmdTable` is the one made by {@link allocPmd} for all; null without a middle level. */
  constructor(pages: HostPages, geometry: TableGeometry, invalidPteTable: Hpa, invalidPmdTable: Hpa | null) {
    this.pages = pages;
    this.memory = pages.memory;
    this.geometry = geometry;
    this.invalidPteTable = invalidPteTable;
    this.invalidPmdTable = invalidPmdTable;
  }

  /** What an empty slot of a root points at. */
  get emptyRootEntry(): Hpa {
    return this.invalidPmdTable ?? this.invalidPteTable;
  }

  /** Address of slot `index` of a root or pmd. */
  private slot(table: Hpa, index: number): Hpa {
    return table + (index << this.geometry.pointerShift);
  }

  /** Address of the word of a pointer or PTE at `at` that says it all: the lower one of 64 bits. */
  lowWord(at: Hpa): Hpa {
    return at + (this.geometry.pointerShift === 3 && this.memory.endian === "big" ? 4 : 0);
  }

  /** Where slot `index` of a root or pmd points. */
  read(table: Hpa, index: number): Hpa {
    return fromKseg0(this.memory.read32(this.lowWord(this.slot(table, index))));
  }

  /** Has slot `index` of a root or pmd point at `hpa`. */
  write(table: Hpa, index: number, hpa: Hpa): void {
    const at = this.slot(table, index);
    const low = this.lowWord(at);
    this.memory.write32(low, toKseg0(hpa));
    if (this.geometry.pointerShift === 3) this.memory.write32(low ^ 4, SIGN);
  }

  /** Fills a page with empty slots, as a pmd has them. */
  private initPmd(page: Hpa): Hpa {
    for (let index = 0; index < this.geometry.pmd!.entries; index++)
      this.write(page, index, this.invalidPteTable);
    return page;
  }

  /** The pmd and its slot for table `number`, or the root and its slot; null if there is no pmd. */
  private find(pgd: Hpa, number: number): { table: Hpa; index: number } | null {
    const { pmd } = this.geometry;
    if (pmd === null) return { table: pgd, index: number };
    const table = this.read(pgd, Math.floor(number / pmd.entries));
    return table === this.invalidPmdTable ? null : { table, index: number % pmd.entries };
  }

  /** Table of PTEs `number` of a root, or 0 if it has none. */
  table(pgd: Hpa, number: number): Hpa {
    const found = this.find(pgd, number);
    if (found === null) return 0;
    const table = this.read(found.table, found.index);
    return table === this.invalidPteTable ? 0 : table;
  }

  /** The slots that lead from a root to table of PTEs `number`, up to the first that is empty. */
  path(pgd: Hpa, number: number): TableStep[] {
    const { pmd } = this.geometry;
    const step = (level: TableStep["level"], table: Hpa, index: number): TableStep => {
      const next = this.read(table, index);
      const isEmpty = next === this.invalidPteTable || next === this.invalidPmdTable;
      return { level, index, at: this.slot(table, index), next: isEmpty ? null : next };
    };
    if (pmd === null) return [step("pgd", pgd, number)];
    const first = step("pgd", pgd, Math.floor(number / pmd.entries));
    return first.next === null ? [first] : [first, step("pmd", first.next, number % pmd.entries)];
  }

  /** True if slot `index` of a root holds nothing but a kseg0 address, as {@link write} leaves it. */
  isExact(pgd: Hpa, index: number): boolean {
    return this.memory.read32(this.lowWord(this.slot(pgd, index))) === toKseg0(this.read(pgd, index));
  }

  /** Makes `table` table `number` of a root. A pmd that is missing is taken from `source`. */
  link(pgd: Hpa, number: number, table: Hpa, source: PageSource): void {
    const { pmd } = this.geometry;
    if (pmd !== null && this.find(pgd, number) === null)
      this.write(pgd, Math.floor(number / pmd.entries), this.initPmd(source.take()));
    const found = this.find(pgd, number)!;
    this.write(found.table, found.index, table);
  }

  /** Empties the slot of table `number`, which a root has. */
  unlink(pgd: Hpa, number: number): void {
    const found = this.find(pgd, number)!;
    this.write(found.table, found.index, this.invalidPteTable);
  }

  /**
   * Frees the pmds of a root whose tables are all among `first` to `last`, and have been unlinked, or belong to other
   * roots too. `tables` is the number of tables that a root of a guest can have. Returns how many were freed.
   */
  freePmds(pgd: Hpa, first: number, last: number, tables: number): number {
    const { pmd } = this.geometry;
    if (pmd === null) return 0;
    let freed = 0;
    for (let index = Math.ceil(first / pmd.entries); index * pmd.entries <= last; index++) {
      if (Math.min((index + 1) * pmd.entries, tables) - 1 > last) break;
      const table = this.read(pgd, index);
      if (table === this.invalidPmdTable) continue;
      this.write(pgd, index, this.emptyRootEntry);
      this.pages.release(table);
      freed++;
    }
    return freed;
  }

  /** A pmd whose slots are all empty. */
  static allocPmd(pages: HostPages, geometry: TableGeometry, invalidPteTable: Hpa): Hpa {
    return new TableLevels(pages, geometry, invalidPteTable, null).initPmd(pages.alloc(pages.pageSize));
  }
}
