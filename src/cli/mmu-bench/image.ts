/** A kernel made of assembled pieces: what a guest of the measurements is. */
import { Assembler, makeExecutable, VECTOR_OFFSET } from "../../index.ts";

/** What trap-and-emulate guests call kseg0, and in it the place where the kernel begins, behind the vectors. */
const KSEG0 = 0x4000_0000;
const START = 0x1000;

/** A piece of code, in `Assembler` calls. */
export type Emit = (asm: Assembler) => void;

/** The code of a kernel: from its start on, and at the exception vectors if it has use for them. */
export interface KernelCode {
  readonly start: Emit;
  readonly refill?: Emit;
  readonly general?: Emit;
}

/** An ELF file, 32-bit little-endian, with all the code. */
export function kernelImage({ start, refill, general }: KernelCode): Uint8Array {
  const pieces = (
    [
      [VECTOR_OFFSET.refill, refill],
      [VECTOR_OFFSET.general, general],
      [START, start],
    ] as const
  ).flatMap(([offset, emit]) => {
    if (emit === undefined) return [];
    const address = KSEG0 + offset;
    const asm = new Assembler({ level: "mips32r2", baseAddress: address });
    emit(asm);
    return [{ address, words: asm.words() }];
  });
  return makeExecutable({ entry: KSEG0 + START, pieces });
}
