/** Checksums of tar headers, so that changed ones are looked at (POSIX, pax: ustar interchange format). */

const BLOCK = 512;
const SUM_AT = 148;
const SUM_BYTES = 8;
const SPACE = 0x20;

/** Puts the right checksum into each block from `first` on that has something where one would be. */
export function mendTarSums(bytes: Uint8Array, first: number, end: number): void {
  for (let at = first; at + BLOCK <= end; at += BLOCK) {
    const block = bytes.subarray(at, at + BLOCK);
    if (block[SUM_AT] === 0) continue;
    block.fill(SPACE, SUM_AT, SUM_AT + SUM_BYTES);
    const sum = block.reduce((total, byte) => total + byte, 0);
    const digits = `${sum.toString(8).padStart(6, "0")}\0`;
    for (let n = 0; n < digits.length; n++) block[SUM_AT + n] = digits.charCodeAt(n);
  }
}
