import { ALL_INSTRUCTIONS } from "./instructions.ts";
import { encodingOf } from "./operands.ts";
import { levelIncludes, type InstructionRow, type IsaLevel } from "./row.ts";

export { INSTRUCTIONS, lowerRow } from "./instructions.ts";
export { operandValue } from "./operands.ts";

/** Two rows match the same words and neither is more specific. */
export class AmbiguousRowsError extends Error {
  override readonly name = "AmbiguousRowsError";
  readonly mnemonics: readonly [string, string];
  constructor(first: InstructionRow, second: InstructionRow) {
    super(`${first.mnemonic} and ${second.mnemonic} match the same words and neither is more specific`);
    this.mnemonics = [first.mnemonic, second.mnemonic];
  }
}

/** One way for a word to match: the last step of a decode. */
interface Candidate {
  readonly row: InstructionRow;
  readonly mask: number;
  readonly match: number;
}

/**
 * A step of a decode: the rows that are left, the most specific first, and how to tell them apart. What follows from
 * each value of the bits is worked out when it first comes up: most never do, and all of it takes a tenth of a second.
 */
class Step {
  readonly candidates: readonly Candidate[];
  /** The bits to look at next, null if there are few candidates left to try. */
  readonly bits: Bits | null;
  private readonly next: Step[] = [];

  constructor(candidates: readonly Candidate[], bits: Bits | null) {
    this.candidates = candidates;
    this.bits = bits;
  }

  /** The step that follows from `value` of the bits. */
  after(value: number): Step {
    let step = this.next[value];
    if (step === undefined) {
      const bits = this.bits!;
      const left = this.candidates.filter((candidate) => compatible(candidate, bits, value));
      step = new Step(left, left.length > LEAF_SIZE ? chooseBits(left) : null);
      this.next[value] = step;
    }
    return step;
  }
}

interface Bits {
  readonly shift: number;
  /** As many ones as there are bits. */
  readonly mask: number;
}

/** Throws {@link AmbiguousRowsError} if the order of two overlapping rows is not decided by specificity. */
export function checkAmbiguity(rows: readonly InstructionRow[]): void {
  rows.forEach((first, index) => {
    const a = encodingOf(first);
    for (const second of rows.slice(index + 1)) {
      const b = encodingOf(second);
      const common = a.mask & b.mask;
      if (((a.match ^ b.match) & common) !== 0) continue;
      const nested = a.mask !== b.mask && (common === (a.mask | 0) || common === (b.mask | 0));
      if (!nested) throw new AmbiguousRowsError(first, second);
    }
  });
}

/** Number of bits set. */
function popCount(value: number): number {
  let count = 0;
  for (let rest = value >>> 0; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}

/** More candidates than this are split by further bits. */
const LEAF_SIZE = 3;

/** Widest group of bits looked at in one step. */
const MAX_WIDTH = 6;

function compatible(candidate: Candidate, { shift, mask }: Bits, value: number): boolean {
  const group = (mask * 2 ** shift) & candidate.mask;
  return ((candidate.match ^ (value * 2 ** shift)) & group) === 0;
}

/** Chooses the bits that leave the fewest candidates in the fullest bucket; on a tie, the fewer bits. */
function chooseBits(candidates: readonly Candidate[]): Bits | null {
  let best: Bits | null = null;
  let bestSize = candidates.length;
  // Bits that no candidate fixes tell nothing.
  const useful = candidates.reduce((bits, { mask }) => bits | mask, 0);
  const sizes = new Uint16Array(2 ** MAX_WIDTH);
  for (let width = 1; width <= MAX_WIDTH; width++) {
    const group = 2 ** width - 1;
    for (let shift = 0; shift + width <= 32; shift++) {
      if (((useful >>> shift) & group) !== group) continue;
      const fullest = fullestBucket(candidates, { shift, mask: group }, bestSize, sizes);
      if (fullest >= bestSize) continue;
      bestSize = fullest;
      best = { shift, mask: group };
    }
  }
  return best;
}

/** How many candidates the fullest bucket has if `bits` tell them apart, or `most` if that is not less. */
function fullestBucket(
  candidates: readonly Candidate[],
  { shift, mask: group }: Bits,
  most: number,
  sizes: Uint16Array,
): number {
  sizes.fill(0);
  let fullest = 0;
  for (let n = 0; n < candidates.length; n++) {
    const { mask, match } = candidates[n]!;
    const fixed = (mask >>> shift) & group;
    const bits = (match >>> shift) & group;
    // Every value that agrees with the fixed bits: counts up through the free ones.
    const free = group & ~fixed;
    let value = 0;
    do {
      const size = ++sizes[value | bits]!;
      if (size > fullest) fullest = size;
      value = (value - free) & free;
    } while (value !== 0);
    if (fullest >= most) return most;
  }
  return fullest;
}

/**
 * A decoder for a set of rows: a function from words to rows. A `strict` one wants the bits that decoders
 * do not check to be zero. Which of two rows wins is only decided where {@link checkAmbiguity} has no complaint.
 */
export function buildDecoder(
  rows: readonly InstructionRow[],
  strict = false,
): (word: number) => InstructionRow | null {
  const candidates = rows
    .map((row) => {
      const { mask, match, unchecked } = encodingOf(row);
      return { row, mask: strict ? mask | unchecked : mask | 0, match: match | 0 };
    })
    .sort((a, b) => popCount(b.mask) - popCount(a.mask));
  const root = new Step(candidates, { shift: 26, mask: 63 });
  return (word) => {
    let step = root;
    while (step.bits !== null) step = step.after((word >>> step.bits.shift) & step.bits.mask);
    const { candidates: left } = step;
    // No iterator: decoders are asked for each instruction that is met.
    for (let n = 0; n < left.length; n++) if ((word & left[n]!.mask) === left[n]!.match) return left[n]!.row;
    return null;
  };
}

/** The row of an instruction word, or null for a reserved encoding. */
export type Decoder = (word: number) => InstructionRow | null;

const decoders = new Map<IsaLevel, Decoder>();

/**
 * The decoder of a CPU of level `level` (kept after the first call). A word of a later instruction is what it
 * was before that came: reserved, or one of a group that a less specific row stands for.
 */
export function decoderFor(level: IsaLevel): Decoder {
  let decoder = decoders.get(level);
  if (decoder === undefined) {
    decoder = buildDecoder(ALL_INSTRUCTIONS.filter((row) => levelIncludes(level, row.level)));
    decoders.set(level, decoder);
  }
  return decoder;
}

/** Decodes a word for the newest 32-bit CPU. */
export function decode(word: number): InstructionRow | null {
  return decoderFor("mips32r5")(word);
}
