import { closeSync, openSync, readSync, writeSync } from "node:fs";

/** Bytes before the input: its number, and its length. */
const HEADER_BYTES = 8;
/** Of a longer input the beginning is kept. */
const LONGEST = 1 << 20;

/**
 * The input that is being tried, in a file: a process that hangs or is ended by the system cannot tell any more. One
 * process writes, another looks.
 */
export class PresentInput {
  private readonly file: number;
  private readonly buffer = Buffer.alloc(HEADER_BYTES + LONGEST);

  /** Opens the file, and makes it if it is to be written. */
  constructor(path: string, mode: "read" | "write") {
    this.file = openSync(path, mode === "read" ? "r" : "w+");
  }

  set(number: number, input: Uint8Array): void {
    const { buffer } = this;
    const length = Math.min(input.length, LONGEST);
    buffer.writeUInt32LE(number, 0);
    buffer.writeUInt32LE(length, 4);
    buffer.set(length < input.length ? input.subarray(0, length) : input, HEADER_BYTES);
    writeSync(this.file, buffer, 0, HEADER_BYTES + length, 0);
  }

  /** How many there have been. */
  get number(): number {
    const read = readSync(this.file, this.buffer, 0, HEADER_BYTES, 0);
    return read < HEADER_BYTES ? 0 : this.buffer.readUInt32LE(0);
  }

  /** A copy. To be called when nobody writes. */
  get input(): Uint8Array {
    readSync(this.file, this.buffer, 0, this.buffer.length, 0);
    return Uint8Array.from(this.buffer.subarray(HEADER_BYTES, HEADER_BYTES + this.buffer.readUInt32LE(4)));
  }

  close(): void {
    closeSync(this.file);
  }
}
