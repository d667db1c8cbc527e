/** Instructions around an address. */
import { disassemble } from "../isa/disassemble.ts";
import type { CodeView } from "./views.ts";

/** The instructions from `before` words before `address` to `after` behind it, where `wordAt` has a word. */
export function codeViews(
  address: number,
  before: number,
  after: number,
  wordAt: (address: number) => number | null,
): CodeView[] {
  const middle = (address & ~3) >>> 0;
  const views: CodeView[] = [];
  const last = Math.min(middle + 4 * after, 0xffff_fffc);
  for (let at = Math.max(middle - 4 * before, 0); at <= last; at += 4) {
    const word = wordAt(at);
    if (word !== null)
      views.push({ address: at, word: word >>> 0, text: disassemble(word, at, { cp0Names: true }) });
  }
  return views;
}
