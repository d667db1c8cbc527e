/** What `explain` found, in words. */
import type { AccessKind, Explanation, ModeExplanation, Outcome, Step } from "./explanation.ts";
import type { HostTlbEntryView, PteView, RootView, TlbEntryView, TlbHalfView } from "./views.ts";

const hex = (value: number): string => value.toString(16).padStart(8, "0");

/** A size in bytes as people write it. */
function sizeText(bytes: number): string {
  return bytes >= 2 ** 20 ? `${bytes / 2 ** 20}M` : `${bytes / 2 ** 10}K`;
}

function halfText(half: TlbHalfView): string {
  if (!half.valid) return "invalid";
  const flags = [half.dirty ? "writable" : "read-only"];
  if (half.readInhibit) flags.push("no reads");
  if (half.executeInhibit) flags.push("no fetches");
  return `${hex(half.physical)} ${flags.join(", ")}`;
}

function entryText({ index, vpn2, pageSize, asid, global, halves }: TlbEntryView): string {
  const space = global ? "global" : `ASID ${asid.toString(16).padStart(2, "0")}`;
  return `${String(index).padStart(4)}  ${hex(vpn2)} ${sizeText(pageSize).padStart(4)}  ${space}  ${halves
    .map(halfText)
    .join(" | ")}`;
}

/** A TLB that the guest sees, an entry a line. */
export function guestTlbText(entries: readonly TlbEntryView[]): string {
  return entries.map(entryText).join("\n");
}

/** The machine's TLB, an entry a line, and whose it is. */
export function hostTlbText(entries: readonly HostTlbEntryView[]): string {
  const whose = ({ space }: HostTlbEntryView): string => {
    if (space === null) return "";
    if (space.of !== "guest") return space.of === "host" ? "  (the VMM's)" : "  (no one's)";
    return `  (guest ${space.mode}, guest ASID ${space.guestAsid.toString(16)})`;
  };
  return entries.map((entry) => entryText(entry) + whose(entry)).join("\n");
}

function rootText({ mode, guestAsid, pgd, hostAsid, inUse, live, tables }: RootView): string {
  const state = live ? "live" : inUse ? "in use" : "parked";
  const asid = hostAsid === null ? "no current host ASID" : `host ASID ${hostAsid.toString(16)}`;
  return `${mode}, guest ASID ${guestAsid.toString(16)}: at ${hex(pgd)}, ${asid}, ${tables} tables, ${state}`;
}

/** The roots of GVA tables, one a line. */
export function rootsText(roots: readonly RootView[]): string {
  return roots.map(rootText).join("\n");
}

function pteText({ at, value, hpa, present, valid, writable }: PteView): string {
  if (!present) return `PTE at ${hex(at)} is empty`;
  return `PTE at ${hex(at)} is ${hex(value)}: ${hex(hpa)}${valid ? "" : ", not valid"}, ${writable ? "writable" : "read-only"}`;
}

const SEGMENTS = {
  mapped: "translated by the guest's TLB",
  kseg0: "direct",
  mmio: "devices",
  illegal: "no guest may go there",
} as const;

/** A step as a heading and what there is. */
function stepText(step: Step, host: Explanation["host"]): [heading: string, text: string] {
  switch (step.step) {
    case "guest-segment": {
      const denied = step.allowed ? "" : ", not for this mode";
      return ["guest map", `${hex(step.first)}-${hex(step.last)}: ${SEGMENTS[step.kind]}${denied}`];
    }
    case "guest-tlb":
      return ["guest TLB", tlbText(step)];
    case "commpage":
      return ["guest map", "the page with the guest's CP0 registers is mapped here"];
    case "physical": {
      const { memory, device, physical } = step;
      if (memory === null) return ["guest memory", `${hex(physical)}: ${device ?? "nothing is there"}`];
      const access = memory.readonly ? ", read-only" : "";
      return [
        "guest memory",
        `${hex(physical)} in ${memory.name}, at ${hex(memory.host)} of the host${access}`,
      ];
    }
    case "root":
      if (step.root === null)
        return ["GVA root", `guest ASID ${step.guestAsid.toString(16)} has none yet: an empty one`];
      return ["GVA root", rootText(step.root)];
    case "walk": {
      const slots = step.slots.map(
        ({ level, index, at, next }) =>
          `${level}[${index}] at ${hex(at)} ${next === null ? "is empty" : `leads to ${hex(next)}`}`,
      );
      if (step.pte !== null) slots.push(pteText(step.pte));
      return ["GVA table", slots.join("; ")];
    }
    case "host-segment": {
      const routes = { mapped: "translated by the TLB", unmapped: "not translated", error: "address error" };
      return [host === "bare" ? "segment" : "host CPU", routes[step.route]];
    }
    case "host-tlb":
      return [host === "bare" ? "TLB" : "host TLB", tlbText(step)];
  }
}

function tlbText(step: Extract<Step, { entry: unknown }>): string {
  if (step.asid === null) return "nothing: there is no current host ASID";
  if (step.entry === null || step.half === null) return `no entry in ASID ${step.asid.toString(16)}`;
  const { index, vpn2, pageSize, global } = step.entry;
  const space = global ? "global" : `ASID ${step.asid.toString(16)}`;
  return `entry ${index} of ${hex(vpn2)}, ${sizeText(pageSize)}, ${space}: ${halfText(step.half)}`;
}

/** What an access does, in words. */
function outcomeText(outcome: Outcome, host: Explanation["host"]): string {
  const { verdict, fastRefills, exits, exception } = outcome;
  const refills = fastRefills === 0 ? "" : fastRefills === 1 ? "refill, " : `${fastRefills} refills, `;
  const way = `${refills}${exits.map((cause) => `exit (${cause}), `).join("")}`;
  const physical = outcome.physical === null ? "" : ` at ${hex(outcome.physical)}`;
  switch (verdict) {
    case "hit":
      return `goes through${physical}`;
    case "refill":
      return `${host === "bare" ? "page walk, " : way}then goes through${physical}`;
    case "fill":
      return `${way}the page is mapped, then goes through${physical}`;
    case "exception": {
      const whose = host === "bare" ? "" : "the guest gets ";
      return `${way}${whose}${exception!.name} at its ${exception!.vector} vector`;
    }
    case "device":
      return `${way}access to a device${physical}`;
    case "failure":
      return `${way}the guest cannot go on`;
  }
}

const ACCESSES: readonly AccessKind[] = ["load", "store", "fetch"];

function modeText(part: ModeExplanation, host: Explanation["host"]): string[] {
  const row = ([heading, text]: readonly [string, string]): string => `  ${heading.padEnd(13)} ${text}`;
  return [
    `${part.mode} mode${part.current ? ", which the guest is in" : ""}:`,
    ...part.steps.map((step) => row(stepText(step, host))),
    ...ACCESSES.map((access) => row([`a ${access}`, outcomeText(part.outcomes[access], host)])),
  ];
}

/** All of an explanation, in lines; the mode that the guest is in comes first. */
export function explanationText(explanation: Explanation): string {
  const { gva, size, host, kernel, user } = explanation;
  const modes = user.current ? [user, kernel] : [kernel, user];
  const bytes = size === 1 ? "a byte" : `${size} bytes`;
  return [`${hex(gva)}, loads and stores of ${bytes}`, ...modes.flatMap((part) => modeText(part, host))].join(
    "\n",
  );
}
