/**
 * The kinds of addresses, as unsigned numbers. The names say in a signature which space a number belongs to;
 * the compiler does not keep them apart.
 */

/** Guest virtual address. */
export type Gva = number;
/** Guest physical address. */
export type Gpa = number;
/** Host physical address: also the offset into the machine's RAM. */
export type Hpa = number;
/** Host virtual address in kseg0, as the host's code and its page tables hold it. */
export type HostVa = number;

const KSEG0_BASE = 0x8000_0000;
/** Bytes of physical memory that kseg0 shows (MIPS32 PRA, "Unmapped segments"). */
export const KSEG0_SIZE = 0x2000_0000;

/** The kseg0 address of a host physical address below {@link KSEG0_SIZE}. */
export function toKseg0(hpa: Hpa): HostVa {
  return (hpa | KSEG0_BASE) >>> 0;
}

/** The host physical address behind a kseg0 address. */
export function fromKseg0(va: HostVa): Hpa {
  return (va & (KSEG0_SIZE - 1)) >>> 0;
}
