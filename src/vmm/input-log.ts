/** Where a run is. Guest time can pass without instructions, so that both numbers are needed. */
export interface Moment {
  /** Guest time in ticks. */
  readonly time: number;
  /** Instructions that the guest has retired. */
  readonly instructions: number;
}

/** What an embedder gives to a guest, besides time to run. */
export type GuestInput =
  /** Console input. */
  | { readonly kind: "console"; readonly bytes: Uint8Array }
  /** The guest goes on on another host CPU. */
  | { readonly kind: "host-cpu"; readonly number: number }
  /** So many ticks pass at once, in which the guest executes nothing. */
  | { readonly kind: "time"; readonly ticks: number }
  /** Nothing: the state of the guest has this hash. */
  | { readonly kind: "mark"; readonly hash: string };

/** An input, and when it was given. */
export interface LoggedInput extends Moment {
  readonly input: GuestInput;
}

/** The inputs of a run in order: those that the guest has been given, and those of the future that it was turned back from. */
export class InputLog {
  private readonly all: LoggedInput[];
  private count = 0;

  /** `future` are inputs that the guest will be given when it comes there. */
  constructor(future: readonly LoggedInput[]) {
    this.all = [...future];
  }

  /** So many of the inputs have been given. */
  get given(): number {
    return this.count;
  }
  /** Those, in order. */
  get past(): readonly LoggedInput[] {
    return this.all.slice(0, this.count);
  }
  /** The next one; undefined if there is none. */
  get next(): LoggedInput | undefined {
    return this.all[this.count];
  }

  /** The next one was given. */
  advance(): void {
    this.count++;
  }
  /** The guest was turned back to where it had been given so many. */
  rewind(given: number): void {
    this.count = given;
  }
  /** Drops those that were not given. */
  forgetFuture(): void {
    this.all.splice(this.count);
  }
  /** Appends one that is the next, as the future was forgotten. */
  append(input: LoggedInput): void {
    this.all.push(input);
  }
  clear(): void {
    this.all.splice(0);
    this.count = 0;
  }

  /** The host CPU that the guest is on by what it was given; undefined if none of that says. */
  get hostCpu(): number | undefined {
    const last = this.all.findLast(({ input }, n) => n < this.count && input.kind === "host-cpu");
    return last?.input.kind === "host-cpu" ? last.input.number : undefined;
  }

  /** The last `length` bytes of console input that was given, with `first` before all that is in the log. */
  lastConsole(length: number, first: Uint8Array): Uint8Array {
    const bytes = new Uint8Array(length);
    let left = length;
    const add = (piece: Uint8Array): void => {
      const part = piece.subarray(Math.max(0, piece.length - left));
      left -= part.length;
      bytes.set(part, left);
    };
    for (let n = this.count - 1; n >= 0 && left > 0; n--) {
      const { input } = this.all[n]!;
      if (input.kind === "console") add(input.bytes);
    }
    add(first);
    return bytes;
  }
}
