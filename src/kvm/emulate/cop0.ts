import { cp0Index } from "../../isa/cp0.ts";
import { decoderFor, type Decoder } from "../../isa/decode.ts";
import { EXC_CODE } from "../../isa/exceptions.ts";
import { GPR } from "../../isa/registers.ts";
import type { Gva } from "../addresses.ts";
import { deliver } from "../deliver.ts";
import { translateCache, translateMfc0, translateMtc0 } from "../dyntrans.ts";
import { fillAfterTlbWrite } from "../fill.ts";
import { faultingInstruction } from "../guest-memory.ts";
import { internalError } from "../report.ts";
import { TRACE_EXIT } from "../trace.ts";
import type { VcpuExit } from "../vcpu-exit.ts";
import { executeAgain, finishInstruction, type VcpuState } from "../vcpu-state.ts";
import { cache } from "./cache.ts";
import { changeInterruptEnable, eret, mfc0, mtc0 } from "./cp0.ts";
import { helperCall, operandOf, type HelperCall } from "./helper-call.ts";
import { resumePc } from "./resume.ts";
import { tlbinv, tlbinvf, tlbp, tlbr, tlbwi, tlbwr } from "./tlb-ops.ts";

/** HYPCALL: COP0 with CO = 1 and function 28h; its code lies above the function. */
const HYPCALL = { mask: 0xfe00_003f, match: 0x4200_0028, codeShift: 11, codeMask: 0x3ff } as const;
/** What hypercall 0 answers: there is no such service (-ENOSYS as KVM numbers it). */
const NO_SUCH_HYPERCALL = -1000;

/** Instructions of a later release that a guest's CPU has if it has EntryHi.EHINV. */
const TLB_INVALIDATE: ReadonlySet<string> = new Set(["tlbinv", "tlbinvf"]);

const decode = decoderFor("mips32r2");
const decodeLater = decoderFor("mips32r5");
/** The same for a guest's CPU with EHINV, whatever the host's has beyond it. */
const decodeWithInvalidate: Decoder = (word) => {
  const later = decodeLater(word);
  return later !== null && TLB_INVALIDATE.has(later.mnemonic) ? later : decode(word);
};

/** What `word` is on a guest's CPU. */
interface Decoded {
  readonly word: number;
  /** Null for a reserved encoding. */
  readonly mnemonic: string | null;
  /** Null if it is no coprocessor instruction. */
  readonly call: HelperCall | null;
}

/** Places that words are remembered at. */
const REMEMBERED = 2048;

/**
 * The place of a word. No two MFC0 and MTC0 of registers with select 0 share one: of words that do and that a kernel
 * executes by turns each is decoded anew every time.
 */
function placeOf(word: number): number {
  const registers = (word >>> 11) & 0x3ff;
  const direction = (word >>> 13) & 0x400;
  return (registers | direction) ^ ((word & 0x3f) << 5);
}

/** A decoder that remembers words: a kernel has few that trap, and does not change them. */
function remember(decoder: Decoder): (word: number) => Decoded {
  const known = new Array<Decoded | null>(REMEMBERED).fill(null);
  return (word) => {
    const place = placeOf(word);
    const found = known[place]!;
    if (found !== null && found.word === word) return found;
    const row = decoder(word);
    const call = row === null ? null : helperCall(row, word);
    return (known[place] = { word, mnemonic: row?.mnemonic ?? null, call });
  };
}

const decoded = remember(decode);
const decodedWithInvalidate = remember(decodeWithInvalidate);

/** An instruction that the guest's CPU does not have. */
function reserved(vcpu: VcpuState): null {
  deliver(vcpu, EXC_CODE.RI);
  return null;
}

/** The instruction is done, and goes on at `resume`; `result` is its value if it has one. */
function done(vcpu: VcpuState, { register }: HelperCall, resume: Gva, result?: number): null {
  if (result !== undefined && register !== null) vcpu.regs.gpr[register] = result;
  finishInstruction(vcpu, resume);
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
  const { mnemonic, call } = vcpu.guestCpu.model.tlbInvalidate ? decodedWithInvalidate(word) : decoded(word);
  if (mnemonic === null) return reserved(vcpu);
  const resume = resumePc(vcpu);
  if (resume === null)
    return internalError(vcpu, "cannot work out the branch before the instruction that trapped");
  if (call === null) return internalError(vcpu, `${mnemonic} trapped as a coprocessor instruction`);
  const { gpr } = vcpu.regs;
  switch (call.name) {
    case "mfc0": {
      const index = cp0Index(operandOf(call, 0, gpr), operandOf(call, 1, gpr));
      translateMfc0(vcpu, call.register ?? 0, index);
      return done(vcpu, call, resume, mfc0(vcpu, index));
    }
    case "mtc0": {
      const index = cp0Index(operandOf(call, 0, gpr), operandOf(call, 1, gpr));
      translateMtc0(vcpu, word, index);
      mtc0(vcpu, index, operandOf(call, 2, gpr));
      return done(vcpu, call, resume);
    }
    case "di":
    case "ei":
      return done(vcpu, call, resume, changeInterruptEnable(vcpu, call.name === "ei"));
    case "rdpgpr":
      return done(vcpu, call, resume, gpr[operandOf(call, 0, gpr)]);
    case "wrpgpr": {
      const register = operandOf(call, 0, gpr);
      if (register !== 0) gpr[register] = operandOf(call, 1, gpr);
      return done(vcpu, call, resume);
    }
    case "tlbp":
      tlbp(vcpu);
      return done(vcpu, call, resume);
    case "tlbr":
      tlbr(vcpu);
      return done(vcpu, call, resume);
    case "tlbinv":
      tlbinv(vcpu);
      return done(vcpu, call, resume);
    case "tlbinvf":
      tlbinvf(vcpu);
      return done(vcpu, call, resume);
    case "tlbwi":
    case "tlbwr": {
      const outcome = call.name === "tlbwi" ? tlbwi(vcpu) : tlbwr(vcpu);
      if (outcome.kind === "unsupported") return internalError(vcpu, outcome.why);
      if (outcome.kind === "exception") return null;
      fillAfterTlbWrite(vcpu);
      return done(vcpu, call, resume);
    }
    case "eret":
      finishInstruction(vcpu, eret(vcpu));
      return null;
    case "wait":
      done(vcpu, call, resume);
      vcpu.stats.count("wait");
      vcpu.tracer.kvm_exit?.(vcpu.regs.pc, TRACE_EXIT.WAIT);
      vcpu.waiting = true;
      return null;
    case "cache": {
      const op = operandOf(call, 0, gpr);
      const gva = operandOf(call, 1, gpr) >>> 0;
      const outcome = cache(vcpu, op, gva);
      if (outcome.kind === "exception") return null;
      if (outcome.kind === "illegal")
        return internalError(vcpu, `CACHE operation ${op.toString(16)} on ${gva.toString(16)}`);
      if (outcome.translateTo !== null) translateCache(vcpu, word, outcome.translateTo);
      return done(vcpu, call, resume);
    }
    case "coprocessorUnusable":
      if ((word & HYPCALL.mask) >>> 0 !== HYPCALL.match) return reserved(vcpu);
      if (((word >>> HYPCALL.codeShift) & HYPCALL.codeMask) !== 0) return reserved(vcpu);
      gpr[GPR.v0] = NO_SUCH_HYPERCALL;
      return done(vcpu, call, resume);
    default:
      return reserved(vcpu);
  }
}
