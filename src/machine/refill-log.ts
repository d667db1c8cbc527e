import { ENTRY_HI } from "../isa/cp0.ts";
import { CPU_STRIDE, PAGE_SIZE, REFILL_LOG } from "./state-layout.ts";

/** A page that was missed. */
export interface LoggedRefill {
  /** First address of the page, of `PAGE_SIZE` bytes. */
  readonly page: number;
  readonly asid: number;
  /** Refill exceptions since: 0 for the last one. */
  readonly ago: number;
}

/**
 * Which pages the last `REFILL_LOG.entries` refill exceptions of a CPU were for: a ring of words in the machine's
 * memory, which the engine writes as well (`buildEnterException`). A refill's place is its number. It is no state of the
 * machine, and in no snapshot.
 */
export class RefillLog {
  private readonly words: Int32Array;

  /** `memory` is all of the machine's, as words. */
  constructor(memory: Int32Array, cpu: number) {
    const first = (REFILL_LOG.base + cpu * CPU_STRIDE) >>> 2;
    this.words = memory.subarray(first, first + REFILL_LOG.entries);
  }

  /** Takes down refill `number` (the first is 0), for `va`. */
  note(number: number, va: number, asid: number): void {
    this.words[number % REFILL_LOG.entries] = (va & -PAGE_SIZE) | REFILL_LOG.isOne | asid;
  }

  /** What is known of the refills before `number`, the last one first. */
  *before(number: number): Generator<LoggedRefill> {
    for (let ago = 0; ago < Math.min(REFILL_LOG.entries, number); ago++) {
      const word = this.words[(number - 1 - ago) % REFILL_LOG.entries]!;
      if ((word & REFILL_LOG.isOne) === 0) continue;
      yield { page: (word & -PAGE_SIZE) >>> 0, asid: word & ENTRY_HI.ASID, ago };
    }
  }

  /** What was noted for `asid` is no longer of interest: another address space is given it. */
  forget(asid: number): void {
    for (const [place, word] of this.words.entries())
      if ((word & ENTRY_HI.ASID) === asid) this.words[place] = 0;
  }

  /**
   * The CPU is turned back, or forward, from behind `from` refills to behind `to`, on one and the same run. What lies
   * between is either still to come or not known.
   */
  moved(from: number, to: number): void {
    const [first, end] = [Math.min(from, to), Math.max(from, to)];
    if (end - first >= REFILL_LOG.entries) this.words.fill(0);
    else for (let number = first; number < end; number++) this.words[number % REFILL_LOG.entries] = 0;
  }
}
