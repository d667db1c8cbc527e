import { el } from "../dom.ts";

/** A view that is shown in a tab. */
export interface View {
  readonly title: string;
  readonly element: HTMLElement;
  /** Called when it comes into view, or leaves it. */
  readonly onShown?: (shown: boolean) => void;
}

/** Views of which one is seen at a time. */
export class Tabs {
  readonly element: HTMLElement;
  private readonly views: readonly View[];
  private readonly tabs: HTMLButtonElement[];
  private shown: View | null = null;

  constructor(label: string, views: readonly View[]) {
    this.views = views;
    this.tabs = views.map((view, i) => {
      const id = `view-${view.title.toLowerCase().replaceAll(" ", "-")}`;
      const tab = el(
        "button",
        { type: "button", role: "tab", id: `${id}-tab`, "aria-controls": id },
        view.title,
      );
      tab.addEventListener("click", () => this.show(view));
      tab.addEventListener("keydown", ({ key }) => {
        const step = key === "ArrowRight" ? 1 : key === "ArrowLeft" ? -1 : 0;
        if (step === 0) return;
        const next = (i + step + views.length) % views.length;
        this.show(views[next]!);
        this.tabs[next]!.focus();
      });
      view.element.id = id;
      view.element.role = "tabpanel";
      view.element.setAttribute("aria-labelledby", tab.id);
      view.element.tabIndex = 0;
      return tab;
    });
    this.element = el(
      "section",
      { class: "views", "aria-label": label },
      el("div", { class: "tabs", role: "tablist", "aria-label": label }, ...this.tabs),
      ...views.map(({ element }) => element),
    );
    this.show(views[0]!);
  }

  /** Takes the keyboard to the tab that is shown. */
  focus(): void {
    this.tabs[this.views.indexOf(this.shown!)]!.focus();
  }

  show(view: View): void {
    if (view === this.shown) return;
    this.shown?.onShown?.(false);
    this.shown = view;
    for (const [i, each] of this.views.entries()) {
      each.element.hidden = each !== view;
      this.tabs[i]!.ariaSelected = String(each === view);
      this.tabs[i]!.tabIndex = each === view ? 0 : -1;
    }
    view.onShown?.(true);
  }
}
