import type { Random } from "../../test/fuzz/random.ts";

/** Inputs of which each did something that none before had done. */
export class Corpus {
  private readonly random: Random;
  private readonly entries: { readonly bytes: Uint8Array; picks: number }[] = [];
  private total = 0;

  constructor(random: Random) {
    this.random = random;
  }

  add(bytes: Uint8Array): void {
    this.entries.push({ bytes, picks: 0 });
    this.total += bytes.length;
  }

  get size(): number {
    return this.entries.length;
  }

  /** Of all inputs. */
  get bytes(): number {
    return this.total;
  }

  /** One of them, rather one that was picked seldom. */
  pick(): Uint8Array {
    const [one, other] = [this.random.pick(this.entries), this.random.pick(this.entries)];
    const picked = one.picks <= other.picks ? one : other;
    picked.picks++;
    return picked.bytes;
  }
}
