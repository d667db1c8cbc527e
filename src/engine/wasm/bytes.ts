/** Bytes that are appended one after the other, in the encodings of WebAssembly binaries (specification, section 5.2). */
export class Bytes {
  private data: Uint8Array<ArrayBuffer>;
  private used = 0;

  /** `room`: bytes for which there is room at first. */
  constructor(room: number) {
    this.data = new Uint8Array(room);
  }

  get length(): number {
    return this.used;
  }

  push(byte: number): void {
    if (this.used === this.data.length) this.grow(1);
    this.data[this.used++] = byte;
  }

  /** Appends `value` as unsigned LEB128. */
  unsigned(value: number): void {
    value >>>= 0;
    while (value >= 0x80) {
      this.push((value & 0x7f) | 0x80);
      value >>>= 7;
    }
    this.push(value);
  }

  /** Appends a 32-bit `value` as signed LEB128. */
  signed(value: number): void {
    value |= 0;
    while (value < -0x40 || value >= 0x40) {
      this.push((value & 0x7f) | 0x80);
      value >>= 7;
    }
    this.push(value & 0x7f);
  }

  /** Appends a name: its length, then its bytes (ASCII only). */
  text(name: string): void {
    this.unsigned(name.length);
    for (let n = 0; n < name.length; n++) this.push(name.charCodeAt(n));
  }

  append(other: Bytes): void {
    if (this.used + other.used > this.data.length) this.grow(other.used);
    this.data.set(other.data.subarray(0, other.used), this.used);
    this.used += other.used;
  }

  /** Appends `other` with its length before it. */
  sized(other: Bytes): void {
    this.unsigned(other.used);
    this.append(other);
  }

  /** All of them. */
  copy(): Uint8Array<ArrayBuffer> {
    return this.data.slice(0, this.used);
  }

  private grow(by: number): void {
    const larger = new Uint8Array(Math.max(2 * this.data.length, this.used + by));
    larger.set(this.data);
    this.data = larger;
  }
}
