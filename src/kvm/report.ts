import { CAUSE, CP0, ENTRY_HI, ENTRY_LO } from "../isa/cp0.ts";
import { disassemble } from "../isa/disassemble.ts";
import { excCodeName } from "../isa/exceptions.ts";
import type { TlbEntry } from "../machine/tlb.ts";
import type { Gva } from "./addresses.ts";
import { peekGuestWord } from "./guest-memory.ts";
import type { InternalErrorExit, InternalErrorReport } from "./vcpu-exit.ts";
import { faultingPc, type VcpuState } from "./vcpu-state.ts";

/** Instructions shown on each side of the culprit. */
const CONTEXT_WORDS = 4;

const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");

/** Read without the host's help: what is wrong may be the host's state, and a report never throws. */
function codeAround(vcpu: VcpuState, pc: Gva): string[] {
  const lines: string[] = [];
  for (let at = pc - 4 * CONTEXT_WORDS; at <= pc + 4 * CONTEXT_WORDS; at += 4) {
    if (at < 0 || at > 0xffff_fffc) continue;
    const word = peekGuestWord(vcpu, at);
    const text =
      word === null ? "cannot be read" : `${hex(word)} ${disassemble(word, at, { cp0Names: true })}`;
    lines.push(`${at === pc ? "> " : "  "}${hex(at)}: ${text}`);
  }
  return lines;
}

/** Guest TLB entries shown. */
const NEAREST = 6;

/** The guest's TLB, as far as it has to do with `pc` and `badVAddr`. */
function tlbAround({ guestTlb }: VcpuState, pc: Gva, badVAddr: Gva): InternalErrorReport["guestTlb"] {
  const distance = ({ entryHi }: TlbEntry): number =>
    Math.min(...[pc, badVAddr].map((gva) => Math.abs(gva - ((entryHi & ENTRY_HI.VPN2) >>> 0))));
  const valid = Array.from({ length: guestTlb.size }, (_, index) => ({
    index,
    ...guestTlb.read(index),
  })).filter(({ entryLo0, entryLo1 }) => ((entryLo0 | entryLo1) & ENTRY_LO.V) !== 0);
  const nearest = valid.toSorted((a, b) => distance(a) - distance(b)).slice(0, NEAREST);
  return { size: guestTlb.size, valid: valid.length, nearest };
}

/** An exit that says the guest cannot go on, with what helps to find out why. */
export function internalError(vcpu: VcpuState, message: string): InternalErrorExit {
  const { regs, cp0 } = vcpu;
  const pc = faultingPc(vcpu);
  return {
    reason: "internal-error",
    message: `${message} (pc ${hex(pc)})`,
    report: {
      pc,
      cause: regs.cause >>> 0,
      exception: excCodeName((regs.cause & CAUSE.ExcCode) >>> 2),
      badVAddr: regs.badVAddr,
      inDelaySlot: vcpu.inDelaySlot,
      status: cp0[CP0.Status]! >>> 0,
      guestCause: cp0[CP0.Cause]! >>> 0,
      epc: cp0[CP0.EPC]! >>> 0,
      entryHi: cp0[CP0.EntryHi]! >>> 0,
      gpr: Array.from(regs.gpr, (value) => value >>> 0),
      code: codeAround(vcpu, pc),
      guestTlb: tlbAround(vcpu, pc, regs.badVAddr),
      lastExits: vcpu.lastExits
        .list()
        .map(({ code, ...exit }) => ({ ...exit, exception: excCodeName(code) })),
    },
  };
}
