import { CP0 } from "../../isa/cp0.ts";
import { GPR } from "../../isa/registers.ts";
import type { Assembler } from "../../uasm/assembler.ts";
import type { HostVa } from "../addresses.ts";
import { VCPU } from "../layout.ts";
import { emitCpuOffset } from "./cpu-number.ts";
import { is64Bit, mfc0, mtc0, nativeOps, type CodeTarget } from "./target.ts";

/** Puts into `ptr` the address of the pgd slot that BadVAddr selects. Clobbers `tmp`. */
export function emitGetPgde(
  asm: Assembler,
  target: CodeTarget,
  tmp: number,
  ptr: number,
  pgdCurrent: HostVa,
): void {
  const native = nativeOps(asm, target);
  if (target.scratch.pgd !== null) {
    asm.comment("current pgd");
    native.moveFrom(ptr, target.scratch.pgd);
    asm.comment("faulting address");
    native.moveFrom(tmp, CP0.BadVAddr);
  } else if (target.cpus > 1) {
    emitCpuOffset(asm, ptr);
    const low = asm.comment("current pgd of each CPU").loadAddressMostly(tmp, pgdCurrent);
    asm.addu(ptr, ptr, tmp);
    mfc0(asm.comment("faulting address"), tmp, CP0.BadVAddr);
    asm.comment("current pgd").lw(ptr, low, ptr);
  } else {
    // The load comes after MFC0: neither waits for the other.
    const low = asm.comment("current pgd").loadAddressMostly(ptr, pgdCurrent);
    asm.comment("faulting address");
    native.moveFrom(tmp, CP0.BadVAddr);
    native.load(ptr, low, ptr);
  }
  const { pgdShift, pgdEntries, pointerShift } = target.geometry;
  asm.comment("its slot of the pgd");
  if (is64Bit(target)) return emitAddSlot(asm, target, tmp, ptr, pgdShift, pgdEntries);
  asm.srl(tmp, tmp, pgdShift);
  asm.sll(tmp, tmp, pointerShift);
  asm.addu(ptr, ptr, tmp);
}

/** Adds to table `ptr` the offset of the slot that the address in `tmp`, shifted right by `shift`, selects. */
function emitAddSlot(
  asm: Assembler,
  target: CodeTarget,
  tmp: number,
  ptr: number,
  shift: number,
  entries: number,
): void {
  const native = nativeOps(asm, target);
  const { pointerShift } = target.geometry;
  native.shiftRight(tmp, tmp, shift - pointerShift);
  asm.andi(tmp, tmp, (entries - 1) << pointerShift);
  native.add(ptr, ptr, tmp);
}

/** Follows the pgd slot at `ptr` of a 64-bit host to the slot of the pmd. Clobbers `tmp`. */
function emitGetPmde(asm: Assembler, target: CodeTarget, tmp: number, ptr: number): void {
  const { pmd } = target.geometry;
  if (pmd === null) return;
  const native = nativeOps(asm, target);
  native.moveFrom(tmp, CP0.BadVAddr);
  asm.comment("pmd, or the invalid pmd");
  native.load(ptr, 0, ptr);
  asm.comment("its slot of the pmd");
  emitAddSlot(asm, target, tmp, ptr, pmd.shift, pmd.entries);
}

/** Follows the slot at `ptr` to its table: puts into `ptr` the address of the PTE pair that Context selects. */
export function emitGetPtep(asm: Assembler, target: CodeTarget, tmp: number, ptr: number): void {
  const { contextShift, contextMask } = target.geometry;
  const native = nativeOps(asm, target);
  asm.comment("BadVPN2 names the pair");
  native.moveFrom(tmp, is64Bit(target) ? CP0.XContext : CP0.Context);
  asm.comment("table of PTEs, or the invalid table");
  native.load(ptr, 0, ptr);
  asm.comment("offset of the pair");
  if (contextShift !== 0) native.shiftRight(tmp, tmp, contextShift);
  asm.andi(tmp, tmp, contextMask);
  native.add(ptr, ptr, tmp);
}

