/** A small deterministic random number generator (sfc32: three counters mixed, one of them counting). */
export class Random {
  private a: number;
  private b: number;
  private c = 0x9e37_79b9;
  private counter = 1;

  /** `stream` keeps apart the generators of one seed: what one draws does not move another. */
  constructor(seed: number, stream: number) {
    this.a = Math.imul(seed + 1, 0x9e37_79b1);
    this.b = Math.imul(stream + 1, 0x85eb_ca6b) ^ (seed >>> 16);
    for (let i = 0; i < 20; i++) this.word();
  }

  /** 32 random bits, signed. */
  word(): number {
    const sum = (this.a + this.b + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0;
    return sum;
  }

  /** 0 to `limit - 1`. */
  below(limit: number): number {
    return (this.word() >>> 0) % limit;
  }

  /** `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True in `percent` of 100 cases. */
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  /** Calls one of the makers, by weight. */
  weighted<T>(choices: readonly Choice<T>[]): T {
    let total = 0;
    for (const [weight] of choices) total += weight;
    let at = this.below(total);
    for (const [weight, make] of choices) {
      if (at < weight) return make();
      at -= weight;
    }
    throw new RangeError("no choice has any weight");
  }
}

export type Choice<T> = readonly [weight: number, make: () => T];
