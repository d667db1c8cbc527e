import type { HostTlbEntryView, TlbEntryView } from "../../src/index.ts";
import type { MapRequest, Views, Watched } from "../../src/web/index.ts";
import { button, bytes, el, hex, parseAddress } from "../dom.ts";
import type { GuestSession } from "../guest-session.ts";
import { GvaMap, MAP_CELLS } from "./gva-map.ts";
import { Journey } from "./journey.ts";
import { legend } from "./legend.ts";
import type { View } from "./tabs.ts";
import { TlbGrid } from "./tlb-grid.ts";

const ADDRESS_SPACE = 2 ** 32;
/** A step into the map shows this part of it. */
const ZOOM = 16;

/** How addresses become memory: the GVA page tables, both TLBs, and the way of one address. */
export class TranslationView implements View {
  readonly title = "Translation";
  readonly element: HTMLElement;
  private readonly session: GuestSession;
  private readonly path = el("nav", {
    class: "zoom",
    "aria-label": "Part of the address space that is shown",
  });
  private readonly maps = {
    user: new GvaMap("User root", (first, size) => this.pickRange(first, size)),
    kernel: new GvaMap("Kernel root", (first, size) => this.pickRange(first, size)),
  };
  private readonly tables: HTMLElement;
  private readonly hostTlb = new TlbGrid("Host TLB", (entry) => this.pickEntry(entry));
  private readonly guestTlb = new TlbGrid("Guest TLB", (entry) => this.pickEntry(entry));
  private readonly colours = legend();
  private readonly journey = new Journey();
  private readonly addressInput = el("input", {
    type: "text",
    "aria-label": "Guest virtual address",
    placeholder: "address",
    size: "10",
    spellcheck: "false",
  });
  /** The parts of the address space that were gone into, the whole first: [first, size]. */
  private ranges: (readonly [first: number, size: number])[] = [[0, ADDRESS_SPACE]];
  private pageSize = 4096;
  private address: number | null = null;
  private entry: TlbEntryView | HostTlbEntryView | null = null;
  private visible = false;

  constructor(session: GuestSession) {
    this.session = session;
    this.tables = el(
      "section",
      { "aria-label": "GVA page tables" },
      this.path,
      this.maps.user.element,
      this.maps.kernel.element,
    );
    const form = el(
      "form",
      { class: "explain" },
      el("h2", {}, "Way of an address"),
      this.addressInput,
      el("button", { type: "submit" }, "Explain"),
      button("pc", "The address of the guest's next instruction", () => this.explainPc()),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const address = parseAddress(this.addressInput.value);
      if (address !== null) this.explain(address);
    });
    this.element = el(
      "div",
      { class: "view translation" },
      this.tables,
      this.hostTlb.element,
      this.guestTlb.element,
      this.colours,
      form,
      this.journey.element,
    );
    session.addEventListener("restart", () => this.restart());
    session.client.listen({ views: ({ views }) => this.show(views) });
    this.showPath();
    this.journey.element.hidden = true;
  }

  onShown(shown: boolean): void {
    this.visible = shown;
    if (shown) this.watch();
  }

  private get isBare(): boolean {
    return !this.session.hypervisor;
  }

  private restart(): void {
    this.address = null;
    this.entry = null;
    this.ranges = [[0, ADDRESS_SPACE]];
    this.showPath();
    this.hostTlb.clear();
    this.guestTlb.clear();
    this.tables.hidden = this.isBare;
    this.guestTlb.element.hidden = this.isBare;
    this.colours.classList.toggle("without-maps", this.isBare);
    if (this.visible) this.watch();
  }

  private watch(): void {
    const [first, size] = this.ranges.at(-1)!;
    const map = (mode: "kernel" | "user"): MapRequest => ({
      root: { mode },
      first,
      last: first + size - 1,
      bucketSize: size / MAP_CELLS,
    });
    const watched: Watched = {
      tlbs: true,
      ...(this.isBare ? {} : { maps: [map("user"), map("kernel")] }),
      // Until an address is chosen it is that of the next instruction.
      ...(this.address === null ? { registers: true } : { address: this.address }),
    };
    this.session.client.watch(watched);
  }

  private show({ tlbs, maps, explanation, registers }: Views): void {
    if (!this.visible) return;
    if (registers !== undefined && this.address === null) this.explain(registers.pc);
    if (maps !== undefined && tlbs !== undefined) {
      const [user, kernel] = maps;
      const rootOf = (mode: "kernel" | "user") => tlbs.roots.find((root) => root.mode === mode && root.inUse);
      this.maps.user.show(user ?? null, rootOf("user"));
      this.maps.kernel.show(kernel ?? null, rootOf("kernel"));
      this.pageSize = (kernel ?? user)?.pageSize ?? this.pageSize;
    }
    if (tlbs !== undefined) {
      this.hostTlb.show(tlbs.host, tlbs.hostSize);
      this.guestTlb.show(tlbs.guest, tlbs.guestSize);
    }
    if (explanation !== undefined) {
      this.journey.element.hidden = false;
      this.journey.show(explanation, this.entry);
    }
  }

  /** A piece of a map was picked: goes into it, or if it is a page shows its way. */
  private pickRange(first: number, size: number): void {
    if (size <= this.pageSize) return this.explain(first);
    const least = MAP_CELLS * this.pageSize;
    const [, shown] = this.ranges.at(-1)!;
    const next = Math.max(shown / ZOOM, least);
    this.ranges.push([Math.floor(first / next) * next, next]);
    this.showPath();
    this.watch();
  }

  private showPath(): void {
    this.path.replaceChildren(
      ...this.ranges.map(([first, size], i) => {
        const to = button(
          i === 0 ? "all 4 GiB" : `${hex(first)}, ${bytes(size)}`,
          "Show this part of the address space",
          () => {
            this.ranges.length = i + 1;
            this.showPath();
            this.watch();
          },
        );
        if (i === this.ranges.length - 1) to.setAttribute("aria-current", "true");
        return to;
      }),
    );
  }

  private pickEntry(entry: TlbEntryView | HostTlbEntryView): void {
    const half = entry.halves.find(({ valid }) => valid) ?? entry.halves[0];
    this.explain(half.virtual, entry);
  }

  private explainPc(): void {
    this.address = null;
    this.watch();
  }

  private explain(address: number, entry: TlbEntryView | HostTlbEntryView | null = null): void {
    this.address = address >>> 0;
    this.entry = entry;
    this.addressInput.value = hex(address);
    this.watch();
  }
}
