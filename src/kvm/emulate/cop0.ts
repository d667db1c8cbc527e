import { cp0Index } from "../../isa/cp0.ts";
import { decoderFor, operandValue } from "../../isa/decode.ts";
import { EXC_CODE } from "../../isa/exceptions.ts";
import { GPR } from "../../isa/registers.ts";
import { deliver } from "../deliver.ts";
import { translateCache, translateMfc0, translateMtc0 } from "../dyntrans.ts";
import { fillAfterTlbWrite } from "../fill.ts";
import { faultingInstruction } from "../guest-memory.ts";
import { internalError } from "../report.ts";
import { TRACE_EXIT } from "../trace.ts";
import type { VcpuExit } from "../vcpu-exit.ts";
import { executeAgain, faultingPc, finishInstruction, type VcpuState } from "../vcpu-state.ts";
import { cache } from "./cache.ts";
import { changeInterruptEnable, eret, mfc0, mtc0 } from "./cp0.ts";
import { evaluate } from "./evaluate.ts";
import { resumePc } from "./resume.ts";
import { tlbinv, tlbinvf, tlbp, tlbr, tlbwi, tlbwr } from "./tlb-ops.ts";

/** HYPCALL: COP0 with CO = 1 and function 28h; its code lies above the function. */
const HYPCALL = { mask: 0xfe00_003f, match: 0x4200_0028, codeShift: 11, codeMask: 0x3ff } as const;
/** What hypercall 0 answers: there is no such service (-ENOSYS as KVM numbers it). */
const NO_SUCH_HYPERCALL = -1000;

const decode = decoderFor("mips32r2");
const decodeLater = decoderFor("mips32r5");
/** Instructions of a later release that a guest's CPU has if it has EntryHi.EHINV. */
const TLB_INVALIDATE: ReadonlySet<string> = new Set(["tlbinv", "tlbinvf"]);

/** The instruction as the guest's CPU knows it, whatever the host's has beyond it. */
function decodeGuest(vcpu: VcpuState, word: number): ReturnType<typeof decode> {
  if (vcpu.guestCpu.model.tlbInvalidate) {
    const later = decodeLater(word);
    if (later !== null && TLB_INVALIDATE.has(later.mnemonic)) return later;
  }
  return decode(word);
}

/** An instruction that the guest's CPU does not have. */
function reserved(vcpu: VcpuState): null {
  deliver(vcpu, EXC_CODE.RI);
  return null;
}

/**
 * Emulates the coprocessor 0 or CACHE instruction that trapped in guest kernel mode. Null if the guest goes
 * on; what the guest gets wrong is its own exception.
 */
export function emulateCop0(vcpu: VcpuState): VcpuExit | null {
  const word = faultingInstruction(vcpu);
  if (word === null) {
    executeAgain(vcpu);
    return null;
  }
  const row = decodeGuest(vcpu, word);
  if (row === null) return reserved(vcpu);
  const resume = resumePc(vcpu);
  if (resume === null)
    return internalError(vcpu, "cannot work out the branch before the instruction that trapped");
  const { gpr } = vcpu.regs;
  const effect = evaluate(row, word, faultingPc(vcpu), gpr);
  if (effect?.kind !== "helper")
    return internalError(vcpu, `${row.mnemonic} trapped as a coprocessor instruction`);
  const [first = 0, second = 0, third = 0] = effect.args;
  const done = (result?: number): null => {
    if (result !== undefined && effect.register !== null) gpr[effect.register] = result;
    finishInstruction(vcpu, resume);
    return null;
  };
  switch (effect.name) {
    case "mfc0": {
      const index = cp0Index(first, second);
      translateMfc0(vcpu, effect.register ?? 0, index);
      return done(mfc0(vcpu, index));
    }
    case "mtc0": {
      const index = cp0Index(first, second);
      translateMtc0(vcpu, operandValue(row, word, "rt"), index);
      mtc0(vcpu, index, third);
      return done();
    }
    case "di":
    case "ei":
      return done(changeInterruptEnable(vcpu, effect.name === "ei"));
    case "rdpgpr":
      return done(gpr[first]);
    case "wrpgpr":
      if (first !== 0) gpr[first] = second;
      return done();
    case "tlbp":
      tlbp(vcpu);
      return done();
    case "tlbr":
      tlbr(vcpu);
      return done();
    case "tlbinv":
      tlbinv(vcpu);
      return done();
    case "tlbinvf":
      tlbinvf(vcpu);
      return done();
    case "tlbwi":
    case "tlbwr": {
      const outcome = effect.name === "tlbwi" ? tlbwi(vcpu) : tlbwr(vcpu);
      if (outcome.kind === "unsupported") return internalError(vcpu, outcome.why);
      if (outcome.kind === "exception") return null;
      fillAfterTlbWrite(vcpu);
      return done();
    }
    case "eret":
      finishInstruction(vcpu, eret(vcpu));
      return null;
    case "wait":
      done();
      vcpu.stats.counters.wait++;
      vcpu.tracer.kvm_exit?.(vcpu.regs.pc, TRACE_EXIT.WAIT);
      vcpu.waiting = true;
      return null;
    case "cache": {
      const outcome = cache(vcpu, first & 31, second >>> 0);
      if (outcome.kind === "exception") return null;
      if (outcome.kind === "illegal")
        return internalError(vcpu, `CACHE operation ${first.toString(16)} on ${(second >>> 0).toString(16)}`);
      if (outcome.translateTo !== null) translateCache(vcpu, word, outcome.translateTo);
      return done();
    }
    case "coprocessorUnusable":
      if ((word & HYPCALL.mask) >>> 0 !== HYPCALL.match) return reserved(vcpu);
      if (((word >>> HYPCALL.codeShift) & HYPCALL.codeMask) !== 0) return reserved(vcpu);
      gpr[GPR.v0] = NO_SUCH_HYPERCALL;
      return done();
    default:
      return reserved(vcpu);
  }
}
