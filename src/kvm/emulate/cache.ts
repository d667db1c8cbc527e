import { CP0 } from "../../isa/cp0.ts";
import { EXC_CODE } from "../../isa/exceptions.ts";
import type { Gva } from "../addresses.ts";
import { deliverTlb } from "../deliver.ts";
import type { UserAccess } from "../entry/user-access.ts";
import { accessGuest } from "../guest-memory.ts";
import { TRACE_EXIT } from "../trace.ts";
import type { VcpuState } from "../vcpu-state.ts";

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
 * CACHE operation `op` on `gva`. Hit operations are executed for the guest, on the address as its current mode sees
 * it, and raise in the guest what a load would; what would only invalidate data writes it back as well. Index
 * operations have nothing to do on a machine whose caches are coherent.
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
      return hit(vcpu, instruction ? "flushInstruction" : "flushData", gva, "synci");
    case OPERATION.fillOrHit:
      return hit(vcpu, "flushData", gva, instruction ? null : "synci");
    case OPERATION.hitWriteback:
      return instruction ? { kind: "unsupported" } : hit(vcpu, "flushData", gva, "synci");
    default:
      return { kind: "unsupported" };
  }
}

/** A hit operation. Where the guest has a device, or nothing at all, nothing is cached. */
function hit(vcpu: VcpuState, access: UserAccess, gva: Gva, translateTo: "synci" | null): CacheOutcome {
  const result = accessGuest(vcpu, access, gva);
  if (typeof result === "number") return { kind: "done", translateTo };
  switch (result.kind) {
    case "miss":
    case "invalid":
      deliverTlb(vcpu, EXC_CODE.TLBL, gva, result.kind === "miss");
      return { kind: "exception" };
    case "mmio":
      return DONE;
    default:
      return { kind: "unsupported" };
  }
}
