import type { Machine } from "../machine/machine.ts";
import { PAGE_SHIFT, PAGE_SIZE } from "../machine/state-layout.ts";

/** Contents of RAM by number of page (4 KiB), in ascending order. What is left out is zeros. */
export type RamPages = ReadonlyMap<number, Uint8Array>;

/**
 * What a snapshot has to say about a page of RAM: its contents; nothing, because it is the same on every machine like
 * this one; or nothing, because nobody will look at it before it is written.
 */
export type PageKind = "contents" | "constant" | "free";

/** What kind of page is at RAM offset `offset`. */
export type PageKinds = (offset: number) => PageKind;

const WORDS = PAGE_SIZE / 4;

/** RAM as words, and word number of the page at RAM offset `offset`. */
const wordsOf = ({ memory }: Machine, offset: number): readonly [words: Int32Array, first: number] => [
  memory.i32,
  (memory.plan.ram + offset) >>> 2,
];

function isZero(machine: Machine, offset: number): boolean {
  const [words, first] = wordsOf(machine, offset);
  for (let at = first; at < first + WORDS; at++) if (words[at] !== 0) return false;
  return true;
}

/** True if the page at RAM offset `offset` has these contents. */
function isEqual(machine: Machine, offset: number, page: Uint8Array): boolean {
  const [words, first] = wordsOf(machine, offset);
  // In a file pages lie anywhere.
  const aligned = page.byteOffset % 4 === 0 ? page : page.slice();
  const other = new Int32Array(aligned.buffer, aligned.byteOffset, WORDS);
  for (let n = 0; n < WORDS; n++) if (words[first + n] !== other[n]) return false;
  return true;
}

/** The RAM of a machine as it is now. Pages that are as in `before` are shared with it. */
export function captureRam(machine: Machine, kindOf: PageKinds, before?: RamPages): RamPages {
  const { memory } = machine;
  const pages = new Map<number, Uint8Array>();
  for (let offset = 0; offset < memory.size; offset += PAGE_SIZE) {
    if (isZero(machine, offset) || kindOf(offset) !== "contents") continue;
    const number = offset >>> PAGE_SHIFT;
    const known = before?.get(number);
    const at = memory.plan.ram + offset;
    const isKnown = known !== undefined && isEqual(machine, offset, known);
    pages.set(number, isKnown ? known : memory.u8.slice(at, at + PAGE_SIZE));
  }
  return pages;
}

/** Puts `pages` into the RAM of a machine, as {@link captureRam} found them. */
export function restoreRam(machine: Machine, kindOf: PageKinds, pages: RamPages): void {
  for (let offset = 0; offset < machine.memory.size; offset += PAGE_SIZE) {
    const page = pages.get(offset >>> PAGE_SHIFT) ?? null;
    const isThere = page === null ? isZero(machine, offset) : isEqual(machine, offset, page);
    if (!isThere && kindOf(offset) !== "constant") machine.restorePage(offset, page);
  }
}
