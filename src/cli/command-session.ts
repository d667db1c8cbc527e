/** One command in a guest (`kseg run --exec`): what it is given, and how it ended. `src/archives/command-init.ts` is at the other end. */
import type { Ending } from "./run-loop.ts";
import { COMMAND_READY, COMMAND_STATUS } from "../guests/names.ts";

/** So much of the guest's own messages is kept, in characters. */
const MOST_KEPT = 1 << 13;
const STATUS_LINE = new RegExp(`${COMMAND_STATUS}(\\d{1,3})\\r?\\n`);
const PANIC = /Kernel panic - not syncing: ([^\r\n]*)/;

/** How a guest ends by itself. */
const WHY = {
  "power-off": "it was turned off",
  reset: "it asked for a reset",
  failed: "it cannot go on",
  stuck: "it waits for input that cannot come",
} as const;

const isOfGuest = (ending: Ending): ending is Extract<Ending, { kind: keyof typeof WHY }> =>
  ending.kind in WHY;

/** Talks with the guest's first program over the console, which the command has nothing to do with. */
export class CommandSession {
  private readonly send: (bytes: Uint8Array) => void;
  /** The last that came on the console. */
  private messages = "";
  private isReady = false;
  private held: Uint8Array[] = [];
  /** Input that the guest was not ready for, in bytes. */
  heldBytes = 0;
  /** The command's exit status; null before its end. */
  status: number | null = null;

  /** `send` gives the guest console input. */
  constructor(send: (bytes: Uint8Array) => void) {
    this.send = send;
  }

  /** Takes what the guest prints on its console. */
  takeConsole(bytes: Uint8Array): void {
    this.messages = (this.messages + Buffer.from(bytes).toString("latin1")).slice(-MOST_KEPT);
    if (!this.isReady && this.messages.includes(`${COMMAND_READY}\n`)) {
      this.isReady = true;
      for (const frame of this.held.splice(0)) this.send(frame);
      this.heldBytes = 0;
    }
    const found = STATUS_LINE.exec(this.messages);
    if (found !== null) this.status ??= Number(found[1]);
  }

  /** Gives the command input. */
  input(bytes: Uint8Array): void {
    if (bytes.length > 0) this.sendFrame(bytes);
  }

  /** The command's input has come to its end. */
  endInput(): void {
    this.sendFrame(new Uint8Array(0));
  }

  private sendFrame(bytes: Uint8Array): void {
    const frame = Buffer.concat([Buffer.from(`${bytes.length}\n`), bytes]);
    if (this.isReady) return this.send(frame);
    this.held.push(frame);
    this.heldBytes += frame.length;
  }

  /** Why the kernel has panicked, if it has. */
  private get panic(): string | undefined {
    const reason = PANIC.exec(this.messages)?.[1];
    // Without its first program, which is the last that is unpacked, it looks for a disk.
    if (reason?.includes("mount root fs") === true)
      return "its kernel could not unpack all files; give it more with --memory";
    return reason === undefined ? undefined : `its kernel panicked (${reason})`;
  }

  /** What the end of the guest's run is to the command. */
  endingOf(ending: Ending): Ending {
    if (!isOfGuest(ending)) return ending;
    if (this.status !== null) return { kind: "command", status: this.status };
    const why = this.panic ?? WHY[ending.kind];
    const details = ending.kind === "failed" ? `\n${ending.report}` : "";
    return { kind: "no-status", report: `the guest ended before the command did: ${why}${details}` };
  }
}
