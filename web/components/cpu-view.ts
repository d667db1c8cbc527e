import type { CodeView, Cp0View, RegistersView } from "../../src/index.ts";
import { GPR } from "../../src/index.ts";
import type { Views } from "../../src/web/index.ts";
import { button, el, hex, parseAddress, setText } from "../dom.ts";
import type { GuestSession } from "../guest-session.ts";
import type { View } from "./tabs.ts";

const BEFORE = 8;
const AFTER = 16;

/** The names of $0 to $31. */
const NAMES = Object.entries(GPR)
  .sort(([, a], [, b]) => a - b)
  .map(([name]) => name);

/** The guest's processor: its registers, what it is about to execute, and where it is to stop. */
export class CpuView implements View {
  readonly title = "CPU";
  readonly element: HTMLElement;
  private readonly session: GuestSession;
  private readonly code = el("ol", {
    class: "code",
    tabindex: "0",
    "aria-label": "Instructions around the guest's pc",
  });
  private readonly registers = el("dl", { class: "registers" });
  private readonly where = el("small");
  private readonly cp0 = el("table", { class: "cp0" });
  private readonly whose = el(
    "select",
    { "aria-label": "Whose CP0 registers" },
    el("option", { value: "guest" }, "as the guest reads them"),
    el("option", { value: "host" }, "of the machine"),
  );
  private readonly cp0Rows = new Map<string, Cp0Row>();
  private readonly lines = Array.from(
    { length: BEFORE + 1 + AFTER },
    () => new CodeLine((address) => this.toggleBreakpoint(address)),
  );
  private readonly noCode = el("li", {}, "The guest has no memory there.");
  private readonly breakpoints = new Set<number>();
  private readonly stops = el("div", { class: "stops", role: "group", "aria-label": "Breakpoints" });
  private readonly around = el("input", {
    type: "text",
    "aria-label": "Address of the code",
    placeholder: "address",
    size: "10",
    spellcheck: "false",
  });
  /** Whose code is shown: around an address, or what is executed next. */
  private center: number | "pc" = "pc";
  private readonly values = new Map<string, HTMLElement>();
  private shown: Views | null = null;
  private visible = false;

