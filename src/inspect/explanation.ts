/** What `explain` says of an address, as data. `explanation-text.ts` says the same in words. */
import type { GuestMode, PteView, RootView, TlbEntryView, TlbHalfView } from "./views.ts";

/** What an instruction does with an address. */
export type AccessKind = "load" | "store" | "fetch";

/** An exception that the guest, or a bare machine's kernel, is given. */
export interface RaisedException {
  /** As in Cause.ExcCode: `TLBL`, `AdES` … */
  readonly name: string;
  readonly vector: "refill" | "general";
}

/** What an access does first, and in the end. */
export type Verdict =
  /** It goes through at once. */
  | "hit"
  /** A TLB refill inside the machine, then it goes through: by the generated handler, or the hardware page walker. */
  | "refill"
  /** An exit, in which the hypervisor maps the page; then it goes through. */
  | "fill"
  /** The guest (a bare machine's kernel) gets an exception. */
  | "exception"
  /** It is one to a device, or to a physical address where there is nothing. */
  | "device"
  /** The hypervisor cannot run the guest on. */
  | "failure";

/** What an access would lead to. */
export interface Outcome {
  readonly verdict: Verdict;
  /** Refill exceptions that the generated handler settles on the way. */
  readonly fastRefills: number;
  /** Exits to the hypervisor, by cause as in the statistics. */
  readonly exits: readonly string[];
  /** The exception, with verdict "exception". */
  readonly exception: RaisedException | null;
  /** Physical address of the guest at which it ends; null if it ends before. */
  readonly physical: number | null;
}

/** One thing on the way from an address to memory. */
export type Step =
  /** What the guest's map says of the address. */
  | {
      readonly step: "guest-segment";
      readonly kind: "mapped" | "kseg0" | "mmio" | "illegal";
      readonly first: number;
      readonly last: number;
      /** This mode may use it. */
      readonly allowed: boolean;
    }
  /** The guest's TLB, where it decides. */
  | {
      readonly step: "guest-tlb";
      readonly asid: number;
      /** The entry that matches, and its half for the address; null if none does. */
      readonly entry: TlbEntryView | null;
      readonly half: TlbHalfView | null;
    }
  /** The page with the guest's CP0 registers (dynamic translation). */
  | { readonly step: "commpage" }
  /** What is at the guest's physical address. */
  | {
      readonly step: "physical";
      readonly physical: number;
      /** The memslot (on a bare machine: RAM), null if there is none. */
      readonly memory: { readonly name: string; readonly host: number; readonly readonly: boolean } | null;
      /** The device, where there is no memory; null if there is none either. */
      readonly device: string | null;
    }
  /** The root of GVA tables of this mode and the guest's ASID; null if it has none yet. */
  | { readonly step: "root"; readonly guestAsid: number; readonly root: RootView | null }
  /** The walk through the root's tables. */
  | {
      readonly step: "walk";
      readonly slots: readonly {
        readonly level: "pgd" | "pmd";
        readonly index: number;
        readonly at: number;
        /** Host address of the next table; null if the slot is empty. */
        readonly next: number | null;
      }[];
      readonly pte: PteView | null;
    }
  /** What the machine makes of the address in the CPU mode that the access is made in. */
  | {
      readonly step: "host-segment";
      readonly route: "mapped" | "unmapped" | "error";
    }
  /** The machine's TLB; the ASID is null if the address space has none that is current. */
  | {
      readonly step: "host-tlb";
      readonly asid: number | null;
      readonly entry: TlbEntryView | null;
      readonly half: TlbHalfView | null;
    };

/** The way of an address, and what accesses to it do, in one mode of the guest. */
export interface ModeExplanation {
  readonly mode: GuestMode;
  /** The guest is in this mode. For the other one: if it were, with EXL and ERL clear, and everything else as it is. */
  readonly current: boolean;
  readonly steps: readonly Step[];
  readonly outcomes: Readonly<Record<AccessKind, Outcome>>;
}

/** What {@link Inspection.explain} says of an address. */
export interface Explanation {
  readonly gva: number;
  /** Bytes of the load and the store: the most that are aligned there, up to a word. A fetch is one of a word. */
  readonly size: 1 | 2 | 4;
  /** Under the hypervisor or on a bare machine. */
  readonly host: "hypervisor" | "bare";
  /** Generated code refills the machine's TLB. */
  readonly fastRefill: boolean;
  readonly kernel: ModeExplanation;
  readonly user: ModeExplanation;
}
