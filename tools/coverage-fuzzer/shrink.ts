/** Most inputs that are tried. */
const TRIES = 2000;

/** An input like `input` for which `fails` is true too, but shorter, if there is one near. */
export async function shrink(
  input: Uint8Array,
  fails: (input: Uint8Array) => Promise<boolean>,
): Promise<Uint8Array> {
  let smallest = input;
  let tries = TRIES;
  for (let size = 1 << (31 - Math.clz32(input.length | 1)); size >= 1; size >>= 1)
    for (let at = 0; at < smallest.length && tries > 0;) {
      const shorter = new Uint8Array(smallest.length - Math.min(size, smallest.length - at));
      shorter.set(smallest.subarray(0, at));
      shorter.set(smallest.subarray(at + size), at);
      tries--;
      if (await fails(shorter)) smallest = shorter;
      else at += size;
    }
  return smallest;
}
