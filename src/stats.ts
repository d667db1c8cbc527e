/** What happened in a run. Everything here is exact and the same in every run of the same guest. */
export interface Stats {
  /** Instructions that the machine retired: the guest's, and those of handlers and generated code. */
  readonly instructions: number;
  /**
   * The guest's of these. An exception takes a tick of guest time; on a bare machine it counts here as well, under the
   * hypervisor it does not.
   */
  readonly guestInstructions: number;
  /** Guest → TypeScript crossings by cause, under KVM's counter names; disjoint. */
  readonly exits: Readonly<Record<string, number>>;
  /** What generated code settled without leaving the machine, by cause (refills are counted below). */
  readonly fastExits: Readonly<Record<string, number>>;
  /** KVM's vcpu counters, which overlap. */
  readonly counters: Readonly<Record<string, number>>;
  readonly refills: { readonly fast: number; readonly slow: number };
  readonly guestTlbLookups: number;
  readonly asidChanges: number;
  readonly gvaPtesInvalidated: number;
  readonly gvaPtesFilled: number;
  readonly hostTlbWrites: number;
}
