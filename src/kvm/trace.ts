/** What `kvm_hwr` says happened to a register. */
export const HWR_OP = { MFC0: 0, MTC0: 1, DMFC0: 2, DMTC0: 3, RDHWR: 4 } as const;

/** Bit of `kvm_hwr`'s register number that tells hardware registers (RDHWR) from CP0 registers. */
export const HWR_REGISTER = 0x100;

/** `kvm_exit` reasons beyond the exception codes. */
export const TRACE_EXIT = { WAIT: 32, CACHE: 33, SIGNAL: 34 } as const;

/** What `kvm_aux` says happened, and to which unit: the FPU. */
export const AUX = { restore: 0, save: 1, enable: 2, disable: 3, fpu: 1 } as const;

/** KVM's tracepoints as callbacks, all optional, with KVM's names and fields. */
export interface Tracer {
  /** The VMM's RUN is about to enter the guest. */
  kvm_enter?(pc: number): void;
  /** An exit was handled; the guest goes on. */
  kvm_reenter?(pc: number): void;
  /** RUN is about to return to the VMM. */
  kvm_out?(pc: number): void;
  /** An exit, by exception code, or by a {@link TRACE_EXIT} reason for what emulation then found. */
  kvm_exit?(pc: number, reason: number): void;
  /** An emulated access to a CP0 or hardware register; `register` is number << 3 | select, {@link HWR_REGISTER}. */
  kvm_hwr?(value: number, register: number, op: number): void;
  /** The host's FPU came to the guest or was taken away ({@link AUX}); `state` says which unit. */
  kvm_aux?(pc: number, op: number, state: number): void;
  kvm_asid_change?(pc: number, oldAsid: number, newAsid: number): void;
}
