import {
  explanationText,
  type Explanation,
  type HostTlbEntryView,
  type ModeExplanation,
  type TlbEntryView,
} from "../../src/index.ts";
import { el, hex } from "../dom.ts";

/** The way of an address to memory: GVA, GPA, HPA, what lies between, and what accesses there would do now. */
export class Journey {
  readonly element: HTMLElement;
  private readonly stations = el("ol", { class: "stations" });
  private readonly text = el("pre", { tabindex: "0", "aria-label": "Every step of the way" });

  constructor() {
    this.element = el("div", { class: "journey" }, this.stations, this.text);
  }

  /** `entry` is the TLB entry that it is about, if it is one. */
  show(explanation: Explanation, entry: TlbEntryView | HostTlbEntryView | null): void {
    const mode = modeOf(explanation, entry);
    this.stations.replaceChildren(...stations(explanation, mode));
    const text = explanationText(explanation);
    if (this.text.textContent !== text) this.text.textContent = text;
  }
}

/** The mode whose address space it is, or the one that the guest is in. */
function modeOf(
  { kernel, user }: Explanation,
  entry: TlbEntryView | HostTlbEntryView | null,
): ModeExplanation {
  const space = entry !== null && "space" in entry ? entry.space : null;
  if (space?.of === "guest") return space.mode === "user" ? user : kernel;
  return user.current ? user : kernel;
}

function stations({ gva, host }: Explanation, mode: ModeExplanation): HTMLElement[] {
  const physical = mode.steps.find(({ step }) => step === "physical");
  const station = (name: string, value: string, note: string): HTMLElement =>
    el("li", {}, el("b", {}, name), el("code", {}, value), el("span", {}, note));
  const found = [station("GVA", hex(gva), `${mode.mode} mode`)];
  const translated = mode.steps.some(({ step }) => step === "guest-tlb") ? "guest TLB" : "by subtraction";
  if (physical?.step === "physical") {
    found.push(station(host === "bare" ? "PA" : "GPA", hex(physical.physical), translated));
    const { memory, device } = physical;
    if (memory === null) found.push(station("device", device ?? "none", "no memory"));
    else if (host !== "bare") found.push(station("HPA", hex(memory.host), memory.name));
  } else found.push(station("no GPA", "–", "not mapped by the guest"));
  return found;
}
