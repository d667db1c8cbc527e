import type { ListedPart, ListedWord, Miss, MissStep } from "../../src/web/index.ts";
import { button, count, el, hex } from "../dom.ts";
import { hostInstructions, partOf, stretchesOf, type Stretch } from "./miss-parts.ts";

/** The last misses of a kind, and the way of one of them with the code in which it went. */
export class MissColumn {
  readonly element: HTMLElement;
  private readonly last = el("ol", { class: "last" });
  private readonly none = el("p", { class: "hint" });
  private readonly way = el("ol", { class: "way" });
  private readonly code = el("div", { class: "ran" });
  private readonly detail: HTMLElement;
  private readonly kept: number;
  private misses: readonly Miss[] = [];
  private chosen: Miss | null = null;
  private parts: readonly ListedPart[] = [];
  /** Instructions that a full bar stands for. */
  private scale = 1;

  /** `follow` is to follow the next miss of this kind; the last `kept` are shown. */
  constructor(title: string, what: string, follow: HTMLButtonElement, kept: number) {
    this.kept = kept;
    this.detail = el(
      "div",
      {},
      el("h3", {}, "From fault to retry"),
      this.way,
      el("h3", {}, "Code; what ran is marked"),
      this.code,
    );
    this.last.setAttribute("aria-label", `${title}: the last misses`);
    this.element = el(
      "section",
      { "aria-label": title },
      el("div", { class: "title" }, el("h2", {}, title, " ", el("small", {}, what)), follow),
      this.none,
      this.last,
      this.detail,
    );
  }

  /** The longest way that there is, in instructions of the host. */
  get longest(): number {
    return Math.max(0, ...this.misses.map(hostInstructions));
  }

  /** Forgets everything. `none` says why there is no miss, and what would cause one. */
  clear(none: string): void {
    this.misses = [];
    this.chosen = null;
    this.none.textContent = none;
    this.show();
  }

  /** Takes a miss, which is shown from now on. `parts` is all generated code. */
  add(miss: Miss, parts: readonly ListedPart[]): void {
    this.misses = [miss, ...this.misses].slice(0, this.kept);
    this.chosen = miss;
    this.parts = parts;
    this.show();
  }

  /** Draws bars so that a full one stands for so many instructions. */
  scaleTo(instructions: number): void {
    if (instructions === this.scale) return;
    this.scale = instructions;
    this.showLast();
  }

  private show(): void {
    const { chosen } = this;
    this.none.hidden = chosen !== null;
    this.last.hidden = this.detail.hidden = chosen === null;
    this.showLast();
    if (chosen === null) return;
    const stretches = stretchesOf(chosen);
    this.way.replaceChildren(...wayItems(chosen, stretches));
    this.code.replaceChildren(...codeOf(stretches, this.parts));
  }

  private showLast(): void {
    this.last.replaceChildren(
      ...this.misses.map((miss) => {
        const { access, address, time } = miss;
        const instructions = hostInstructions(miss);
        const chooser = button("", `The miss at tick ${count(time)}`, () => {
          this.chosen = miss;
          this.show();
        });
        chooser.ariaPressed = String(miss === this.chosen);
        chooser.append(
          el("code", {}, `${access} ${hex(address)}`),
          el("span", {}, count(instructions)),
          this.barOf(miss),
        );
        return el("li", {}, chooser);
      }),
    );
  }

  private barOf(miss: Miss): HTMLElement {
    const bar = el("span", { class: "bar" });
    const onHost = stretchesOf(miss).filter(({ part }) => part !== "guest");
    for (const { part, steps } of onHost)
      bar.append(
        el("span", {
          style: `--swatch: var(${partOf(part).colour}); width: ${(steps.length / this.scale) * 100}%`,
        }),
      );
    return bar;
  }
}

const words = (steps: number): string => (steps === 1 ? "1 instruction" : `${count(steps)} instructions`);

/** The stations of a way. */
function wayItems({ access, address, pc, time }: Miss, stretches: readonly Stretch[]): HTMLElement[] {
  const item = (of: `--${string}`, name: string, note: string, kind = ""): HTMLElement =>
    el("li", { class: kind, style: `--swatch: var(${of})` }, el("b", {}, name), " ", note);
  const where = { load: "load from", store: "store to", fetch: "fetch from" }[access];
  const by = access === "fetch" ? "" : `, at ${hex(pc)}`;
  const fault = `${where} ${hex(address)}${by}, tick ${count(time)}`;
  const items = [item("--ink", "fault", fault)];
  for (const [i, { part, steps, exit }] of stretches.entries()) {
    const { name, colour } = partOf(part);
    if (part !== "guest") items.push(item(colour, name, words(steps.length)));
    else if (i === stretches.length - 1) items.push(item(colour, ...endOf(pc, steps)));
    else items.push(item(colour, name, `${steps[0]!.text} faults`));
    if (exit !== null)
      items.push(item("--ink", "exit", `the hypervisor settles ${exit} in TypeScript`, "exit"));
  }
  return items;
}

/** Where the guest goes on: with the instruction that missed, or elsewhere, if the miss is its own to handle. */
function endOf(pc: number, steps: readonly MissStep[]): [name: string, note: string] {
  const { address, text } = steps[0]!;
  // In a delay slot `pc` is the branch before it.
  return address === pc || address === pc + 4
    ? ["retry", text]
    : ["guest", `goes on at ${hex(address)}, with an exception of its own`];
}

/** The code of each part that was gone through, up to where its listing has nothing that ran any more. */
function codeOf(stretches: readonly Stretch[], parts: readonly ListedPart[]): HTMLElement[] {
  const ran = new Map<number, number>();
  for (const { address } of stretches.flatMap(({ steps }) => steps))
    ran.set(address, (ran.get(address) ?? 0) + 1);
  const found: HTMLElement[] = [];
  for (const part of new Set(stretches.map((stretch) => stretch.part))) {
    const listed = parts.find((one) => one.part === part)?.words ?? [];
    const labels = new Set(listed.filter(({ address }) => ran.has(address)).map(({ label }) => label));
    const shown = listed.filter(({ label }) => labels.has(label));
    if (shown.length > 0) found.push(partCode(part, shown, ran));
  }
  return found;
}

function partCode(
  part: Stretch["part"],
  listed: readonly ListedWord[],
  ran: ReadonlyMap<number, number>,
): HTMLElement {
  const { name, colour } = partOf(part);
  const executed = listed.filter(({ address }) => ran.has(address)).length;
  const lines: HTMLElement[] = [];
  let label = "";
  for (const word of listed) {
    if (word.label !== label) lines.push(el("li", { class: "label" }, `${(label = word.label)}:`));
    lines.push(line(word, ran.get(word.address) ?? 0));
  }
  return el(
    "details",
    { open: part === "refill", style: `--swatch: var(${colour})` },
    el("summary", {}, el("b", {}, name), ` ${executed} of ${listed.length} words ran`),
    el("ol", { class: "code", tabindex: "0", "aria-label": `${name}: its code` }, ...lines),
  );
}

function line({ address, word, text, comment }: ListedWord, times: number): HTMLElement {
  return el(
    "li",
    { class: times > 0 ? "executed" : "" },
    el("span", { class: "times" }, times > 1 ? `${times}×` : times === 1 ? "•" : ""),
    hex(address),
    el("span", {}, hex(word)),
    el("b", {}, text),
    el("span", { class: "comment" }, comment),
  );
}
