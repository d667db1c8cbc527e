import type { Miss, MissStep } from "../../src/web/index.ts";
import { button, count, el, hex } from "../dom.ts";
import type { GuestSession } from "../guest-session.ts";
import type { View } from "./tabs.ts";

/** Misses that are followed at once. */
const AT_ONCE = 8;

/** Parts of the way, by the sections of the generated code that they are executed in. */
const PARTS: readonly {
  readonly name: string;
  readonly colour: `--${string}`;
  readonly sections: RegExp;
}[] = [
  { name: "refill handler", colour: "--c1", sections: /^tlb_refill$/ },
  { name: "way out", colour: "--c2", sections: /^(general|interrupt_.|fast_exit)$/ },
  { name: "exit and entry", colour: "--c4", sections: /^exit_and_entry$/ },
  { name: "host", colour: "--c7", sections: /./ },
  { name: "guest", colour: "--c3", sections: /^$/ },
];

/** The life of a TLB miss, from the fault to the retry: one that the handler settles, next to one with an exit. */
export class MissView implements View {
  readonly title = "TLB miss";
  readonly element: HTMLElement;
  private readonly session: GuestSession;
  private readonly fast = new MissColumn("Settled by the handler", "No miss of this kind was followed yet.");
  private readonly slow = new MissColumn("With an exit", "No miss of this kind was followed yet.");
  private readonly follow: HTMLButtonElement;

  constructor(session: GuestSession) {
    this.session = session;
    this.follow = button(`Follow the next ${AT_ONCE} misses`, "Then the guest is paused", () =>
      session.client.follow(AT_ONCE),
    );
    this.element = el(
      "div",
      { class: "view misses" },
      el(
        "div",
        { class: "buttons wide" },
        this.follow,
        el("span", { class: "hint" }, "Every instruction that the machine executes on the way is shown."),
      ),
      this.fast.element,
      this.slow.element,
    );
    session.addEventListener("restart", () => {
      this.fast.show(null);
      this.slow.show(null);
      this.enable();
    });
    session.addEventListener("change", () => this.enable());
    session.client.listen({
      miss: ({ miss }) =>
        (miss.steps.some(({ exit }) => exit !== undefined) ? this.slow : this.fast).show(miss),
    });
  }

  onShown(shown: boolean): void {
    if (shown) this.session.client.watch({});
    this.enable();
  }

  private enable(): void {
    const { state, hypervisor } = this.session;
    this.follow.disabled = !hypervisor || (state.kind !== "running" && state.kind !== "paused");
  }
}

/** One miss. */
class MissColumn {
  readonly element: HTMLElement;
  private readonly what = el("p");
  private readonly bar = el("div", { class: "bar", role: "img" });
  private readonly listing = el("ol", { class: "code", tabindex: "0" });
  private readonly empty: string;

  constructor(title: string, empty: string) {
    this.empty = empty;
    this.listing.setAttribute("aria-label", `${title}: instructions`);
    this.element = el("section", {}, el("h2", {}, title), this.what, this.bar, this.listing);
    this.show(null);
  }

  show(miss: Miss | null): void {
    if (miss === null) {
      this.what.textContent = this.empty;
      this.bar.hidden = true;
      this.listing.replaceChildren();
      return;
    }
    const { steps, access, address, pc, time } = miss;
    const exits = steps.filter(({ exit }) => exit !== undefined).length;
    const host = steps.filter(({ section }) => section !== "guest").length;
    this.what.textContent =
      `A ${access} at ${hex(pc)} from ${hex(address)}, at tick ${count(time)}: ` +
      `${host} host instructions${exits === 0 ? "" : `, ${exits === 1 ? "one exit" : `${exits} exits`}`}.`;
    this.bar.hidden = false;
    const runs = runsOf(steps);
    this.bar.ariaLabel = runs.map(({ part, length }) => `${part.name} ${length}`).join(", then ");
    this.bar.replaceChildren(
      ...runs.map(({ part, length }) =>
        el("span", {
          style: `--swatch: var(${part.colour}); flex-grow: ${length}`,
          title: `${part.name}: ${length} instructions`,
        }),
      ),
    );
    this.listing.replaceChildren(...steps.flatMap((step, i) => lines(step, steps[i - 1])));
  }
}

const partOf = ({ section }: MissStep): (typeof PARTS)[number] =>
  section === "guest" ? PARTS.at(-1)! : PARTS.find(({ sections }) => sections.test(section))!;

/** Consecutive instructions of the same part. */
function runsOf(steps: readonly MissStep[]): { part: (typeof PARTS)[number]; length: number }[] {
  const runs: { part: (typeof PARTS)[number]; length: number }[] = [];
  for (const step of steps) {
    const part = partOf(step);
    const last = runs.at(-1);
    if (last?.part === part) last.length++;
    else runs.push({ part, length: 1 });
  }
  return runs;
}

function lines(step: MissStep, before: MissStep | undefined): HTMLElement[] {
  const part = partOf(step);
  const found = [
    el(
      "li",
      { style: `--swatch: var(${part.colour})` },
      hex(step.address),
      el("span", {}, step.word === null ? "" : hex(step.word)),
      el("b", {}, step.text),
      el("span", { class: "comment" }, step.comment),
    ),
  ];
  if (before === undefined || partOf(before) !== part)
    found.unshift(
      el("li", { class: "part", style: `--swatch: var(${part.colour})` }, section(part.name, step.section)),
    );
  if (step.exit !== undefined)
    found.push(el("li", { class: "exit" }, `exit: the hypervisor settles ${step.exit} in TypeScript`));
  return found;
}

const section = (part: string, name: string): string => (name === part ? part : `${part} (${name})`);
