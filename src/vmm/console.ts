import type { MaltaBoard } from "../boards/malta/malta.ts";
import { ByteQueue } from "./byte-queue.ts";
import { SerialOutput } from "./serial-output.ts";

/** The guest's serial console: beside the output, what it is to read, which waits until its UART can take it. */
export class Console extends SerialOutput {
  private readonly input = new ByteQueue();
  private board: MaltaBoard | null = null;

  attach(board: MaltaBoard): void {
    this.board = board;
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
    this.clear();
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
