import type { HostTlbEntryView, TlbEntryView } from "../../src/index.ts";
import { bytes, el, hex } from "../dom.ts";
import { CellGrid, type Cell } from "./cell-grid.ts";
import { CHANGE } from "./legend.ts";

/** All TLBs on the page are at most so wide. */
const MOST_COLUMNS = 64;
const FEWEST_COLUMNS = 16;

/** A TLB as a grid of its entries, which light up when they are written, replaced or invalidated. */
export class TlbGrid {
  readonly element: HTMLElement;
  private readonly grid: CellGrid;
  private readonly summary = el("small");
  private entries = new Map<number, TlbEntryView | HostTlbEntryView>();
  private keys = new Map<number, string>();

  constructor(title: string, onPick: (entry: TlbEntryView | HostTlbEntryView) => void) {
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
  show(entries: readonly (TlbEntryView | HostTlbEntryView)[], size: number): void {
    const before = this.keys;
    this.entries = new Map(entries.map((entry) => [entry.index, entry]));
    this.keys = new Map(entries.map((entry) => [entry.index, keyOf(entry)]));
    this.grid.show(
      Array.from({ length: size }, (_, index) => cellOf(this.entries.get(index))),
      Math.min(MOST_COLUMNS, Math.max(FEWEST_COLUMNS, size)),
    );
    if (before.size > 0)
      for (let index = 0; index < size; index++) {
        const [old, now] = [before.get(index), this.keys.get(index)];
        if (old === now) continue;
        this.grid.light(
          index,
          now === undefined ? CHANGE.gone : old === undefined ? CHANGE.new : CHANGE.other,
        );
      }
    this.summary.textContent = `${entries.length} of ${size} entries in use`;
  }

  /** There is another guest. */
  clear(): void {
    this.entries.clear();
    this.keys.clear();
    this.grid.reset();
  }
}

const keyOf = ({ vpn2, asid, global, pageSize, halves }: TlbEntryView): string =>
  [
    vpn2,
    global ? "g" : asid,
    pageSize,
    ...halves.map(({ physical, valid, dirty }) => `${physical},${valid},${dirty}`),
  ].join(":");

/** An entry of which one page at least is valid has the colour of what may be done there. */
function cellOf(entry: TlbEntryView | HostTlbEntryView | undefined): Cell | null {
  if (entry === undefined) return null;
  const valid = entry.halves.filter((half) => half.valid);
  const writable = valid.filter((half) => half.dirty).length;
  const state = valid.length === 0 ? "invalid" : writable > 0 ? "writable" : "readOnly";
  const colour = ({ invalid: "--c8", writable: "--c1", readOnly: "--c6" } as const)[state];
  const letter = letterOf(entry);
  return { colour, level: valid.length / 2, ...(letter === undefined ? {} : { letter }) };
}

/** K and U: the guest's kernel and user mode; H: the hypervisor's own. */
function letterOf(entry: TlbEntryView | HostTlbEntryView): string | undefined {
  if (!("space" in entry) || entry.space === null) return undefined;
  const { space } = entry;
  return space.of === "guest" ? space.mode[0]!.toUpperCase() : space.of === "host" ? "H" : undefined;
}

function describe(index: number, entry: TlbEntryView | undefined): string {
  if (entry === undefined) return `${index}: empty`;
  const { vpn2, pageSize, global, asid, halves } = entry;
  const pages = halves.map(({ valid, physical, dirty }) =>
    valid ? `${hex(physical)} ${dirty ? "writable" : "read-only"}` : "invalid",
  );
  const space = global ? "global" : `ASID ${asid.toString(16).padStart(2, "0")}`;
  return `${index}: ${hex(vpn2)}, pages of ${bytes(pageSize)}, ${space} → ${pages.join(" | ")}`;
}
