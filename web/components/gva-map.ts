import type { GvaMapView, RootView } from "../../src/index.ts";
import { bytes, count, el, hex } from "../dom.ts";
import { CellGrid, type Cell } from "./cell-grid.ts";
import { CHANGE, fillOf, LATELY } from "./legend.ts";

const MAP_COLUMNS = 64;
/** Cells of a map: at the end of all zooming, a page each. */
export const MAP_CELLS = 1024;

/** The part of the address space that a root of GVA tables maps, in equal pieces. */
export class GvaMap {
  readonly element: HTMLElement;
  private readonly grid: CellGrid;
  private readonly summary = el("small");
  private shown: GvaMapView | null = null;

  constructor(title: string, onPick: (first: number, size: number) => void) {
    this.grid = new CellGrid({
      aspect: 0.7,
      label: `${title}: a map of what its page tables have. Arrow keys move, Enter goes into a piece.`,
      describe: (index) => this.describe(index),
      onPick: (index) => {
        if (this.shown !== null)
          onPick(this.shown.first + index * this.shown.bucketSize, this.shown.bucketSize);
      },
    });
    this.element = el(
      "section",
      { class: "gva-map" },
      el("div", { class: "title" }, el("h2", {}, title, " ", this.summary), this.grid.status),
      this.grid.element,
    );
  }

  /** Shows what `root` maps; null: it has no root. */
  show(map: GvaMapView | null, root: RootView | undefined): void {
    const before = this.shown;
    this.shown = map;
    if (map === null) {
      this.grid.show(new Array<null>(MAP_CELLS).fill(null), MAP_COLUMNS);
      this.summary.textContent = "no root yet";
      return;
    }
    const pages = map.present.reduce((sum, each) => sum + each, 0);
    const whose = root === undefined ? "" : `, guest ASID ${root.guestAsid}, tables at ${hex(root.pgd)}`;
    this.summary.textContent = `${count(pages)} PTEs here${whose}`;
    this.grid.show(
      map.present.map((present, i) => cellOf(present, map.writable[i]!, map.refilled[i]!)),
      MAP_COLUMNS,
    );
    if (before?.first !== map.first || before.bucketSize !== map.bucketSize) return this.grid.reset();
    for (const [i, present] of map.present.entries()) {
      const old = before.present[i]!;
      if (present !== old) this.grid.light(i, present > old ? CHANGE.new : CHANGE.gone);
      else if (map.writable[i] !== before.writable[i]) this.grid.light(i, CHANGE.other);
    }
  }

  private describe(index: number): string {
    const map = this.shown;
    if (map === null) return "";
    const { first, bucketSize, pageSize } = map;
    const from = first + index * bucketSize;
    const present = map.present[index]!;
    const writable = map.writable[index]!;
    const lately = present === 0 ? "" : `; ${refillText(map.refilled[index]!)}`;
    if (bucketSize === pageSize)
      return `${hex(from)}: ${present === 0 ? "no PTE" : writable === 1 ? "writable" : "read-only"}${lately}`;
    const range = `${hex(from)}–${hex(from + bucketSize - 1)}, ${bytes(bucketSize)}`;
    return `${range}: ${present} of ${bucketSize / pageSize} pages, ${writable} writable${lately}`;
  }
}

/** In the colour of what most of its pages may be used for, the stronger the later one of them was refilled. */
function cellOf(present: number, writable: number, refilled: number): Cell | null {
  if (present === 0) return null;
  return { fills: [fillOf(writable * 2 >= present, refilled < 0 ? 0 : 1 - refilled / LATELY)] };
}

function refillText(refilled: number): string {
  if (refilled < 0) return "not refilled lately";
  return refilled === 0 ? "refilled last" : `refilled ${count(refilled)} refills ago`;
}
