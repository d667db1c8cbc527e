import type { MaltaBoard } from "../boards/malta/malta.ts";
import { ByteQueue } from "./byte-queue.ts";

/** So much output is handed on before the guest goes on, in bytes. */
const OUTPUT_PIECE = 4096;

/**
 * The guest's serial console: what it prints is collected until it is handed on, what it is to read waits until
 * its UART can take it.
 */
export class Console {
  private readonly onOutput: (bytes: Uint8Array) => void;
  private readonly onFull: () => void;
  private readonly output = new ByteQueue();
  private readonly input = new ByteQueue();
  private board: MaltaBoard | null = null;

  /** `onFull` is called when it is time for a {@link flush}. */
  constructor(onOutput: (bytes: Uint8Array) => void, onFull: () => void) {
    this.onOutput = onOutput;
    this.onFull = onFull;
  }

  attach(board: MaltaBoard): void {
    this.board = board;
  }

  transmit(byte: number): void {
    this.output.pushByte(byte);
    if (this.output.length >= OUTPUT_PIECE) this.onFull();
  }

  /** Hands on what the guest has printed so far. */
  flush(): void {
    if (this.output.length > 0) this.onOutput(this.output.takeAll());
  }

  send(bytes: Uint8Array): void {
    this.input.push(bytes);
    this.readyToReceive();
  }

  /** Input not taken yet, in bytes. */
  get pending(): number {
    return this.input.length;
  }

  /** Input not taken yet: all that there is of a console while nothing is left to hand on. */
  snapshot(): Uint8Array {
    return this.input.bytes;
  }

  /** Takes over a snapshot. The UART has not become able to take anything by that. */
  restore(input: Uint8Array): void {
    this.output.clear();
    this.input.clear();
    this.input.push(input);
  }

  /** Called by the UART when it has become able to take a byte. */
  readyToReceive(): void {
    const uart = this.board?.console;
    if (uart === undefined) return;
    for (;;) {
      const byte = this.input.first;
      if (byte === undefined || !uart.receive(byte)) return;
      this.input.shift();
    }
  }
}
