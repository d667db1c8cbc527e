/** Room of an empty queue, in bytes; a power of two. */
const LEAST_ROOM = 1 << 12;

/**
 * Bytes, first in, first out: a ring that doubles when it is full and shrinks again when it is empty. So each
 * byte is copied a bounded number of times, and takes a few bytes of memory however the bytes come in.
 */
export class ByteQueue {
  /** Its length is a power of two. */
  private ring = new Uint8Array(LEAST_ROOM);
  private head = 0;
  private count = 0;

  /** Bytes in the queue. */
  get length(): number {
    return this.count;
  }

  /** The byte that came in first; undefined if the queue is empty. */
  get first(): number | undefined {
    return this.count === 0 ? undefined : this.ring[this.head];
  }

  pushByte(byte: number): void {
    this.reserve(1);
    this.ring[(this.head + this.count) & (this.ring.length - 1)] = byte;
    this.count++;
  }

  /** Appends a copy of `bytes`. */
  push(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    const at = (this.head + this.count) & (this.ring.length - 1);
    const beforeEnd = this.ring.length - at;
    this.ring.set(bytes.subarray(0, beforeEnd), at);
    this.ring.set(bytes.subarray(beforeEnd), 0);
    this.count += bytes.length;
  }

  /** Removes the first byte, if there is one. */
  shift(): void {
    if (this.count === 0) return;
    this.head = (this.head + 1) & (this.ring.length - 1);
    this.count--;
    if (this.count === 0) this.clear();
  }

  /** A copy of all bytes. */
  get bytes(): Uint8Array {
    return this.copyTo(new Uint8Array(this.count));
  }

  /** Removes all bytes and returns them. */
  takeAll(): Uint8Array {
    const { bytes } = this;
    this.clear();
    return bytes;
  }

  /** Removes all bytes. */
  clear(): void {
    if (this.ring.length > LEAST_ROOM) this.ring = new Uint8Array(LEAST_ROOM);
    this.head = 0;
    this.count = 0;
  }

  /** Makes room for `more` bytes. */
  private reserve(more: number): void {
    let room = this.ring.length;
    while (room < this.count + more) room *= 2;
    if (room === this.ring.length) return;
    this.ring = this.copyTo(new Uint8Array(room));
    this.head = 0;
  }

  private copyTo(target: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const beforeEnd = this.ring.subarray(this.head, this.head + this.count);
    target.set(beforeEnd);
    target.set(this.ring.subarray(0, this.count - beforeEnd.length), beforeEnd.length);
    return target;
  }
}
