import type { Gva } from "./addresses.ts";

/** An exit, as a report about a guest shows it. */
export interface PastExit {
  /** Guest instructions that had been retired. */
  readonly guestInstructions: number;
  readonly pc: Gva;
  /** Host exception code. */
  readonly code: number;
  readonly badVAddr: Gva;
}

/** As many as fit a report of one screen. */
const KEPT = 8;

/** The exits that came last, for reports: what a guest did before it could not go on. */
export class LastExits {
  private readonly ring: PastExit[] = [];
  private next = 0;

  add(exit: PastExit): void {
    this.ring[this.next] = exit;
    this.next = (this.next + 1) % KEPT;
  }

  /** Oldest first. */
  list(): PastExit[] {
    return [...this.ring.slice(this.next), ...this.ring.slice(0, this.next)];
  }
}
