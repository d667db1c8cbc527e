import type { DebugStop } from "../machine/debug.ts";
import type { TlbEntry } from "../machine/tlb.ts";
import { choice, counter, flag, integer, list, record, text, u32, variants } from "../state/fields.ts";
import type { Gpa } from "./addresses.ts";
import type { PastExit } from "./last-exits.ts";

/** KVM's exit reasons, as far as this hypervisor has them. */
export const KVM_EXIT = { DEBUG: 4, MMIO: 6, IRQ_WINDOW_OPEN: 7, INTR: 10, INTERNAL_ERROR: 17 } as const;

/** A load or store of the guest that no memslot serves. */
export interface MmioExit {
  readonly reason: "mmio";
  readonly physAddr: Gpa;
  readonly len: 1 | 2 | 4;
  readonly isWrite: boolean;
  /**
   * The value, unsigned and right-aligned: what a store writes; for a load, to be set by the VMM before it
   * runs the vcpu again, which completes the load.
   */
  data: number;
}

/** What is known about a guest that the hypervisor cannot run on. */
export interface InternalErrorReport {
  readonly pc: number;
  /** Host Cause of the exit, and the name of its exception code. */
  readonly cause: number;
  readonly exception: string;
  readonly badVAddr: number;
  readonly inDelaySlot: boolean;
  /** Guest CP0 Status, Cause, EPC and EntryHi, unsigned. */
  readonly status: number;
  readonly guestCause: number;
  readonly epc: number;
  readonly entryHi: number;
  /** Guest $0 to $31, unsigned. */
  readonly gpr: readonly number[];
  /**
   * Instructions around `pc`, the culprit marked with `>`: `address: word text`, or `address: cannot be read`.
   */
  readonly code: readonly string[];
  readonly guestTlb: {
    readonly size: number;
    /** Entries that map something. */
    readonly valid: number;
    /** Those of them that are nearest to the addresses in question. */
    readonly nearest: readonly (TlbEntry & { readonly index: number })[];
  };
  /** The exits before, oldest first; the last one is this one. */
  readonly lastExits: readonly (Omit<PastExit, "code"> & { readonly exception: string })[];
}

export interface InternalErrorExit {
  readonly reason: "internal-error";
  readonly message: string;
  readonly report: InternalErrorReport;
}

/** Why `Vcpu.run` came back. */
export type VcpuExit =
  | MmioExit
  /** The guest waits (WAIT) and no interrupt that it enables is pending: the VMM passes idle time. */
  | { readonly reason: "irq-window-open" }
  /** The ticks are used up, or a stop was requested. Running again continues. */
  | { readonly reason: "intr" }
  /**
   * The machine stopped for a debugger (`Machine.debug`), or the step that `Vcpu.beginStep` began is done. Running
   * again continues.
   */
  | { readonly reason: "debug"; readonly stop: DebugStop }
  | InternalErrorExit;

/** How an access to a device is kept. */
const MMIO_FIELDS = record<Omit<MmioExit, "reason">>({
  ...{ physAddr: u32, len: choice([1, 2, 4]), isWrite: flag, data: u32 },
});
export const MMIO_EXIT = variants<"reason", MmioExit>("reason", { mmio: MMIO_FIELDS });

/** Longest line of a report, and most lines of one kind. */
const LINE = 1000;
const LINES = 64;

const REPORT = record<InternalErrorReport>({
  ...{ pc: u32, cause: u32, exception: text(LINE), badVAddr: u32, inDelaySlot: flag },
  ...{ status: u32, guestCause: u32, epc: u32, entryHi: u32, gpr: list(u32, 32) },
  code: list(text(LINE), 0, LINES),
  guestTlb: record<InternalErrorReport["guestTlb"]>({
    ...{ size: integer(0, 0xffff), valid: integer(0, 0xffff) },
    nearest: list(
      record<Omit<InternalErrorReport["guestTlb"]["nearest"][number], "high0" | "high1">>({
        ...{ index: integer(0, 0xffff), entryHi: u32, pageMask: u32, entryLo0: u32, entryLo1: u32 },
      }),
      0,
      LINES,
    ),
  }),
  lastExits: list(
    record<InternalErrorReport["lastExits"][number]>({
      ...{ guestInstructions: counter, pc: u32, exception: text(LINE), badVAddr: u32 },
    }),
    0,
    LINES,
  ),
});

/** An exit that a snapshot keeps: not one for a debugger. */
export type KeptExit = Exclude<VcpuExit, { reason: "debug" }>;

/** How it is kept. */
export const KEPT_EXIT = variants<"reason", KeptExit>("reason", {
  mmio: MMIO_FIELDS,
  "irq-window-open": record({}),
  intr: record({}),
  "internal-error": record<Omit<InternalErrorExit, "reason">>({ message: text(LINE), report: REPORT }),
});
