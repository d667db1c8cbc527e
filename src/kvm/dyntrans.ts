import { CP0 } from "../isa/cp0.ts";
import { encode } from "../isa/encode.ts";
import { decode, operandValue } from "../isa/decode.ts";
import { GPR } from "../isa/registers.ts";
import { writeGuestInstruction } from "./guest-memory.ts";
import type { Gva } from "./addresses.ts";
import { isStored, isStoredWhole } from "./guest-cp0.ts";
import { cp0Slot } from "./layout.ts";
import { faultingPc, type VcpuState } from "./vcpu-state.ts";

const NOP = 0;

/**
 * Dynamic translation: an instruction of the guest kernel that trapped is replaced in guest memory by one that
 * does the same without a trap, by way of the commpage. Only what has no effect beyond the register array is
 * replaced: a guest with and without translation executes the same instructions in the same time. Only a vcpu with a
 * commpage translates: its guest finds its registers in the kernel's memory, and other words in its code.
 */
function replace(vcpu: VcpuState, word: number): void {
  if (writeGuestInstruction(vcpu, faultingPc(vcpu), word)) vcpu.stats.translated++;
}

/** Displacement from `$zero` of the virtual register `index`: negative if the commpage is at the top. */
function slot(commpage: Gva, index: number): number {
  return (commpage + cp0Slot(index)) | 0;
}

/** MFC0 of register `index` into `rt` becomes LW, or ADD for a register that reads as zero. */
export function translateMfc0(vcpu: VcpuState, rt: number, index: number): void {
  const { commpage } = vcpu;
  if (commpage === null || !isStored(index)) return;
  if (index === CP0.ErrCtl) replace(vcpu, encode("add", { rd: rt, rs: GPR.zero, rt: GPR.zero }));
  else replace(vcpu, encode("lw", { rt, imm: slot(commpage, index), rs: GPR.zero }));
}

/** MTC0 `word`, to register `index`, becomes SW where a store is all that it does. */
export function translateMtc0(vcpu: VcpuState, word: number, index: number): void {
  const { commpage } = vcpu;
  if (commpage === null || !isStoredWhole(vcpu.guestCpu.write(vcpu.cp0, index), index)) return;
  const rt = operandValue(decode(word)!, word, "rt");
  replace(vcpu, encode("sw", { rt, imm: slot(commpage, index), rs: GPR.zero }));
}

/** CACHE becomes NOP, or SYNCI at the same address. */
export function translateCache(vcpu: VcpuState, word: number, to: "nop" | "synci"): void {
  if (vcpu.commpage === null) return;
  const row = decode(word);
  if (to === "nop" || row === null) replace(vcpu, NOP);
  else
    replace(
      vcpu,
      encode("synci", { imm: operandValue(row, word, "imm"), rs: operandValue(row, word, "rs") }),
    );
}
