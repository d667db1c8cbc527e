import type { Sample } from "../../src/web/index.ts";
import { el } from "../dom.ts";
import type { GuestSession } from "../guest-session.ts";
import { RateChart, type Rate } from "./rate-chart.ts";

/** Causes of exits under KVM's names, each with its colour. */
const CAUSES: readonly Rate[] = [
  { name: "tlbmiss_ld", colour: "--c1" },
  { name: "tlbmiss_st", colour: "--c2" },
  { name: "tlbmod", colour: "--c3" },
  { name: "addrerr_ld", colour: "--c4" },
  { name: "addrerr_st", colour: "--c5" },
  { name: "cop_unusable", colour: "--c6" },
  { name: "interrupt", colour: "--c7" },
];
const OTHER: Rate = { name: "others", colour: "--c8" };

const REFILLS: readonly Rate[] = [
  { name: "slow, by an exit", colour: "--c2" },
  { name: "fast, by the handler", colour: "--c1" },
];

/** Exits and refills over time. */
export class Activity {
  readonly element: HTMLElement;
  private readonly exits = new RateChart("Exits by cause", [...CAUSES, OTHER]);
  private readonly refills = new RateChart("Refills", REFILLS);

  constructor(session: GuestSession) {
    this.element = el("div", { class: "activity" }, this.exits.element, this.refills.element);
    session.addEventListener("restart", () => {
      const isBare = !session.hypervisor;
      this.exits.clear(isBare ? "None: this guest is directly on the machine, without a hypervisor." : null);
      this.refills.clear(
        isBare ? "None that a hypervisor would count: the guest's own kernel does them." : null,
      );
    });
    session.client.listen({ sample: ({ sample }) => this.show(sample) });
  }

  private show({ milliseconds, stats }: Sample): void {
    const seconds = milliseconds / 1000;
    const known = CAUSES.map(({ name }) => stats.exits[name] ?? 0);
    const all = Object.values(stats.exits).reduce((sum, value) => sum + value, 0);
    this.exits.add(seconds, [...known, all - known.reduce((sum, value) => sum + value, 0)]);
    this.refills.add(seconds, [stats.refills.slow, stats.refills.fast]);
  }
}
