import { bitsOf } from "../../../src/machine/fpu/format.ts";
import type { Random } from "../qemu/random.ts";

/** Bit patterns of doubles at which something happens, without sign. */
const DOUBLES: readonly bigint[] = [
  0n,
  1n,
  2n,
  0x000f_ffff_ffff_ffffn, // largest denormal
  0x0010_0000_0000_0000n, // smallest normal
  0x0010_0000_0000_0001n,
  0x0008_0000_0000_0000n,
  0x3ff0_0000_0000_0000n, // 1
  0x3ff0_0000_0000_0001n,
  0x3fef_ffff_ffff_ffffn,
  0x3fe0_0000_0000_0000n, // 1/2
  0x3fdf_ffff_ffff_ffffn,
  0x3ff8_0000_0000_0000n, // 3/2
  0x4000_0000_0000_0000n, // 2
  0x4008_0000_0000_0000n, // 3
  0x4340_0000_0000_0000n, // 2^53
  0x4330_0000_0000_0001n,
  0x7fef_ffff_ffff_ffffn, // largest
  0x7fe0_0000_0000_0000n,
  0x7ff0_0000_0000_0000n, // infinity
  0x7ff8_0000_0000_0000n, // NaNs
  0x7ff7_ffff_ffff_ffffn,
  0x7ff0_0000_0000_0001n,
  0x7ffc_dead_beef_0001n,
  0x41df_ffff_ffc0_0000n, // 2^31 - 1
  0x41e0_0000_0000_0000n, // 2^31
  0x41df_ffff_ffe0_0000n, // 2^31 - 1/2
  0x41df_ffff_ffdf_ffffn,
  0x41e0_0000_0010_0000n, // 2^31 + 1/2
  0x43e0_0000_0000_0000n, // 2^63
  0x43df_ffff_ffff_ffffn,
  0x3810_0000_0000_0000n, // smallest normal single
  0x380f_ffff_ffff_ffffn,
  0x380f_ffff_f000_0000n,
  0x380f_ffff_e000_0000n,
  0x36a0_0000_0000_0000n, // smallest single
  0x3690_0000_0000_0000n, // half of it
  0x3690_0000_0000_0001n,
  0x47ef_ffff_e000_0000n, // largest single
  0x47ef_ffff_f000_0000n, // half way to what would come next
  0x47ef_ffff_efff_ffffn,
  0x1ff0_0000_0000_0000n,
  0x5ff0_0000_0000_0000n,
  0x3fd5_5555_5555_5555n,
];

/** The same for singles. */
const SINGLES: readonly number[] = [
  0, 1, 2, 0x7f_ffff, 0x80_0000, 0x80_0001, 0x40_0000, 0x3f80_0000, 0x3f80_0001, 0x3f7f_ffff, 0x3f00_0000,
  0x3eff_ffff, 0x3fc0_0000, 0x4000_0000, 0x4040_0000, 0x4b80_0000, 0x4b00_0001, 0x7f7f_ffff, 0x7f00_0000,
  0x7f80_0000, 0x7fc0_0000, 0x7fbf_ffff, 0x7f80_0001, 0x7fe1_2345, 0x4eff_ffff, 0x4f00_0000, 0x5f00_0000,
  0x5eff_ffff, 0x1f80_0000, 0x5f80_0000, 0x2000_0000, 0x1f7f_ffff, 0x3eaa_aaab,
];

const sign64 = (random: Random): bigint => (random.chance(50) ? 1n << 63n : 0n);
const sign32 = (random: Random): number => (random.chance(50) ? 0x8000_0000 : 0);

/** 64 random bits. */
const randomBits = (random: Random): bigint => bitsOf(random.word(), random.word());

/** A double with a few bits in its significand: products and sums of such are often half way between two. */
function sparse(random: Random, exponent: number): bigint {
  let fraction = 0n;
  for (let bit = 0; bit < 3; bit++) fraction |= 1n << BigInt(random.below(52));
  if (random.chance(40)) fraction &= ~((1n << BigInt(20 + random.below(10))) - 1n);
  return (BigInt(Math.min(Math.max(exponent, 0), 0x7fe)) << 52n) | fraction;
}

/** An exponent near 1, near the limits of singles or doubles, or anywhere. */
const exponentOf = (random: Random): number =>
  random.weighted([
    [40, 1023 + random.below(64) - 32],
    [15, 1023 + random.below(300) - 150],
    [8, 1023 + random.pick([31, 63, 53, 24]) + random.below(4) - 2],
    [8, random.below(60)],
    [8, 2046 - random.below(60)],
    [8, 1023 + random.pick([-511, 511, -126, -149]) + random.below(8) - 4],
    [13, random.below(2047)],
  ]);

/** Bits of a pair of doubles that belong together. */
export function doublePair(random: Random): [bigint, bigint] {
  const one = (): bigint =>
    sign64(random) |
    random.weighted<bigint>([
      [35, random.pick(DOUBLES)],
      [30, sparse(random, exponentOf(random))],
      [20, (BigInt(exponentOf(random)) << 52n) | (randomBits(random) & 0xf_ffff_ffff_ffffn)],
      // A single, or half way between two of them, or just beside that.
      [
        10,
        (BigInt(1023 + random.below(40) - 20) << 52n) |
          (((randomBits(random) & 0x7f_ffffn) << 29n) +
            random.pick([0n, 0x1000_0000n, 0x1000_0001n, 0xfff_ffffn])),
      ],
      // What is added rounds the sum.
      [5, randomBits(random) & 0x7fff_ffff_ffff_ffffn],
    ]);
  const a = one();
  if (random.chance(60)) return [a, one()];
  const exponent = Number((a >> 52n) & 0x7ffn);
  // Some 53 places below: the sum is half way, or near it.
  return [a, sign64(random) | sparse(random, exponent - 50 - random.below(6))];
}

/** Bits of a single. */
export function randomSingle(random: Random): number {
  const fraction = random.chance(50)
    ? (1 << random.below(23)) | (1 << random.below(23))
    : random.word() & 0x7f_ffff;
  const exponent = random.weighted<number>([
    [50, 127 + random.below(50) - 25],
    [15, random.below(30)],
    [15, 254 - random.below(30)],
    [20, random.below(255)],
  ]);
  return sign32(random) | (random.chance(40) ? random.pick(SINGLES) : (exponent << 23) | fraction) | 0;
}
