import { TICKS_PER_SECOND, type Stats } from "../../src/index.ts";
import { changeSettings, type RunState, type Sample, type Settings } from "../../src/web/index.ts";
import { button, count, el } from "../dom.ts";
import { GuestSession, type ChosenFiles } from "../guest-session.ts";
import type { View } from "./tabs.ts";

/** Two ways to run a guest that are worth comparing. */
interface Comparison {
  readonly name: string;
  readonly sides: readonly [readonly [string, Settings], readonly [string, Settings]];
}

const COMPARISONS: readonly Comparison[] = [
  {
    name: "Refill: fast, slow",
    sides: [
      ["fast", { refill: "fast" }],
      ["slow", { refill: "slow" }],
    ],
  },
  {
    name: "GVA roots: 8, 1",
    sides: [
      ["8 roots", { gvaRoots: 8 }],
      ["1 root", { gvaRoots: 1 }],
    ],
  },
  {
    name: "Fast exits: on, off",
    sides: [
      ["on", { fastExits: "on" }],
      ["off", { fastExits: "off" }],
    ],
  },
  {
    name: "Guest TLB: 512, 64",
    sides: [
      ["512 entries", { guestTlb: 512 }],
      ["64 entries", { guestTlb: 64 }],
    ],
  },
  {
    name: "Mode: te, bare",
    sides: [
      ["te", { mode: "te" }],
      ["bare", { mode: "bare" }],
    ],
  },
];

/** What is typed into the demo guest, unless something else is wanted. */
const WORKLOAD = "asid 2000 16";

const sum = (values: Readonly<Record<string, number>>): number =>
  Object.values(values).reduce((total, value) => total + value, 0);

/** What is compared, besides exits by cause. */
const FIGURES: readonly (readonly [string, (sample: Sample) => number])[] = [
  ["milliseconds here", ({ milliseconds }) => Math.round(milliseconds)],
  ["guest time, µs", ({ time }) => Math.round((time / TICKS_PER_SECOND) * 1e6)],
  ["guest instructions", ({ stats }) => stats.guestInstructions],
  ["host instructions", ({ stats }) => stats.instructions - stats.guestInstructions],
  ["refills by the handler", ({ stats }) => stats.refills.fast],
  ["refills by an exit", ({ stats }) => stats.refills.slow],
  ["fast exits", ({ stats }) => sum(stats.fastExits)],
  ["exits", ({ stats }) => sum(stats.exits)],
];

/** One guest under two configurations, one after the other, and where time and exits go. */
export class CompareView implements View {
  readonly title = "Compare";
  readonly element: HTMLElement;
  private readonly session: GuestSession;
  private readonly what: HTMLSelectElement;
  private readonly typed = el("input", { type: "text", value: WORKLOAD, spellcheck: "false" });
  private readonly start = el("button", { type: "submit", class: "primary" }, "Run both");
  private readonly end = button("Stop", "Stop the comparison", () => this.stop("stopped"));
  private readonly state = el("p", { class: "hint", role: "status" });
  private readonly table = el("table", { class: "compare" });
  private running: GuestSession | null = null;

  constructor(session: GuestSession) {
    this.session = session;
    this.what = el(
      "select",
      {},
      ...COMPARISONS.map(({ name }, i) => el("option", { value: String(i) }, name)),
    );
    const form = el(
      "form",
      { class: "explain" },
      el("label", {}, "What differs ", this.what),
      el("label", {}, "Typed ", this.typed),
      this.start,
      this.end,
    );
    this.canStart(true);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.session.snapshot !== null) {
        this.state.textContent =
          "A saved state has no beginning to start from: choose a kernel, or the demo guest, under Guest.";
        return;
      }
      void this.compare(COMPARISONS[Number(this.what.value)]!);
    });
    this.element = el(
      "div",
      { class: "view" },
      el(
        "p",
        { class: "hint" },
        "The guest of this page is started twice, anew, from its beginning to its power-off, with the same input. The demo guest takes one of its commands.",
      ),
      form,
      this.state,
      this.table,
    );
  }

  onShown(shown: boolean): void {
    if (shown) this.session.client.watch({});
  }

  /** A comparison can be started, or one runs that can be stopped. */
  private canStart(can: boolean): void {
    this.start.disabled = !can;
    this.end.disabled = can;
  }

  private async compare({ sides }: Comparison): Promise<void> {
    this.stop("");
    this.canStart(false);
    const samples: (Sample | null)[] = [null, null];
    const names = sides.map(([name]) => name);
    // The page's guest may become another one meanwhile.
    const { settings: own, files } = this.session;
    try {
      for (const [i, [name, settings]] of sides.entries()) {
        this.state.textContent = `running: ${name}`;
        const end = await this.run(changeSettings(own, settings), files, (sample) => {
          samples[i] = sample;
          this.show(names, samples);
        });
        if (end.kind === "paused") return;
        if (end.kind === "failed") {
          this.state.textContent = `${name}: ${end.report.split("\n")[0]}`;
          return;
        }
      }
      this.state.textContent = "Both have come to their end.";
    } finally {
      this.canStart(true);
    }
  }

  /** Runs one side to its end; "paused" if it was stopped before. */
  private run(settings: Settings, files: ChosenFiles, onSample: (sample: Sample) => void): Promise<RunState> {
    const side = new GuestSession();
    this.running = side;
    const ended = new Promise<RunState>((resolve) => {
      side.client.listen({
        sample: ({ sample }) => onSample(sample),
        console: ({ bytes }) => side.client.shown(bytes.length),
        started: () => {
          if (files.kernel === undefined)
            side.client.send(new TextEncoder().encode(`${this.typed.value}\npoweroff\n`));
        },
      });
      side.addEventListener("change", () => {
        if (side.state?.kind === "off" || side.state?.kind === "failed") resolve(side.state);
      });
      side.addEventListener("refused", () => resolve({ kind: "failed", report: side.problem! }));
      side.addEventListener("closed", () => resolve({ kind: "paused" }));
    });
    void side.start(settings, files);
    return ended.finally(() => side.close());
  }

  private stop(note: string): void {
    this.running?.close();
    this.running = null;
    this.state.textContent = note;
  }

  private show(names: readonly string[], samples: readonly (Sample | null)[]): void {
    const causes = [...new Set(samples.flatMap((sample) => Object.keys(sample?.stats.exits ?? {})))].sort();
    const exitsFor =
      (cause: string) =>
      ({ stats }: { readonly stats: Stats }): number =>
        stats.exits[cause] ?? 0;
    const rows = [
      ...FIGURES.map(([name, of]) => row(name, samples, of)),
      ...causes.map((cause) => row(`  ${cause}`, samples, exitsFor(cause))),
    ];
    this.table.replaceChildren(
      el("thead", {}, el("tr", {}, el("td"), ...names.map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, ...rows),
    );
  }
}

function row(name: string, samples: readonly (Sample | null)[], of: (sample: Sample) => number): HTMLElement {
  const values = samples.map((sample) => (sample === null ? null : of(sample)));
  const most = Math.max(1, ...values.map((value) => value ?? 0));
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, name),
    ...values.map((value, i) =>
      el(
        "td",
        {},
        value === null ? "" : count(value),
        el("span", {
          class: "amount",
          style: `--part: ${((value ?? 0) / most) * 100}%; --swatch: var(${i === 0 ? "--c1" : "--c2"})`,
        }),
      ),
    ),
  );
}
