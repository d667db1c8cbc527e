import { describe, type GuestPlan } from "./axes.ts";
import { CODE_END, PLACES, REGIONS, targetsFor, type RegionName } from "./layout.ts";
import { Random } from "./random.ts";
import { WordSource, type Targets } from "./words.ts";

const STREAM = 0;

/** Offsets of exception vectors, each with room for a handler. */
export const VECTORS = [0, 0x180, 0x200] as const;
export const HANDLER_WORDS = 32;
/** Pages of RAM that have vectors: EBase is one of them. */
export const VECTOR_PAGES = [0, 0x1000, 0x2000, 0x3000] as const;
/** Where the vectors are while Status.BEV is 1, in the boot memory. */
const BOOT_VECTORS = 0x200;
/** Bytes from one end of a page of code, where a branch may have its delay slot on the next one, to another. */
const PAGE = 0x1000;

/** What a shrunk guest goes without. */
export interface Cuts {
  /** Guest physical addresses of words of code that are NOP when the guest starts. */
  readonly words: ReadonlySet<number>;
  /** Epochs after which the VMM does nothing. */
  readonly epochs: ReadonlySet<number>;
}
export const NO_CUTS: Cuts = { words: new Set(), epochs: new Set() };

/** Bytes of code at the start of a region. Read-only and boot memory hold code too; data is anything. */
function codeBytes(name: RegionName, size: number): number {
  if (name === "ram") return CODE_END;
  return name === "rom" || name === "boot" ? size : 0;
}

/** What the generators aim at in this guest. */
export const targetsOf = ({ style, map, guestPage, commpage, branchesInSlots, fpu }: GuestPlan): Targets =>
  targetsFor(style, { map, pageSize: guestPage, commpage, branchesInSlots, fpu });

/** Words of each region of guest memory. */
export type Image = ReadonlyMap<RegionName, readonly number[]>;

let latest: { readonly key: string; readonly image: Image } | null = null;

/** Guest memory as the guest finds it. Hosts that are compared run the same guest, so the latest one is kept. */
export function imageOf(plan: GuestPlan): Image {
  const key = describe(plan);
  if (latest?.key !== key) latest = { key, image: makeImage(plan) };
  return latest.image;
}

function makeImage(plan: GuestPlan): Image {
  const random = new Random(plan.seed, STREAM);
  const words = new WordSource(random, targetsOf(plan));
  return new Map(
    REGIONS.map(({ name, size }) => {
      const count = size / 4;
      const contents = words.code(codeBytes(name, size) / 4);
      while (contents.length < count) contents.push(random.chance(70) ? 0 : random.word());
      const put = (at: number, some: readonly number[]): void =>
        some.forEach((word, i) => (contents[at / 4 + i] = word));
      if (name === "ram")
        for (let end = PAGE; end < CODE_END; end += PAGE) if (random.chance(50)) put(end - 4, words.branch());
      const bases = name === "ram" ? VECTOR_PAGES : name === "boot" ? [BOOT_VECTORS] : [];
      for (const base of bases)
        for (const offset of VECTORS) put(base + offset, words.handler(HANDLER_WORDS, offset === 0));
      return [name, contents];
    }),
  );
}

/** A word of code: where it is in guest physical memory, and at which address the guest can execute it. */
export interface CodeWord {
  readonly gpa: number;
  readonly gva: number;
  readonly word: number;
}

/** All words of code that the guest starts with, NOPs left out. */
export function codeOf(plan: GuestPlan): CodeWord[] {
  const [base] = PLACES[plan.map].direct;
  return REGIONS.filter(({ name, size }) => codeBytes(name, size) > 0).flatMap(({ name, gpa, size }) =>
    imageOf(plan)
      .get(name)!
      .slice(0, codeBytes(name, size) / 4)
      .map((word, index) => ({ gpa: gpa + 4 * index, gva: base + gpa + 4 * index, word }))
      .filter(({ word }) => word !== 0),
  );
}
