/** Keys that the terminal's user types for kseg and not for the guest, as in QEMU: all begin with Ctrl-A. */

const CTRL_A = 0x01;

/** What was typed: bytes for the guest, and commands for kseg in between. */
export type Typed =
  | { readonly kind: "input"; readonly bytes: Uint8Array }
  | { readonly kind: "leave" }
  | { readonly kind: "save" }
  | { readonly kind: "help" };

/** What Ctrl-A H prints. */
export const ESCAPE_HELP = [
  "Ctrl-A X  leave kseg",
  "Ctrl-A S  save a snapshot (--save says where)",
  "Ctrl-A H  this help",
  "Ctrl-A Ctrl-A  send Ctrl-A to the guest",
].join("\n");

/** Tells kseg's keys from the guest's. Ctrl-A and the key after it may come in different pieces. */
export class EscapeKeys {
  private escaped = false;

  /** Splits a piece of what was typed. */
  take(piece: Uint8Array): Typed[] {
    const typed: Typed[] = [];
    let bytes: number[] = [];
    const flush = (): void => {
      if (bytes.length > 0) typed.push({ kind: "input", bytes: Uint8Array.from(bytes) });
      bytes = [];
    };
    for (const byte of piece) {
      if (!this.escaped) {
        if (byte === CTRL_A) this.escaped = true;
        else bytes.push(byte);
        continue;
      }
      this.escaped = false;
      const kind = commandOf(byte);
      if (kind === undefined) {
        // An unknown key after Ctrl-A goes to nobody.
        if (byte === CTRL_A) bytes.push(CTRL_A);
        continue;
      }
      flush();
      typed.push({ kind });
    }
    flush();
    return typed;
  }
}

function commandOf(byte: number): Exclude<Typed["kind"], "input"> | undefined {
  const key = String.fromCharCode(byte).toLowerCase();
  if (key === "x") return "leave";
  if (key === "s") return "save";
  return key === "h" || key === "?" ? "help" : undefined;
}
