import type { ListedPart, Miss, MissWay } from "../../src/web/index.ts";
import { button, el } from "../dom.ts";
import type { GuestSession } from "../guest-session.ts";
import { MissColumn } from "./miss-column.ts";
import type { View } from "./tabs.ts";

/** Misses that are followed at once, and so many of each kind are kept. */
const AT_ONCE = 8;

/** The life of a TLB miss, from the fault to the retry: by the handler, next to by an exit. */
export class MissView implements View {
  readonly title = "TLB miss";
  readonly element: HTMLElement;
  private readonly session: GuestSession;
  private readonly follow = {
    any: this.followButton(`Follow the next ${AT_ONCE} misses`, AT_ONCE, "any"),
    fast: this.followButton("Follow one", 1, "fast"),
    slow: this.followButton("Follow one", 1, "slow"),
  };
  private readonly columns: Readonly<Record<MissWay, MissColumn>> = {
    fast: new MissColumn("Fast", "settled by the handler", this.follow.fast, AT_ONCE),
    slow: new MissColumn("Slow", "settled by an exit", this.follow.slow, AT_ONCE),
  };
  private readonly bare = el(
    "p",
    { class: "hint wide" },
    "This guest is directly on the machine: its own kernel settles its misses, and nothing lies between fault and retry that the hypervisor generated. With mode te there is.",
  );
  private parts: readonly ListedPart[] = [];
  private visible = false;

  constructor(session: GuestSession) {
    this.session = session;
    this.element = el(
      "div",
      { class: "view misses" },
      el(
        "div",
        { class: "buttons wide" },
        this.follow.any,
        el("span", { class: "hint" }, "Figures and bars are instructions that the machine executes."),
      ),
      this.bare,
      this.columns.fast.element,
      this.columns.slow.element,
    );
    session.addEventListener("restart", () => this.restart());
    session.addEventListener("change", () => this.enable());
    session.client.listen({
      listing: ({ parts }) => (this.parts = parts),
      miss: ({ miss }) => this.take(miss),
    });
    this.restart();
  }

  onShown(shown: boolean): void {
    this.visible = shown;
    if (!shown) return;
    this.session.client.watch({});
    this.followSome();
  }

  private followButton(label: string, misses: number, way: MissWay | "any"): HTMLButtonElement {
    const title = `Follow ${way === "any" ? "what comes" : `the next ${way} one`}, then pause the guest`;
    return button(label, title, () => this.session.client.follow(misses, way));
  }

  /** A guest that runs shows its next misses without being asked, and runs on. */
  private followSome(): void {
    if (this.visible && this.session.hypervisor && this.session.state?.kind === "running")
      this.session.client.follow(AT_ONCE, "any", false);
  }

  private restart(): void {
    const { hypervisor, settings } = this.session;
    this.bare.hidden = hypervisor;
    const { fast, slow } = this.columns;
    fast.element.hidden = slow.element.hidden = !hypervisor;
    fast.clear(
      settings.refill === "slow"
        ? "None: with refill slow there is no handler, and each miss is an exit. With refill fast, under Guest, most misses go this way."
        : "None yet. A miss goes this way if the page tables have the page: the guest has used it before, and the TLB has forgotten it since.",
    );
    slow.clear(
      "None yet. A miss goes this way if the page tables have no PTE for the page: at its first use, or after the guest has changed its TLB. Follow one, and type demand 40 into the demo guest.",
    );
    this.enable();
    this.followSome();
  }

  private take(miss: Miss): void {
    this.columns[miss.way].add(miss, this.parts);
    const columns = Object.values(this.columns);
    const longest = Math.max(...columns.map((column) => column.longest));
    for (const column of columns) column.scaleTo(longest);
  }

  private enable(): void {
    const { state, hypervisor } = this.session;
    const cannot = !hypervisor || (state?.kind !== "running" && state?.kind !== "paused");
    for (const each of Object.values(this.follow)) each.disabled = cannot;
  }
}
