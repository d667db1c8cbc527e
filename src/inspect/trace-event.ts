/** What a tracer is told, as events with named fields: what all formats of a trace are made from. */
import { cp0Name, HWR } from "../isa/cp0.ts";
import { excCodeName } from "../isa/exceptions.ts";
import { exitCause } from "../kvm/stats.ts";
import { AUX, HWR_OP, HWR_REGISTER, TRACE_EXIT, type Tracer } from "../kvm/trace.ts";

/** An event by the name of its callback, with KVM's names of its fields where KVM has the event. */
export interface TraceEvent {
  readonly name: keyof Tracer;
  /** Addresses and other numbers, unsigned; for some numbers their names. */
  readonly fields: Readonly<Record<string, number | string>>;
}

/** Fields that are addresses. */
export const ADDRESS_FIELDS: ReadonlySet<string> = new Set([
  "pc",
  "va",
  "vector",
  "badvaddr",
  "first",
  "last",
]);

const nameIn = (names: Readonly<Record<string, number>>, value: number): string =>
  Object.entries(names).find(([, number]) => number === value)?.[0] ?? String(value);

/** What caused an exit, as statistics call it; or what emulation found (`wait`, `cache`, `signal`). */
export function exitName(reason: number): string {
  const found = Object.entries(TRACE_EXIT).find(([, value]) => value === reason);
  return found === undefined ? exitCause(reason) : found[0].toLowerCase();
}

/** The register that `kvm_hwr` is about. */
export function hwrName(register: number): string {
  if ((register & HWR_REGISTER) === 0) return cp0Name(register) ?? String(register);
  return nameIn(HWR, (register >>> 3) & 31);
}

/** What `kvm_hwr` did: `MFC0`, `RDHWR` … */
export const hwrOperation = (op: number): string => nameIn(HWR_OP, op);

/** What happened to the FPU, for `kvm_aux`. */
export const auxOperation = (op: number): string => {
  const { restore, save, enable, disable } = AUX;
  return nameIn({ restore, save, enable, disable }, op);
};

const modeName = (user: boolean): string => (user ? "user" : "kernel");

/** A tracer that has every callback and makes events of them. */
export function tracerOf(emit: (event: TraceEvent) => void): Tracer {
  return {
    kvm_enter: (pc) => emit({ name: "kvm_enter", fields: { pc } }),
    kvm_reenter: (pc) => emit({ name: "kvm_reenter", fields: { pc } }),
    kvm_out: (pc) => emit({ name: "kvm_out", fields: { pc } }),
    kvm_exit: (pc, reason) => emit({ name: "kvm_exit", fields: { pc, reason } }),
    kvm_hwr: (value, reg, op) => emit({ name: "kvm_hwr", fields: { val: value >>> 0, reg, op } }),
    kvm_aux: (pc, op, state) => emit({ name: "kvm_aux", fields: { pc, op, state } }),
    kvm_asid_change: (pc, old_asid, new_asid) =>
      emit({ name: "kvm_asid_change", fields: { pc, old_asid, new_asid } }),
    kseg_refill: (pc, va, store) =>
      emit({ name: "kseg_refill", fields: { pc, va, access: store ? "store" : "load" } }),
    kseg_slow_refill: (va, user) => emit({ name: "kseg_slow_refill", fields: { va, mode: modeName(user) } }),
    kseg_fill: (va, user, ptes) => emit({ name: "kseg_fill", fields: { va, mode: modeName(user), ptes } }),
    kseg_invalidate: (user, guest_asid, first, last, ptes) =>
      emit({ name: "kseg_invalidate", fields: { first, last, mode: modeName(user), guest_asid, ptes } }),
    kseg_root_change: (user, old_asid, new_asid, emptied) =>
      emit({
        name: "kseg_root_change",
        fields: { mode: modeName(user), old_asid, new_asid, root: emptied ? "emptied" : "kept" },
      }),
    kseg_host_asid: (user, guest_asid, host_asid) =>
      emit({ name: "kseg_host_asid", fields: { mode: modeName(user), guest_asid, host_asid } }),
    kseg_guest_exception: (pc, code, vector, badvaddr) =>
      emit({
        name: "kseg_guest_exception",
        fields: { exception: excCodeName(code), pc, vector, badvaddr },
      }),
  };
}

/** Something that takes events, and now and then statistics, and makes a file of them. */
export interface TraceWriter {
  /** To be given to `createGuest`. */
  readonly tracer: Tracer;
  /** Records how far the counters are. */
  sample(counters: Readonly<Record<string, number>>): void;
  /** Hands on what has not been yet. */
  finish(): void;
}
