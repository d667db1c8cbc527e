import { VECTOR_OFFSET } from "../../isa/exceptions.ts";
import { GPR } from "../../isa/registers.ts";
import type { Assembler } from "../../uasm/assembler.ts";
import { VCPU } from "../layout.ts";
import { mfc0, mtc0, type CodeTarget } from "./target.ts";

/** The vectors that a guest block fills, by offset; with vectored interrupts the others follow at `spacing`. */
export const VECTOR = {
  ...VECTOR_OFFSET,
  spacing: 0x100,
  interrupts: 8,
} as const;

/**
 * Emits an exception stub: frees k0 and k1 and branches to the common exit with the VCPU pointer in k1,
 * guest k0 in its slot and guest k1 in the temporary. Four words.
 */
export function emitExceptionStub(asm: Assembler, target: CodeTarget, commonExit: number): void {
  mtc0(asm.comment("keep the guest's k1"), GPR.k1, target.scratch.temp);
  mfc0(asm, GPR.k1, target.scratch.vcpu);
  asm.b(commonExit);
  asm.comment("and k0").sw(GPR.k0, VCPU.gprs + 4 * GPR.k0, GPR.k1);
}
