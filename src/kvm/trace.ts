/** What `kvm_hwr` says happened to a register. */
export const HWR_OP = { MFC0: 0, MTC0: 1, DMFC0: 2, DMTC0: 3, RDHWR: 4 } as const;

/** Bit of `kvm_hwr`'s register number that tells hardware registers (RDHWR) from CP0 registers. */
export const HWR_REGISTER = 0x100;

/** `kvm_exit` reasons beyond the exception codes. */
export const TRACE_EXIT = { WAIT: 32, CACHE: 33, SIGNAL: 34 } as const;

/** What `kvm_aux` says happened, and to which unit: the FPU. */
export const AUX = { restore: 0, save: 1, enable: 2, disable: 3, fpu: 1 } as const;

/**
 * KVM's tracepoints as callbacks, with KVM's names and fields, and (`kseg_`) what else happens to a guest's address
 * spaces. All are optional. None may call anything that changes the guest.
 */
export interface Tracer {
  /** The VMM's RUN is about to enter the guest. */
  kvm_enter?(pc: number): void;
  /** An exit was handled; the guest goes on. */
  kvm_reenter?(pc: number): void;
  /** RUN is about to return to the VMM, for something other than that its time is over or the guest waits on. */
  kvm_out?(pc: number): void;
  /** An exit, by exception code, or by a {@link TRACE_EXIT} reason for what emulation then found. */
  kvm_exit?(pc: number, reason: number): void;
  /** An emulated access to a CP0 or hardware register; `register` is number << 3 | select, {@link HWR_REGISTER}. */
  kvm_hwr?(value: number, register: number, op: number): void;
  /** The host's FPU came to the guest or was taken away ({@link AUX}); `state` says which unit. */
  kvm_aux?(pc: number, op: number, state: number): void;
  kvm_asid_change?(pc: number, oldAsid: number, newAsid: number): void;
  /**
   * The host took the TLB refill exception at `pc`, for an access to `va` of the guest, or of the hypervisor to guest
   * memory. With the generated handler this is all that is seen of a refill.
   */
  kseg_refill?(pc: number, va: number, store: boolean): void;
  /** The hypervisor wrote a pair of pages into the host TLB, with the generated handler turned off. */
  kseg_slow_refill?(va: number, user: boolean): void;
  /** PTEs of the pair around `va` were filled, in the tables of a mode. */
  kseg_fill?(va: number, user: boolean, ptes: number): void;
  /** PTEs from `first` to `last` were invalidated in the tables of a mode and a guest ASID. */
  kseg_invalidate?(user: boolean, guestAsid: number, first: number, last: number, ptes: number): void;
  /** A mode of the guest uses another root; `emptied` if it is a new one, or one that was taken from another ASID. */
  kseg_root_change?(user: boolean, oldAsid: number, newAsid: number, emptied: boolean): void;
  /** The address space of a mode and a guest ASID got another host ASID. */
  kseg_host_asid?(user: boolean, guestAsid: number, hostAsid: number): void;
  /** The guest was given exception `code`, interrupts included, raised at `pc`; it goes on at `vector`. */
  kseg_guest_exception?(pc: number, code: number, vector: number, badVAddr: number): void;
}
