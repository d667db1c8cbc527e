/** Bytes are handed on when there are this many. */
const PIECE = 0x1_0000;

/** Collects small pieces of a file, so that the memory that they take has a limit. */
export class TraceOutput {
  private readonly write: (bytes: Uint8Array) => void;
  private piece = new Uint8Array(2 * PIECE);
  private length = 0;

  /** `write` may keep what it is given. */
  constructor(write: (bytes: Uint8Array) => void) {
    this.write = write;
  }

  /** Appends bytes, at most a piece of them. */
  add(bytes: ArrayLike<number>): void {
    this.piece.set(bytes, this.length);
    this.grow(bytes.length);
  }

  /** Appends ASCII characters, at most a piece of them. */
  addText(text: string): void {
    for (let i = 0; i < text.length; i++) this.piece[this.length + i] = text.charCodeAt(i);
    this.grow(text.length);
  }

  private grow(by: number): void {
    this.length += by;
    if (this.length >= PIECE) this.flush();
  }

  /** Hands on what there is. */
  flush(): void {
    if (this.length === 0) return;
    this.write(this.piece.slice(0, this.length));
    this.length = 0;
  }
}
