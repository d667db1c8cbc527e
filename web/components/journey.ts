import {
  explanationText,
  type Explanation,
  type HostTlbEntryView,
  type ModeExplanation,
  type TlbEntryView,
} from "../../src/index.ts";
import { bytes, el, hex } from "../dom.ts";

/** The way of an address to memory: GVA, GPA, HPA, what lies between, and what accesses there would do now. */
export class Journey {
  readonly element: HTMLElement;
  private readonly entry = el("table", { class: "entry" });
  private readonly stations = el("ol", { class: "stations" });
  private readonly text = el("pre", { role: "group", "aria-label": "Every step of the way" });

  constructor() {
    this.element = el("div", { class: "journey" }, this.entry, this.stations, this.text);
  }

  /** `entry` is the TLB entry that it is about, if it is one. */
  show(explanation: Explanation, entry: TlbEntryView | HostTlbEntryView | null): void {
    const mode = modeOf(explanation, entry);
    this.entry.hidden = entry === null;
    if (entry !== null) this.entry.replaceChildren(...decoded(entry));
    this.stations.replaceChildren(...stations(explanation, mode));
    const text = explanationText(explanation);
    if (this.text.textContent !== text) this.text.replaceChildren(...lines(text));
  }
}

/** Each line by itself, so that what does not fit goes on below where it began. */
const lines = (text: string): HTMLElement[] => text.split(/(?<=\n)/).map((line) => el("span", {}, line));

/** A TLB entry with its fields, a row for each of its pages. */
function decoded(entry: TlbEntryView | HostTlbEntryView): HTMLElement[] {
  const { index, vpn2, pageSize, global, asid, halves } = entry;
  const whose = "space" in entry ? "Host" : "Guest";
  const space = global ? "global" : `ASID ${asid.toString(16).padStart(2, "0")}`;
  const flag = (set: boolean): string => (set ? "1" : "0");
  const names = ["page", "physical", "V", "D", "C", "RI", "XI"];
  const rows = halves.map(({ virtual, physical, valid, dirty, cache, readInhibit, executeInhibit }) => [
    ...[hex(virtual), hex(physical), flag(valid), flag(dirty)],
    ...[String(cache), flag(readInhibit), flag(executeInhibit)],
  ]);
  return [
    el(
      "caption",
      {},
      `${whose} TLB entry ${index}: VPN2 ${hex(vpn2)}, pages of ${bytes(pageSize)}, ${space}`,
    ),
    el("thead", {}, el("tr", {}, ...names.map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map((value) => el("td", {}, value))))),
  ];
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
