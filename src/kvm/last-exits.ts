import { counter, integer, list, record, u32 } from "../state/fields.ts";
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

/** The exits that came last, oldest first, and how many there were in all. */
export interface LastExitsSnapshot {
  readonly exits: readonly PastExit[];
  readonly count: number;
}

/** How they are kept. */
export const LAST_EXITS_SNAPSHOT = record<LastExitsSnapshot>({
  exits: list(
    record<PastExit>({ guestInstructions: counter, pc: u32, code: integer(0, 31), badVAddr: u32 }),
    0,
    KEPT,
  ),
  count: counter,
});

/** The exits that came last, for reports: what a guest did before it could not go on. */
export class LastExits {
  // An exit is counted in hundreds of nanoseconds: none makes an object.
  private readonly guestInstructions = new Float64Array(KEPT);
  private readonly words = new Uint32Array(3 * KEPT);
  private count = 0;

  add(guestInstructions: number, pc: Gva, code: number, badVAddr: Gva): void {
    const place = this.count++ % KEPT;
    this.guestInstructions[place] = guestInstructions;
    this.words[3 * place] = pc;
    this.words[3 * place + 1] = code;
    this.words[3 * place + 2] = badVAddr;
  }

  snapshot(): LastExitsSnapshot {
    return { exits: this.list(), count: this.count };
  }

  restore({ exits, count }: LastExitsSnapshot): void {
    this.count = Math.max(0, count - exits.length);
    for (const { guestInstructions, pc, code, badVAddr } of exits)
      this.add(guestInstructions, pc, code, badVAddr);
  }

  /** Oldest first. */
  list(): PastExit[] {
    const kept = Math.min(this.count, KEPT);
    return Array.from({ length: kept }, (_, n) => {
      const place = (this.count - kept + n) % KEPT;
      const [pc, code, badVAddr] = this.words.subarray(3 * place) as unknown as [number, number, number];
      return { guestInstructions: this.guestInstructions[place]!, pc, code, badVAddr };
    });
  }
}
