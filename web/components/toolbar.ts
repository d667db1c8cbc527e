import type { Sample } from "../../src/web/index.ts";
import { TICKS_PER_SECOND } from "../../src/index.ts";
import { brief, button, count, el } from "../dom.ts";
import type { GuestSession } from "../guest-session.ts";

/** The top of the page: what the guest is doing, and what makes it do something else. */
export class Toolbar {
  readonly element: HTMLElement;
  private readonly session: GuestSession;
  private readonly run = button("Pause", "Hold the guest, or let it run on", () => this.toggle());
  private readonly step = button("Step", "Execute one instruction of the guest", () =>
    this.session.client.step("instruction"),
  );
  private readonly back = button("To previous exit", "Bring the guest back to its last exit before", () =>
    this.session.client.step("previous-exit"),
  );
  private readonly exit = button(
    "To next exit",
    "Run the guest up to its next exit into the hypervisor",
    () => this.session.client.step("exit"),
  );
  private readonly restart: HTMLButtonElement;
  private readonly state = el("strong", { class: "state" });
  private readonly hint = el("span", { role: "status" });
  private readonly figures = {
    time: el("span"),
    speed: el("span"),
    exits: el("span"),
    refills: el("span"),
  };
  private last: Sample | null = null;

  constructor(session: GuestSession) {
    this.session = session;
    this.restart = button("Restart", "Start the guest from its beginning", () => session.restart());
    const { time, speed, exits, refills } = this.figures;
    this.element = el(
      "header",
      { class: "toolbar" },
      el("h1", {}, "kseg"),
      el(
        "div",
        { class: "buttons", role: "toolbar", "aria-label": "The guest's run" },
        this.run,
        this.back,
        this.step,
        this.exit,
        this.restart,
      ),
      el("div", { class: "figures" }, this.state, time, speed, exits, refills, this.hint),
      el("small", { class: "keys" }, el("kbd", {}, "F6"), " console or views"),
    );
    session.addEventListener("change", () => this.showState());
    session.addEventListener("refused", () => this.showState());
    session.addEventListener("restart", () => {
      this.last = null;
      this.hint.textContent = session.snapshot === null ? "" : "restored: press Enter for a prompt";
      this.showState();
    });
    session.client.listen({
      sample: ({ sample }) => this.showFigures(sample),
      console: () => (this.hint.textContent = ""),
    });
    this.showState();
  }

  private toggle(): void {
    if (this.session.state?.kind === "running") this.session.client.pause();
    else this.session.client.run();
  }

  private showState(): void {
    const { state, problem } = this.session;
    const kind = state?.kind ?? (problem === null ? "starting" : "no guest");
    this.run.textContent = kind === "running" ? "Pause" : "Run";
    this.run.disabled = kind !== "running" && kind !== "paused";
    this.back.disabled = this.step.disabled = this.exit.disabled = kind !== "paused";
    this.restart.disabled = state === null;
    this.state.textContent = state?.kind === "paused" && state.at !== undefined ? `at ${state.at}` : kind;
    this.state.dataset["state"] = kind;
  }

  private showFigures(sample: Sample): void {
    const { time, speed, exits, refills } = this.figures;
    const { stats } = sample;
    const passed = this.last === null ? 0 : sample.milliseconds - this.last.milliseconds;
    if (passed > 0) {
      const instructions = stats.instructions - this.last!.stats.instructions;
      speed.textContent = `${brief((instructions / passed) * 1000)} instructions/s`;
    }
    this.last = sample;
    const total = Object.values(stats.exits).reduce((sum, value) => sum + value, 0);
    time.textContent = `${(sample.time / TICKS_PER_SECOND).toFixed(2)} s of guest time`;
    exits.textContent = `${count(total)} exits`;
    refills.textContent = `${count(stats.refills.fast + stats.refills.slow)} refills`;
    this.element.dataset["time"] = String(sample.time);
  }
}
