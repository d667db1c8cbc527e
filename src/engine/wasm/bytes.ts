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

  /** Appends two at once. */
  pushTwo(first: number, second: number): void {
    if (this.used + 2 > this.data.length) this.grow(2);
    this.data[this.used++] = first;
    this.data[this.used++] = second;
  }

  /** Appends an opcode and an index or the like as unsigned LEB128: as a rule, that is one byte. */
  pushWith(opcode: number, value: number): void {
    if (value < 0x80) this.pushTwo(opcode, value);
    else {
      this.push(opcode);
      this.unsigned(value);
    }
  }

  /** Appends an opcode and a 32-bit `value` as signed LEB128. */
  pushWithSigned(opcode: number, value: number): void {
    if (value >= -0x40 && value < 0x40) this.pushTwo(opcode, value & 0x7f);
    else {
      this.push(opcode);
      this.signed(value);
    }
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

  /** Appends what `emit` appends, with its length before it. */
  sized(emit: () => void): void {
    const start = this.used;
    emit();
    const length = this.used - start;
    const room = unsignedLength(length);
    if (this.used + room > this.data.length) this.grow(room);
    this.data.copyWithin(start + room, start, this.used);
    this.used = start;
    this.unsigned(length);
    this.used += length;
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

/** How many bytes the unsigned LEB128 of `value` has. */
export function unsignedLength(value: number): number {
  let length = 1;
  for (let rest = value >>> 7; rest !== 0; rest >>>= 7) length++;
  return length;
}
