import { CP0 } from "../../isa/cp0.ts";
import { EXC_CODE } from "../../isa/exceptions.ts";
import type { Gva } from "../addresses.ts";
import { deliverTlb } from "../deliver.ts";
import { translate } from "../translate.ts";
import { TRACE_EXIT } from "../trace.ts";
import { inUserMode, type VcpuState } from "../vcpu-state.ts";

/** Fields of the CACHE instruction's operand. */
const CACHE_MASK = 3;
const PRIMARY_CACHES = 2;
/** Operations on primary caches, as op[4:2]. */
const OPERATION = {
  indexInvalidate: 0,
  indexLoadTag: 1,
  indexStoreTag: 2,
  hitInvalidate: 4,
  fillOrHit: 5,
  hitWriteback: 6,
} as const;

/** What became of a CACHE instruction. */
export type CacheOutcome =
  /** Done; `translateTo` is what dynamic translation may put in its place. */
  | { readonly kind: "done"; readonly translateTo: "nop" | "synci" | null }
  /** The guest was given a TLB exception instead. */
  | { readonly kind: "exception" }
  /** Not an operation that the guest's caches have. */
  | { readonly kind: "unsupported" };

const DONE: CacheOutcome = { kind: "done", translateTo: null };

/**
 * CACHE operation `op` on `gva`. The machine's caches are coherent, and code that was decoded before a store
 * to it is never executed, so nothing has to be moved: what matters is that hit operations translate their
 * address, and may raise, as loads do.
 */
export function cache(vcpu: VcpuState, op: number, gva: Gva): CacheOutcome {
  vcpu.stats.counters.cache++;
  vcpu.tracer.kvm_exit?.(vcpu.regs.pc, TRACE_EXIT.CACHE);
  if ((op & CACHE_MASK) >= PRIMARY_CACHES) return { kind: "unsupported" };
  const instruction = (op & CACHE_MASK) === 0;
  switch (op >>> 2) {
    case OPERATION.indexInvalidate:
      return { kind: "done", translateTo: "nop" };
    case OPERATION.indexLoadTag:
      // Every line reads as invalid.
      vcpu.cp0[instruction ? CP0.ITagLo : CP0.DTagLo] = 0;
      return DONE;
    case OPERATION.indexStoreTag:
      return DONE;
    case OPERATION.hitInvalidate:
      return hit(vcpu, gva, "synci");
    case OPERATION.fillOrHit:
      return hit(vcpu, gva, instruction ? null : "synci");
    case OPERATION.hitWriteback:
      return instruction ? { kind: "unsupported" } : hit(vcpu, gva, "synci");
    default:
      return { kind: "unsupported" };
  }
}

/** A hit operation: raises what a load from `gva` would. Addresses without cached memory behind are nothing to do. */
function hit(vcpu: VcpuState, gva: Gva, translateTo: "synci" | null): CacheOutcome {
  const found = translate(vcpu, gva, inUserMode(vcpu));
  const fault = found.kind === "miss" || (found.kind === "mapped" && !found.valid);
  if (fault) {
    deliverTlb(vcpu, EXC_CODE.TLBL, gva, found.kind === "miss");
    return { kind: "exception" };
  }
  if (found.kind === "illegal" || found.kind === "forbidden") return { kind: "unsupported" };
  return found.kind === "mmio" ? DONE : { kind: "done", translateTo };
}