/** Turns the PTE in `reg` into an EntryLo word. */
function emitConvert(asm: Assembler, target: CodeTarget, reg: number): void {
  const { conversion, gShift, xiShift } = target.format;
  const native = nativeOps(asm, target);
  switch (conversion) {
    case "shift":
      asm.comment("drop the software bits");
      native.shiftRight(reg, reg, gShift);
      break;
    case "rotate":
      asm.comment("RI and XI to the top");
      native.rotateRight(reg, reg, gShift);
      break;
    case "shift-rotate":
      asm.comment("drop the software bits");
      native.shiftRight(reg, reg, xiShift);
      asm.comment("RI and XI to the top");
      native.rotateRight(reg, reg, 2);
      break;
    case "two-words":
      asm.comment("RI and XI to the top").rotr(reg, reg, 2);
      break;
  }
}

/** Loads the PTE pair at `ptr` and writes it to EntryLo0 and EntryLo1. Clobbers `tmp` and `ptr`. */
export function emitUpdateEntries(asm: Assembler, target: CodeTarget, tmp: number, ptr: number): void {
  if (target.format.conversion === "two-words") return emitUpdateWideEntries(asm, target, tmp, ptr);
  const native = nativeOps(asm, target);
  asm.comment("even PTE");
  native.load(tmp, 0, ptr);
  asm.comment("odd PTE");
  native.load(ptr, 1 << target.geometry.pteShift, ptr);
  emitConvert(asm, target, tmp);
  native.moveTo(tmp, CP0.EntryLo0);
  emitConvert(asm, target, ptr);
  native.moveTo(ptr, CP0.EntryLo1);
}

/** PFNX of the lower word of a PTE of two. */
const PFNX_BITS = 24;

/** The same for PTEs of two words, low before high. MTC0 clears what MTHC0 writes, so it comes first. */
function emitUpdateWideEntries(asm: Assembler, target: CodeTarget, tmp: number, ptr: number): void {
  const half = (name: string, offset: number, index: number, low: number): void => {
    asm.comment(`${name} PTE, upper word`).lw(tmp, offset + 4, ptr);
    emitConvert(asm, target, tmp);
    mtc0(asm, tmp, index);
    asm.comment("lower word").lw(low, offset, ptr);
    asm.comment("the address above bit 35").ext(low, low, 0, PFNX_BITS);
    asm.mthc0(low, index >>> 3, index & 7);
  };
  half("even", 0, CP0.EntryLo0, tmp);
  half("odd", 8, CP0.EntryLo1, ptr);
}

/** Writes the entry. EntryHi is the hardware's, PageMask never changes; ERET is the barrier that follows. */
export function emitTlbWrite(asm: Assembler): void {
  asm.clearHazard();
  asm.comment("a random entry").tlbwr();
}

function emitWalk(asm: Assembler, target: CodeTarget, pgdCurrent: HostVa): void {
  emitGetPgde(asm, target, GPR.k0, GPR.k1, pgdCurrent);
  emitGetPmde(asm, target, GPR.k0, GPR.k1);
  emitGetPtep(asm, target, GPR.k0, GPR.k1);
  emitUpdateEntries(asm, target, GPR.k0, GPR.k1);
  emitTlbWrite(asm);
}

/**
 * Emits the TLB refill handler of a guest: walks the current GVA table and never leaves the machine. k0 and
 * k1 belong to the guest and come back unchanged. A missing table or PTE gives an invalid entry, and the
 * repeated access then raises TLB Invalid at the general vector.
 */
export function emitGuestRefill(asm: Assembler, target: CodeTarget, pgdCurrent: HostVa): void {
  const { vcpu, temp } = target.scratch;
  const native = nativeOps(asm, target);
  const k0Slot = VCPU.gprs + native.registerBytes * GPR.k0;
  asm.comment("keep the guest's k1");
  native.moveTo(GPR.k1, temp);
  native.moveFrom(GPR.k1, vcpu);
  asm.comment("and k0");
  native.store(GPR.k0, k0Slot, GPR.k1);
  emitWalk(asm, target, pgdCurrent);
  native.moveFrom(GPR.k1, vcpu);
  asm.comment("the guest's k0");
  native.load(GPR.k0, k0Slot, GPR.k1);
  asm.clearHazard();
  asm.comment("and k1");
  native.moveFrom(GPR.k1, temp);
  asm.eret();
}

/** Emits the host kernel's own TLB refill handler: the same walk, with k0 and k1 free for use. */
export function emitHostRefill(asm: Assembler, target: CodeTarget, pgdCurrent: HostVa): void {
  emitWalk(asm, target, pgdCurrent);
  asm.eret();
}
