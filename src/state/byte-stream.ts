import { SnapshotError } from "./snapshot-error.ts";

/** Bytes in the buffer of a new writer. */
const FIRST_ROOM = 1 << 12;

/** Puts bytes and numbers together. */
export class ByteWriter {
  private buffer = new Uint8Array(FIRST_ROOM);
  private used = 0;

  /** What was written so far; it stays what it is. */
  get bytes(): Uint8Array {
    return this.buffer.slice(0, this.used);
  }

  private reserve(more: number): void {
    if (this.used + more <= this.buffer.length) return;
    const larger = new Uint8Array(Math.max(this.used + more, 2 * this.buffer.length));
    larger.set(this.buffer.subarray(0, this.used));
    this.buffer = larger;
  }

  byte(value: number): void {
    this.reserve(1);
    this.buffer[this.used++] = value;
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.used);
    this.used += bytes.length;
  }

  /** A word, the lowest byte first. */
  word(value: number): void {
    for (let shift = 0; shift < 32; shift += 8) this.byte((value >>> shift) & 255);
  }

  /** A whole number from 0 to 2^53 - 1: seven bits a byte, the lowest first; all bytes but the last have bit 7. */
  number(value: number): void {
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.byte((rest % 128) | 128);
    this.byte(rest);
  }
}

/** Takes bytes and numbers apart. What is not there, or cannot be, is a {@link SnapshotError}. */
export class ByteReader {
  private readonly bytes: Uint8Array;
  private at = 0;
  /** Names of the fields that are being read, outermost first. */
  private readonly path: string[] = [];

  /** `what` is read, for messages. */
  constructor(bytes: Uint8Array, what: string) {
    this.bytes = bytes;
    this.path.push(what);
  }

  /** Bytes that are left. */
  get left(): number {
    return this.bytes.length - this.at;
  }

  /** Reads field `name` by `read`. */
  inField<T>(name: string, read: () => T): T {
    this.path.push(name);
    const value = read();
    this.path.pop();
    return value;
  }

  /** Throws {@link SnapshotError}: the field that is being read `is` wrong. */
  refuse(is: string): never {
    throw new SnapshotError(`the snapshot cannot be used: ${this.path.join(".")} ${is}`);
  }

  byte(): number {
    return this.raw(1)[0]!;
  }

  /** A view of the next bytes. */
  raw(length: number): Uint8Array {
    if (length > this.left) this.refuse("ends too early");
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  /** A word, unsigned. */
  word(): number {
    const [a, b, c, d] = this.raw(4) as unknown as [number, number, number, number];
    return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
  }

  /** See {@link ByteWriter.number}. */
  number(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (value > Number.MAX_SAFE_INTEGER || (byte === 0 && scale > 1)) this.refuse("is no whole number");
      if (byte < 128) return value;
    }
  }

  /** Checks that nothing is left. */
  end(): void {
    if (this.left > 0) this.refuse(`has ${this.left} bytes too many`);
  }
}
