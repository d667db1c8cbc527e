import { decode, operandValue } from "../isa/decode.ts";
import type { Gpa, Gva } from "./addresses.ts";
import { deliverAddressError } from "./deliver.ts";
import { evaluate, type Effect } from "./emulate/evaluate.ts";
import { isUnaligned, loadAccess, loadedValue, storeAccesses, type PendingFpuLoad } from "./emulate/mmio.ts";
import { resumePc } from "./emulate/resume.ts";
import { faultingInstruction } from "./guest-memory.ts";
import { internalError } from "./report.ts";
import type { VcpuExit } from "./vcpu-exit.ts";
import {
  continueAt,
  faultingPc,
  finishInstruction,
  retireInstruction,
  type VcpuState,
} from "./vcpu-state.ts";

type FpuEffect = Extract<Effect, { kind: "fpuLoad" | "fpuStore" }>;

/**
 * Hands the load or store that caused the exit, an access to `gpa`, to the VMM. A store is finished with that;
 * a load is finished when the vcpu runs again, with the value that the VMM has put into the exit.
 */
export function emulateMmio(vcpu: VcpuState, gpa: Gpa): VcpuExit | null {
  const word = faultingInstruction(vcpu);
  if (word === null) return null;
  const resume = resumePc(vcpu);
  const row = decode(word);
  if (row === null || resume === null)
    return internalError(vcpu, `cannot read the instruction that accesses ${gpa.toString(16)}`);
  const effect = evaluate(row, word, faultingPc(vcpu), vcpu.regs.gpr);
  const { endian } = vcpu.machine.memory;
  // LL too: it reads the device, and no link is made.
  if (effect?.kind === "load") {
    const { width, signed, register, old } = effect;
    if (isUnaligned(effect.address, width)) {
      deliverAddressError(vcpu, effect.address, false);
      return null;
    }
    const exit = loadAccess(gpa, width);
    vcpu.pendingAccess = { kind: "load", exit, width, signed, lane: gpa & 3, register, old, resume };
    retireInstruction(vcpu);
    return exit;
  }
  if (effect?.kind === "store") {
    if (isUnaligned(effect.address, effect.width)) {
      deliverAddressError(vcpu, effect.address, true);
      return null;
    }
    if (effect.conditional) {
      // No device can be linked to: SC fails.
      const register = operandValue(row, word, "rt");
      if (register !== 0) vcpu.regs.gpr[register] = 0;
      finishInstruction(vcpu, resume);
      return null;
    }
    const [first, ...rest] = storeAccesses(gpa, effect.width, effect.value, endian);
    if (rest.length > 0) vcpu.pendingAccess = { kind: "stores", rest };
    retireInstruction(vcpu);
    continueAt(vcpu, resume);
    return first ?? null;
  }
  if (effect?.kind === "fpuLoad" || effect?.kind === "fpuStore") return fpuMmio(vcpu, gpa, effect, resume);
  if (row.mnemonic === "synci") {
    // Perhaps a translated CACHE. Nothing there is cached.
    finishInstruction(vcpu, resume);
    return null;
  }
  return internalError(vcpu, `${row.mnemonic} cannot access the device at ${gpa.toString(16)}`);
}

/** A load or store of the FPU: of two words, the one at the lower address first. */
function fpuMmio(vcpu: VcpuState, gpa: Gpa, effect: FpuEffect, resume: Gva): VcpuExit | null {
  const { kind, address, bytes, register } = effect;
  const fpu = vcpu.fpu!;
  if ((address & (bytes - 1)) !== 0) {
    deliverAddressError(vcpu, address, kind === "fpuStore");
    return null;
  }
  fpu.lose();
  retireInstruction(vcpu);
  if (kind === "fpuLoad") {
    const exit = loadAccess(gpa, 4);
    vcpu.pendingAccess = { kind, register, exit, first: null, bytes, resume };
    return exit;
  }
  const halves = [fpu.lower(register), fpu.upper(register)];
  if (vcpu.machine.memory.endian === "big") halves.reverse();
  const words = bytes === 4 ? [fpu.word(register)] : halves;
  const [first, ...rest] = words.flatMap((word, n) =>
    storeAccesses(gpa + 4 * n, 4, word, vcpu.machine.memory.endian),
  );
  if (rest.length > 0) vcpu.pendingAccess = { kind: "stores", rest };
  continueAt(vcpu, resume);
  return first ?? null;
}

/** The VMM has served a word of a load of the FPU. Returns the exit for the other one, or null if it is done. */
function completeFpuLoad(vcpu: VcpuState, access: PendingFpuLoad): VcpuExit | null {
  const { register, exit, first, bytes, resume } = access;
  if (bytes === 8 && first === null) {
    const next = loadAccess(exit.physAddr + 4, 4);
    vcpu.pendingAccess = { ...access, exit: next, first: exit.data >>> 0 };
    return next;
  }
  const fpu = vcpu.fpu!;
  // The VMM may have run another vcpu, but not this one: its registers are in memory since the exit.
  if (first === null) fpu.setWord(register, exit.data);
  else {
    const [upper, lower] = vcpu.machine.memory.endian === "big" ? [first, exit.data] : [exit.data, first];
    fpu.setUpper(register, upper);
    fpu.setLower(register, lower);
  }
  continueAt(vcpu, resume);
  return null;
}

/** Goes on with an access that the VMM has served. Returns the next exit that it takes, or null if it is done. */
export function completeMmio(vcpu: VcpuState): VcpuExit | null {
  const access = vcpu.pendingAccess;
  vcpu.pendingAccess = null;
  if (access === null) return null;
  if (access.kind === "stores") {
    const [next, ...rest] = access.rest;
    if (rest.length > 0) vcpu.pendingAccess = { kind: "stores", rest };
    return next ?? null;
  }
  if (access.kind === "fpuLoad") return completeFpuLoad(vcpu, access);
  const { width, signed, lane, old, exit, register, resume } = access;
  const value = loadedValue(width, signed, lane, old, exit.data, vcpu.machine.memory.endian);
  if (register !== 0) vcpu.regs.gpr[register] = value;
  continueAt(vcpu, resume);
  return null;
}
