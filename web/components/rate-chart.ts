import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { brief, colour, count, el, onColourScheme } from "../dom.ts";

/** One thing that is counted. */
export interface Rate {
  readonly name: string;
  /** A colour of the style sheet. */
  readonly colour: `--${string}`;
}

/** Points of a chart, which is the last half minute at ten points a second. */
const POINTS = 300;
const SPAN = 30;

/** How often things happened in each second of the guest's last half minute, one upon the other, with totals. */
export class RateChart {
  readonly element: HTMLElement;
  private readonly plot: HTMLElement;
  private readonly rates: readonly Rate[];
  private readonly none = el("p", { class: "hint", hidden: true });
  private readonly list: HTMLElement;
  private readonly totals: HTMLElement[];
  private readonly items: HTMLElement[];
  private chart: uPlot | null = null;
  /** Seconds, and for each rate what happened per second up to then. */
  private times: number[] = [];
  private values: number[][];
  private before: { readonly seconds: number; readonly counts: readonly number[] } | null = null;

  constructor(title: string, rates: readonly Rate[]) {
    this.rates = rates;
    this.values = rates.map(() => []);
    this.totals = rates.map(() => el("b", {}, "0"));
    this.items = rates.map(({ name, colour: of }, i) =>
      el("li", { style: `--swatch: var(${of})` }, el("span", {}, name), " ", this.totals[i]!),
    );
    this.list = el("ul", { "aria-label": `${title}: totals` }, el("li", {}, "Total:"), ...this.items);
    this.plot = el("div", { class: "plot", role: "img", "aria-label": `${title} per second, as a chart` });
    this.element = el(
      "section",
      { class: "rates" },
      el("h2", {}, title, el("small", {}, " per second")),
      this.none,
      this.plot,
      this.list,
    );
    new ResizeObserver(() => this.resize()).observe(this.plot);
    onColourScheme(() => this.rebuild());
  }

  /** Takes the totals so far, one for each rate, after so many seconds of running. */
  add(seconds: number, counts: readonly number[]): void {
    const { before } = this;
    for (const [i, total] of this.totals.entries()) {
      total.textContent = count(counts[i]!);
      this.items[i]!.hidden = counts[i] === 0;
    }
    if (before !== null && seconds <= before.seconds) return;
    if (before !== null) {
      const passed = seconds - before.seconds;
      this.times.push(seconds);
      for (const [i, values] of this.values.entries()) values.push((counts[i]! - before.counts[i]!) / passed);
      if (this.times.length > POINTS) for (const list of [this.times, ...this.values]) list.shift();
    }
    this.before = { seconds, counts };
    this.draw();
  }

  /** Forgets everything: there is another guest. `none` says why nothing is counted there, if that is so. */
  clear(none: string | null): void {
    this.none.textContent = none ?? "";
    this.none.hidden = none === null;
    this.plot.hidden = this.list.hidden = none !== null;
    this.times = [];
    this.values = this.rates.map(() => []);
    this.before = null;
    this.draw();
  }

  /** The largest sum first: what lies below is drawn over it. */
  private stacked(): number[][] {
    const sums: number[][] = [];
    for (let i = this.values.length - 1; i >= 0; i--) {
      const below = sums[0];
      sums.unshift(this.values[i]!.map((value, n) => value + (below?.[n] ?? 0)));
    }
    return sums;
  }

  private draw(): void {
    this.chart?.setData([this.times, ...this.stacked()]);
  }

  private resize(): void {
    const { clientWidth, clientHeight } = this.plot;
    if (clientWidth > 0) this.chart?.setSize({ width: clientWidth, height: clientHeight });
  }

  private rebuild(): void {
    this.chart?.destroy();
    const axis = {
      stroke: colour("--faint"),
      grid: { stroke: colour("--rule"), width: 1 },
      ticks: { show: false },
      font: "11px system-ui, sans-serif",
    };
    const options: uPlot.Options = {
      width: Math.max(this.plot.clientWidth, 100),
      height: Math.max(this.plot.clientHeight, 60),
      legend: { show: false },
      cursor: { show: false },
      padding: [6, 14, 0, 0],
      scales: {
        x: { time: false, range: (_, least, most) => [Math.max(least ?? 0, most - SPAN), Math.max(most, 1)] },
        y: { range: (_, _least, most) => [0, Math.max(most * 1.05, 10)] },
      },
      axes: [
        { ...axis, size: 20, values: (_, splits) => splits.map((split) => `${split} s`) },
        { ...axis, size: 38, values: (_, splits) => splits.map(brief) },
      ],
      series: [
        {},
        ...this.rates.map(({ name, colour: of }) => ({
          label: name,
          fill: colour(of),
          width: 0,
          points: { show: false },
        })),
      ],
    };
    this.chart = new uPlot(options, [this.times, ...this.stacked()], this.plot);
  }
}
