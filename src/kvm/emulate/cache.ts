import { CP0 } from "../../isa/cp0.ts";
import { EXC_CODE } from "../../isa/exceptions.ts";
import type { Gva } from "../addresses.ts";
import { CACHE_OPERATION } from "../cache-operation.ts";
import { deliverAddressError, deliverTlb } from "../deliver.ts";
import type { UserAccess } from "../entry/user-access.ts";
import { accessGuest } from "../guest-memory.ts";
import { TRACE_EXIT } from "../trace.ts";
import type { VcpuState } from "../vcpu-state.ts";

/** Bits of the CACHE instruction's operand that say which cache: 0 instructions, 1 data, 2 and 3 those behind them. */
const CACHE_MASK = 3;
const PRIMARY_CACHES = 2;

/** What became of a CACHE instruction. */
export type CacheOutcome =
  /** Done; `translateTo` is what dynamic translation may put in its place. */
  | { readonly kind: "done"; readonly translateTo: "nop" | "synci" | null }
  /** The guest was given an exception instead. */
  | { readonly kind: "exception" }
  /** On an address that no guest can use. */
  | { readonly kind: "illegal" };

const DONE: CacheOutcome = { kind: "done", translateTo: null };

/**
 * CACHE operation `op` on `gva`, as the machine does it for its own kernel (`SystemOps.cache`). Hit operations are
 * executed for the guest, on the address as its current mode sees it, and raise in the guest what a load would; what
 * would only invalidate data writes it back as well. Index operations have nothing to do on a machine whose caches are
 * coherent, and caches behind the primary ones it has none.
 */
export function cache(vcpu: VcpuState, op: number, gva: Gva): CacheOutcome {
  vcpu.stats.count("cache");
  vcpu.tracer.kvm_exit?.(vcpu.regs.pc, TRACE_EXIT.CACHE);
  const which = op & CACHE_MASK;
  const operation = op >>> 2;
  const isPrimary = which < PRIMARY_CACHES;
  if (operation === CACHE_OPERATION.indexLoadTag) {
    // Every line reads as invalid.
    vcpu.cp0[(which & 1) === 0 ? CP0.ITagLo : CP0.DTagLo] = 0;
    return DONE;
  }
  if (operation >= CACHE_OPERATION.firstHit)
    return hit(vcpu, which === 0 ? "flushInstruction" : "flushData", gva, isPrimary ? "synci" : null);
  return operation === CACHE_OPERATION.indexInvalidate && isPrimary
    ? { kind: "done", translateTo: "nop" }
    : DONE;
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
    case "forbidden":
      deliverAddressError(vcpu, gva, false);
      return { kind: "exception" };
    case "illegal":
      return { kind: "illegal" };
    default:
      return DONE;
  }
}
