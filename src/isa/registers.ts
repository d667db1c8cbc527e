/** Names of the general purpose registers in the o32 convention; the position is the number. */
export const GPR_NAMES = [
  ...(["zero", "at", "v0", "v1", "a0", "a1", "a2", "a3"] as const),
  ...(["t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7"] as const),
  ...(["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"] as const),
  ...(["t8", "t9", "k0", "k1", "gp", "sp", "s8", "ra"] as const),
] as const;

/** o32 name of a general purpose register. `s8` is also called fp. */
export type GprName = (typeof GPR_NAMES)[number];

/** Number of each general purpose register by its o32 name. */
export const GPR = Object.fromEntries(GPR_NAMES.map((name, number) => [name, number])) as Readonly<
  Record<GprName, number>
>;

/** Floating-point control registers that have a name, by number. */
export const FCR_NAMES: ReadonlyMap<number, string> = new Map([
  [0, "fir"],
  [1, "ufr"],
  [4, "unfr"],
  [25, "fccr"],
  [26, "fexr"],
  [28, "fenr"],
  [31, "fcsr"],
]);
