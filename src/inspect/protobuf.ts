/** A message of protocol buffers, as far as traces need them (the wire format is that of protobuf.dev, "Encoding"). */

const WIRE = { varint: 0, bytes: 2 } as const;

/** Appends `value`, a whole number from 0 to 2^53. */
function pushVarint(bytes: number[], value: number): void {
  while (value >= 0x80) {
    bytes.push((value % 0x80) | 0x80);
    value = Math.floor(value / 0x80);
  }
  bytes.push(value);
}

/** A message that is being written, field by field. Fields may come in any order, and more than once. */
export class ProtoMessage {
  readonly bytes: number[] = [];

  /** A number from 0 to 2^53. */
  uint(field: number, value: number): this {
    pushVarint(this.bytes, field * 8 + WIRE.varint);
    pushVarint(this.bytes, value);
    return this;
  }

  /** Of ASCII characters. */
  string(field: number, text: string): this {
    this.head(field, text.length);
    for (let i = 0; i < text.length; i++) this.bytes.push(text.charCodeAt(i));
    return this;
  }

  message(field: number, inner: ProtoMessage): this {
    this.head(field, inner.bytes.length);
    for (const byte of inner.bytes) this.bytes.push(byte);
    return this;
  }

  private head(field: number, length: number): void {
    pushVarint(this.bytes, field * 8 + WIRE.bytes);
    pushVarint(this.bytes, length);
  }
}
