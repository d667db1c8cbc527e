/** A small deterministic random number generator (xorshift over a mixed seed). */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = Math.imul(seed ^ 0x9e37_79b9, 0x85eb_ca6b) | 1;
    for (let i = 0; i < 4; i++) this.word();
  }

  /** 32 random bits, signed. */
  word(): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x;
    return Math.imul(x, 0x9e37_79b1) ^ (x >>> 15);
  }

  /** 0 to `below - 1`. */
  below(below: number): number {
    return (this.word() >>> 0) % below;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  /** Picks by weight. */
  weighted<T>(list: readonly (readonly [weight: number, value: T])[]): T {
    let at = this.below(list.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, value] of list) {
      if (at < weight) return value;
      at -= weight;
    }
    return list[0]![1];
  }

  /** A value that arithmetic finds interesting: near a power of two, small, or anything. */
  operand(): number {
    switch (this.below(6)) {
      case 0:
        return this.below(16) - 8;
      case 1:
        return ((1 << this.below(32)) + this.below(3) - 1) | 0;
      case 2:
        return this.pick([0x7fff_ffff, -0x8000_0000, -1, 0, 1, 0x7fff, -0x8000, 0xffff, 0x8080_8080 | 0]);
      default:
        return this.word();
    }
  }
}
