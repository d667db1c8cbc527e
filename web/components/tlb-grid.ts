import { bytes, el, hex } from "../dom.ts";
import { CellGrid, type Cell } from "./cell-grid.ts";
import { changeOf, type Entry } from "./tlb-change.ts";
import { CHANGE, fillOf, NOT_VALID } from "./legend.ts";

/** All TLBs on the page are at most so wide. */
const MOST_COLUMNS = 64;
const FEWEST_COLUMNS = 16;

/** A TLB as a grid of its entries, which light up when they are written, replaced or invalidated. */
export class TlbGrid {
  readonly element: HTMLElement;
  private readonly grid: CellGrid;
  private readonly summary = el("small");
  private entries = new Map<number, Entry>();

  constructor(title: string, onPick: (entry: Entry) => void) {
    this.grid = new CellGrid({
      aspect: 1,
      label: `${title}: its entries. Arrow keys move, Enter shows one.`,
      describe: (index) => describe(index, this.entries.get(index)),
      onPick: (index) => {
        const entry = this.entries.get(index);
        if (entry !== undefined) onPick(entry);
      },
    });
    this.element = el(
      "section",
      { class: "tlb" },
      el("div", { class: "title" }, el("h2", {}, title, " ", this.summary), this.grid.status),
      this.grid.element,
    );
  }

  /** Shows the entries that there are, of `size`. */
  show(entries: readonly Entry[], size: number): void {
    const before = this.entries;
    this.entries = new Map(entries.map((entry) => [entry.index, entry]));
    this.grid.show(
      Array.from({ length: size }, (_, index) => cellOf(this.entries.get(index))),
      Math.min(MOST_COLUMNS, Math.max(FEWEST_COLUMNS, size)),
    );
    if (before.size > 0)
      for (let index = 0; index < size; index++) {
        const change = changeOf(before.get(index), this.entries.get(index));
        if (change !== null) this.grid.light(index, CHANGE[change]);
      }
    this.summary.textContent = `${entries.length} of ${size} entries in use`;
  }

  /** There is another guest. */
  clear(): void {
    this.entries.clear();
    this.grid.reset();
  }
}

/** Its two pages side by side, each in the colour of what may be done there. */
function cellOf(entry: Entry | undefined): Cell | null {
  if (entry === undefined) return null;
  const isValid = entry.halves.some(({ valid }) => valid);
  const fills = isValid
    ? entry.halves.map(({ valid, dirty }) => (valid ? fillOf(dirty) : NOT_VALID))
    : [NOT_VALID];
  const letter = letterOf(entry);
  return { fills, ...(letter === undefined ? {} : { letter }) };
}

/** K and U: the guest's kernel and user mode; H: the hypervisor's own. */
function letterOf(entry: Entry): string | undefined {
  if (!("space" in entry) || entry.space === null) return undefined;
  const { space } = entry;
  return space.of === "guest" ? space.mode[0]!.toUpperCase() : space.of === "host" ? "H" : undefined;
}

function describe(index: number, entry: Entry | undefined): string {
  if (entry === undefined) return `${index}: empty`;
  const { vpn2, pageSize, global, asid, halves } = entry;
  const pages = halves.map(({ valid, physical, dirty }) =>
    valid ? `${hex(physical)} ${dirty ? "writable" : "read-only"}` : "invalid",
  );
  const space = global ? "global" : `ASID ${asid.toString(16).padStart(2, "0")}`;
  return `${index}: ${hex(vpn2)}, pages of ${bytes(pageSize)}, ${space} → ${pages.join(" | ")}`;
}