  constructor(session: GuestSession) {
    this.session = session;
    for (const name of [...NAMES, "hi", "lo"]) {
      const value = el("dd", {}, "");
      this.values.set(name, value);
      this.registers.append(el("div", {}, el("dt", {}, name), value));
    }
    this.code.append(this.noCode, ...this.lines.map(({ element }) => element));
    this.whose.addEventListener("change", () => this.showCp0());
    const form = el(
      "form",
      { class: "explain" },
      this.around,
      el("button", { type: "submit" }, "Show"),
      button("pc", "The code that is executed next", () => this.showAround("pc")),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const address = parseAddress(this.around.value);
      if (address !== null) this.showAround((address & ~3) >>> 0);
    });
    this.element = el(
      "div",
      { class: "view cpu" },
      el("section", {}, el("h2", {}, "Code ", this.where), form, this.stops, this.code),
      el("section", {}, el("h2", {}, "Registers"), this.registers),
      el("section", { class: "wide" }, el("h2", {}, "CP0, ", this.whose), this.cp0),
    );
    this.showStops();
    session.addEventListener("restart", () => this.showAround("pc"));
    session.client.listen({
      views: ({ views }) => {
        if (this.visible && views.registers !== undefined) this.show(views);
      },
    });
  }

  onShown(shown: boolean): void {
    this.visible = shown;
    if (shown) this.watch();
  }

  private watch(): void {
    const code = { around: this.center, before: BEFORE, after: AFTER } as const;
    this.session.client.watch({ registers: true, cp0: true, code });
  }

  private showAround(center: number | "pc"): void {
    this.center = center;
    this.around.value = center === "pc" ? "" : hex(center);
    if (this.visible) this.watch();
  }

  private show(views: Views): void {
    const before = this.shown;
    this.shown = views;
    this.showRegisters(views.registers!, before?.registers);
    this.showCode(views.code ?? [], views.registers!.pc);
    this.showCp0();
  }

  private showRegisters(now: RegistersView, before: RegistersView | undefined): void {
    const set = (name: string, value: number, old: number | undefined): void => {
      const element = this.values.get(name)!;
      setText(element, hex(value));
      element.classList.toggle("changed", old !== undefined && old !== value);
    };
    for (const [n, name] of NAMES.entries()) set(name, now.gpr[n]!, before?.gpr[n]);
    set("hi", now.hi, before?.hi);
    set("lo", now.lo, before?.lo);
    const slot = now.inDelaySlot ? ", in a delay slot" : "";
    this.where.textContent = `pc ${hex(now.pc)}, ${now.mode} mode, ASID ${now.asid}${slot}`;
  }

  private showCode(code: readonly CodeView[], pc: number): void {
    for (const [i, line] of this.lines.entries()) line.show(code[i], pc, this.breakpoints);
    this.noCode.hidden = code.length > 0;
  }

  private toggleBreakpoint(address: number): void {
    if (!this.breakpoints.delete(address)) this.breakpoints.add(address);
    this.session.client.setBreakpoints([...this.breakpoints]);
    this.showStops();
    const { code, registers } = this.shown!;
    this.showCode(code ?? [], registers!.pc);
  }

  /** The breakpoints, wherever they are: a click removes one. */
  private showStops(): void {
    const stops = [...this.breakpoints].sort((a, b) => a - b);
    this.stops.replaceChildren(
      stops.length === 0 ? "No breakpoints: an address in the code below sets one." : "Breakpoints: ",
      ...stops.map((address) =>
        button(`${hex(address)} ×`, "Remove this breakpoint", () => this.toggleBreakpoint(address)),
      ),
    );
  }

  private showCp0(): void {
    const cp0 = this.shown?.cp0;
    if (cp0 === undefined) return;
    for (const row of this.cp0Rows.values()) row.element.hidden = true;
    for (const register of this.whose.value === "host" ? cp0.host : cp0.guest) {
      let row = this.cp0Rows.get(register.name);
      if (row === undefined) this.cp0Rows.set(register.name, (row = new Cp0Row(register)));
      row.show(register);
      if (row.element.parentNode === null) this.cp0.append(row.element);
    }
  }
}

/** An instruction, with a button for a breakpoint on it. */
class CodeLine {
  readonly element: HTMLElement;
  private readonly mark: HTMLButtonElement;
  private readonly word = el("span");
  private readonly text = el("b");
  private address = 0;

  constructor(toggle: (address: number) => void) {
    this.mark = button("", "Stop the guest here, or no longer", () => toggle(this.address));
    this.element = el("li", {}, this.mark, this.word, this.text);
  }

  show(code: CodeView | undefined, pc: number, breakpoints: ReadonlySet<number>): void {
    this.element.hidden = code === undefined;
    if (code === undefined) return;
    this.address = code.address;
    setText(this.mark, hex(code.address));
    setText(this.word, hex(code.word));
    setText(this.text, code.text);
    this.mark.ariaPressed = String(breakpoints.has(code.address));
    this.element.ariaCurrent = code.address === pc ? "true" : null;
  }
}

/** A CP0 register with its fields. */
class Cp0Row {
  readonly element: HTMLElement;
  private readonly value = el("td");
  private readonly fields = el("td");

  constructor({ name, register: [number, select] }: Cp0View) {
    const place = el("td", {}, `${number}.${select}`);
    this.element = el("tr", {}, el("th", { scope: "row" }, name), place, this.value, this.fields);
  }

  show({ value, fields }: Cp0View): void {
    this.element.hidden = false;
    setText(this.value, hex(value));
    const decoded = Object.entries(fields)
      .filter(([, field]) => field !== 0)
      .map(([field, content]) => `${field} ${content < 10 ? content : `${content.toString(16)}h`}`);
    setText(this.fields, decoded.join(", "));
  }
}
