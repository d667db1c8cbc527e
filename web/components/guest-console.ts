import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import { colour, el, onColourScheme } from "../dom.ts";
import type { GuestClient } from "../../src/web/index.ts";

/** The guest's serial console. What is typed into it goes to the guest. */
export class GuestConsole {
  readonly element = el("section", {
    class: "console",
    "aria-label": "Serial console of the guest; F6 leaves it",
  });
  private readonly terminal = new Terminal({
    fontFamily: 'ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace',
    fontSize: 13,
    scrollback: 5000,
    convertEol: false,
    minimumContrastRatio: 4.5,
  });
  private readonly fit = new FitAddon();

  constructor(client: GuestClient) {
    const { terminal } = this;
    terminal.loadAddon(this.fit);
    // What leaves the console, for those who have no mouse; guests hardly ever want it.
    terminal.attachCustomKeyEventHandler(
      ({ key, shiftKey }) => !(key === "F6" || (key === "Tab" && shiftKey)),
    );
    const encoder = new TextEncoder();
    terminal.onData((text) => client.send(encoder.encode(text)));
    terminal.onBinary((text) => client.send(Uint8Array.from(text, (character) => character.charCodeAt(0))));
    client.listen({
      console: ({ bytes }) => terminal.write(bytes, () => client.shown(bytes.length)),
    });
  }

  /** To be called once the element is in the page. */
  open(): void {
    const { terminal } = this;
    terminal.open(this.element);
    onColourScheme(() => {
      const ink = colour("--ink");
      terminal.options.theme = {
        background: colour("--console"),
        foreground: ink,
        cursor: colour("--accent"),
        cursorAccent: colour("--console"),
        selectionBackground: colour("--selection"),
      };
    });
    new ResizeObserver(() => this.fit.fit()).observe(this.element);
    terminal.focus();
  }

  /** Takes the keyboard to the console. */
  focus(): void {
    this.terminal.focus();
  }

  /** Empties the screen. */
  clear(): void {
    this.terminal.reset();
  }

  /** A line of the page's own, apart from what the guest prints. */
  note(text: string): void {
    this.terminal.write(`\r\n\x1b[2m${text.replaceAll("\n", "\r\n")}\x1b[0m\r\n`);
  }
}
