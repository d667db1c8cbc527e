import type { MaltaBoard } from "../boards/malta/malta.ts";

/** Output is handed on in pieces of at most this many bytes. */
const OUTPUT_PIECE = 4096;

/**
 * The guest's serial console: what it prints is collected and handed on, what it is to read waits until its
 * UART can take it.
 */
export class Console {
  private readonly onOutput: (bytes: Uint8Array) => void;
  private output: number[] = [];
  private input: number[] = [];
  /** Input before this index has been taken. */
  private taken = 0;
  private board: MaltaBoard | null = null;

  constructor(onOutput: (bytes: Uint8Array) => void) {
    this.onOutput = onOutput;
  }

  attach(board: MaltaBoard): void {
    this.board = board;
  }

  transmit(byte: number): void {
    this.output.push(byte);
    if (this.output.length >= OUTPUT_PIECE) this.flush();
  }

  /** Hands on what the guest has printed so far. */
  flush(): void {
    if (this.output.length === 0) return;
    const bytes = Uint8Array.from(this.output);
    this.output = [];
    this.onOutput(bytes);
  }

  send(bytes: Uint8Array): void {
    for (const byte of bytes) this.input.push(byte);
    this.readyToReceive();
  }

  /** Input not taken yet, in bytes. */
  get pending(): number {
    return this.input.length - this.taken;
  }

  /** Called by the UART when it has become able to take a byte. */
  readyToReceive(): void {
    const uart = this.board?.console;
    while (uart !== undefined && this.taken < this.input.length && uart.receive(this.input[this.taken]!))
      this.taken++;
    if (this.taken === this.input.length) {
      this.input = [];
      this.taken = 0;
    }
  }
}
