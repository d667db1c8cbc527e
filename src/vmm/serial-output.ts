import type { SerialEnd } from "../boards/malta/malta.ts";
import { ByteQueue } from "./byte-queue.ts";

/** So much output is handed on before the guest goes on, in bytes. */
const OUTPUT_PIECE = 4096;

/** What a guest sends on a serial line: collected until it is handed on. */
export class SerialOutput implements SerialEnd {
  private readonly onOutput: (bytes: Uint8Array) => void;
  private readonly onFull: () => void;
  private readonly output = new ByteQueue();

  /** `onFull` is called when it is time for a {@link flush}. */
  constructor(onOutput: (bytes: Uint8Array) => void, onFull: () => void) {
    this.onOutput = onOutput;
    this.onFull = onFull;
  }

  transmit(byte: number): void {
    this.output.pushByte(byte);
    if (this.output.length >= OUTPUT_PIECE) this.onFull();
  }

  /** Hands on what the guest has sent so far. */
  flush(): void {
    if (this.output.length > 0) this.onOutput(this.output.takeAll());
  }

  /** Drops what was not handed on. */
  clear(): void {
    this.output.clear();
  }
}
