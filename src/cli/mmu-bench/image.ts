/** A kernel made of assembled pieces: what a guest of the measurements is. */
import { Assembler, VECTOR_OFFSET } from "../../index.ts";

/** What trap-and-emulate guests call kseg0, and in it the place where the kernel begins, behind the vectors. */
const KSEG0 = 0x4000_0000;
const START = 0x1000;

const ELF_HEADER = 52;
const PROGRAM_HEADER = 32;

/** A piece of code, in `Assembler` calls. */
export type Emit = (asm: Assembler) => void;

/** The code of a kernel: from its start on, and at the exception vectors if it has use for them. */
export interface KernelCode {
  readonly start: Emit;
  readonly refill?: Emit;
  readonly general?: Emit;
}

/** An ELF file, 32-bit little-endian, of one segment with all the code. */
export function kernelImage({ start, refill, general }: KernelCode): Uint8Array {
  const pieces = (
    [
      [VECTOR_OFFSET.refill, refill],
      [VECTOR_OFFSET.general, general],
      [START, start],
    ] as const
  ).flatMap(([offset, emit]) => {
    if (emit === undefined) return [];
    const asm = new Assembler({ level: "mips32r2", baseAddress: KSEG0 + offset });
    emit(asm);
    return [{ offset, words: asm.words() }];
  });
  const bytes = Math.max(...pieces.map(({ offset, words }) => offset + 4 * words.length));
  const file = new Uint8Array(ELF_HEADER + PROGRAM_HEADER + bytes);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  // An executable for MIPS32 release 2 with one program header behind this one.
  const executable = { type: 2, machine: 8, version: 1, flags: 0x7000_0000 };
  view.setUint16(16, executable.type, true);
  view.setUint16(18, executable.machine, true);
  view.setUint32(20, executable.version, true);
  view.setUint32(24, KSEG0 + START, true);
  view.setUint32(28, ELF_HEADER, true);
  view.setUint32(36, executable.flags, true);
  view.setUint16(40, ELF_HEADER, true);
  view.setUint16(42, PROGRAM_HEADER, true);
  view.setUint16(44, 1, true);
  const load = { type: 1, flags: 7, align: 4 };
  const from = ELF_HEADER + PROGRAM_HEADER;
  const header = [load.type, from, KSEG0, KSEG0, bytes, bytes, load.flags, load.align];
  header.forEach((word, index) => view.setUint32(ELF_HEADER + 4 * index, word, true));
  for (const { offset, words } of pieces)
    words.forEach((word, index) => view.setUint32(from + offset + 4 * index, word, true));
  return file;
}
