/** A hash of a sequence of numbers: two words of state, each mixed with every value's two halves. */
export class Digest {
  private a = 0x811c_9dc5 | 0;
  private b = 0x1234_5677;

  add(...values: readonly number[]): void {
    for (const value of values) {
      this.mix(value | 0);
      if (value > 0xffff_ffff) this.mix(Math.floor(value / 2 ** 32));
    }
  }

  private mix(word: number): void {
    this.a = Math.imul(this.a ^ word, 0x0100_0193);
    this.b = (Math.imul(this.b ^ (this.b >>> 15), 0x85eb_ca6b) + word) | 0;
    this.a ^= this.a >>> 13;
  }

  get value(): string {
    const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, "0");
    return hex(this.a) + hex(this.b);
  }
}
