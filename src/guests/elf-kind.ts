/**
 * Tells what a guest ELF file is from its headers alone (System V ABI, MIPS supplement): a T&E guest kernel,
 * an ordinary kernel or a static program. The loader proper is elsewhere; this is for sorting imported files.
 */
import { GuestInputError } from "./errors.ts";

/** Bytes of a file that {@link elfKind} needs: the ELF header and the program headers behind it. */
export const ELF_HEAD_BYTES = 4096;

/** What a MIPS ELF file is. */
export type ElfKind =
  | { readonly kind: "kernel" }
  /** A kernel linked for guest KSeg0 at 40000000, with its page size in bytes. */
  | { readonly kind: "te-kernel"; readonly pageSize: number }
  | { readonly kind: "program" };

const EM_MIPS = 8;
const ET_EXEC = 2;
const PT_LOAD = 1;
const PT_INTERP = 3;
const MACHINES: Readonly<Record<number, string>> = {
  3: "x86",
  40: "ARM",
  62: "x86-64",
  183: "AArch64",
  243: "RISC-V",
};

/** True when `head` starts as every ELF file does. */
export function isElf(head: Uint8Array): boolean {
  return head[0] === 0x7f && head[1] === 0x45 && head[2] === 0x4c && head[3] === 0x46;
}

/**
 * Sorts the little-endian 32-bit MIPS executable whose first bytes are `head`, of `fileSize` bytes in all.
 * @throws {GuestInputError} naming `path`, when it is anything else.
 */
export function elfKind(path: string, head: Uint8Array, fileSize: number): ElfKind {
  if (!isElf(head)) throw new GuestInputError(path, "not an ELF file");
  if (head.length < 52) throw new GuestInputError(path, "truncated: ends inside the ELF header");
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const bigEndian = head[5] === 2;
  const machine = view.getUint16(18, !bigEndian);
  if (machine !== EM_MIPS) {
    throw new GuestInputError(path, `is for ${MACHINES[machine] ?? `ELF machine ${machine}`}, not for MIPS`);
  }
  if (head[4] !== 1) throw new GuestInputError(path, "a 64-bit ELF file; the guests are 32-bit");
  if (bigEndian) throw new GuestInputError(path, "big-endian; the guests are little-endian (mipsel)");
  if (view.getUint16(16, true) !== ET_EXEC) throw new GuestInputError(path, "not an executable ELF file");

  const tableOffset = view.getUint32(28, true);
  const entrySize = view.getUint16(42, true);
  const count = view.getUint16(44, true);
  if (count === 0 || entrySize < 32) throw new GuestInputError(path, "has no program headers");
  if (tableOffset + count * entrySize > head.length) {
    throw new GuestInputError(path, "truncated: ends inside the program headers");
  }
  let align = 0;
  for (let i = 0; i < count; i++) {
    const at = tableOffset + i * entrySize;
    const type = view.getUint32(at, true);
    if (type === PT_INTERP) throw new GuestInputError(path, "linked dynamically; a static program is needed");
    if (type !== PT_LOAD) continue;
    align = Math.max(align, view.getUint32(at + 28, true));
    const missing = view.getUint32(at + 4, true) + view.getUint32(at + 16, true) - fileSize;
    if (missing > 0) throw new GuestInputError(path, `truncated: ${missing} bytes of a segment are missing`);
  }
  const entry = view.getUint32(24, true);
  if (entry >= 0x80000000) return { kind: "kernel" };
  if (entry < 0x40000000) return { kind: "program" };
  // Kernels are linked with -n: the segment is aligned not to the linker's largest page but to its strictest
  // section, and those are .data and .bss, aligned to the kernel's own page.
  return { kind: "te-kernel", pageSize: align };
}
