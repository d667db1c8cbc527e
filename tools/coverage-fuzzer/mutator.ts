/** Makes inputs of others: nothing here knows a format. */
import type { Random } from "../../test/fuzz/random.ts";

/** Numbers at which something often changes. */
const EDGES = [0, 1, 4, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
/** Changes to numbers are up to this. */
const NEAR = 16;
/** In so many cases of 100 there is one more change of an input, up to this many. */
const MORE = 50;
const MOST_CHANGES = 16;
/** Longest range that is moved, doubled or left out at once, most of the time. */
const SHORT = 32;

type Change = (bytes: Uint8Array) => Uint8Array;

/** Bytes of what sources know by heart: texts, and numbers in both byte orders. */
export function tokensOf(literals: Iterable<string | number>): Uint8Array[] {
  const tokens: Uint8Array[] = [];
  for (const literal of literals) {
    if (typeof literal === "string") {
      tokens.push(new TextEncoder().encode(literal));
      continue;
    }
    if (literal > 0xffff_ffff) continue;
    const word = new DataView(new ArrayBuffer(4));
    const size = literal > 0xffff ? 4 : 2;
    for (const little of [true, false]) {
      if (size === 4) word.setUint32(0, literal, little);
      else word.setUint16(0, literal, little);
      tokens.push(new Uint8Array(word.buffer.slice(0, size)));
    }
  }
  return tokens;
}

/** Changes inputs at random. Equal seeds make equal changes. */
export class Mutator {
  private readonly random: Random;
  private readonly tokens: readonly Uint8Array[];
  private readonly longest: number;
  private readonly changes: readonly Change[];

  /** `tokens` are put into inputs, none of which becomes longer than `longest` bytes. */
  constructor(random: Random, tokens: readonly Uint8Array[], longest: number) {
    this.random = random;
    this.tokens = tokens;
    this.longest = longest;
    this.changes = [
      (bytes) => this.flipBit(bytes),
      (bytes) => this.setByte(bytes),
      (bytes) => this.addToNumber(bytes),
      (bytes) => this.setNumber(bytes),
      (bytes) => this.copyRange(bytes),
      (bytes) => this.leaveOut(bytes),
      (bytes) => this.double(bytes),
      (bytes) => this.insertBytes(bytes),
      (bytes) => this.useToken(bytes),
      (bytes) => this.useToken(bytes),
    ];
  }

  /** A new input like `input`, perhaps with a part of `other`. */
  mutate(input: Uint8Array, other: Uint8Array): Uint8Array {
    const { random } = this;
    let bytes = random.chance(10) ? this.splice(input, other) : input.slice();
    let changes = 0;
    do bytes = random.pick(this.changes)(bytes);
    while (++changes < MOST_CHANGES && random.chance(MORE));
    return bytes.length > this.longest ? bytes.slice(0, this.longest) : bytes;
  }

  // --- in place; an empty input stays as it is ---

  private flipBit(bytes: Uint8Array): Uint8Array {
    if (bytes.length > 0) bytes[this.random.below(bytes.length)]! ^= 1 << this.random.below(8);
    return bytes;
  }

  private setByte(bytes: Uint8Array): Uint8Array {
    if (bytes.length > 0) bytes[this.random.below(bytes.length)] = this.random.below(256);
    return bytes;
  }

  /** Changes a number of 1, 2 or 4 bytes, in either byte order. */
  private changeNumber(bytes: Uint8Array, change: (value: number) => number): Uint8Array {
    const size = this.random.pick([1, 2, 4]);
    if (bytes.length < size) return bytes;
    const at = this.random.below(bytes.length - size + 1);
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, size);
    const little = this.random.chance(50);
    if (size === 1) view.setUint8(0, change(view.getUint8(0)));
    else if (size === 2) view.setUint16(0, change(view.getUint16(0, little)), little);
    else view.setUint32(0, change(view.getUint32(0, little)), little);
    return bytes;
  }

  private addToNumber(bytes: Uint8Array): Uint8Array {
    return this.changeNumber(bytes, (value) => value + this.random.between(-NEAR, NEAR));
  }

  private setNumber(bytes: Uint8Array): Uint8Array {
    return this.changeNumber(bytes, () => this.random.pick(EDGES) + this.random.between(-2, 2));
  }

  private copyRange(bytes: Uint8Array): Uint8Array {
    const [first, end] = this.range(bytes);
    if (end > first) bytes.copyWithin(this.random.below(bytes.length), first, end);
    return bytes;
  }

  // --- that change the length ---

  private leaveOut(bytes: Uint8Array): Uint8Array {
    const [first, end] = this.range(bytes);
    return replaced(bytes, first, end, new Uint8Array(0));
  }

  private double(bytes: Uint8Array): Uint8Array {
    const [first, end] = this.range(bytes);
    return replaced(bytes, first, first, bytes.subarray(first, end));
  }

  private insertBytes(bytes: Uint8Array): Uint8Array {
    const at = this.random.below(bytes.length + 1);
    const fill = this.random.pick([0, 0x20, 0x30, 0xff, -1]);
    const piece = Uint8Array.from({ length: this.random.between(1, SHORT) }, () =>
      fill < 0 ? this.random.below(256) : fill,
    );
    return replaced(bytes, at, at, piece);
  }

  /** Puts a token between the bytes, or over some. */
  private useToken(bytes: Uint8Array): Uint8Array {
    if (this.tokens.length === 0) return bytes;
    const token = this.random.pick(this.tokens);
    const at = this.random.below(bytes.length + 1);
    return replaced(
      bytes,
      at,
      this.random.chance(50) ? at : Math.min(at + token.length, bytes.length),
      token,
    );
  }

  private splice(input: Uint8Array, other: Uint8Array): Uint8Array {
    const [first, end] = this.range(other);
    const at = this.random.below(input.length + 1);
    const upTo = this.random.chance(50) ? at : this.random.between(at, input.length);
    return replaced(input, at, upTo, other.subarray(first, end));
  }

  /** A part of `bytes`, a short one most of the time. */
  private range(bytes: Uint8Array): readonly [first: number, end: number] {
    const first = this.random.below(bytes.length + 1);
    const left = bytes.length - first;
    const most = this.random.chance(80) ? Math.min(left, SHORT) : left;
    return [first, first + this.random.below(most + 1)];
  }
}

/** `bytes` with `piece` in place of what is from `first` to `end`. */
function replaced(bytes: Uint8Array, first: number, end: number, piece: Uint8Array): Uint8Array {
  const made = new Uint8Array(bytes.length - (end - first) + piece.length);
  made.set(bytes.subarray(0, first));
  made.set(piece, first);
  made.set(bytes.subarray(end), first + piece.length);
  return made;
}
