import { KSEG0 } from "../machine/segments.ts";

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

/** The kseg0 address of a host physical address below the end of kseg0. */
export function toKseg0(hpa: Hpa): HostVa {
  return (hpa | KSEG0.base) >>> 0;
}

/** The host physical address behind a kseg0 address. */
export function fromKseg0(va: HostVa): Hpa {
  return (va & (KSEG0.bytes - 1)) >>> 0;
}
