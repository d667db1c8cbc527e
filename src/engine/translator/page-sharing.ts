import { fieldValue } from "../../isa/operands.ts";
import type { FlowNode, Loop } from "./flow.ts";
import type { Block, Instruction } from "./region.ts";

/** What an access does with a page that other accesses through the same register go to. */
export interface PageShare {
  /** Number of the page: first those that the loop around the block keeps, then those of the block. */
  readonly page: number;
  readonly role: "first" | "again" | "kept";
  /** Loads and stores share it: only pages that may be both read and written are known. */
  readonly forBoth: boolean;
}

/** An access to a place that is a constant away from the register `base`. */
interface BasedAccess {
  readonly kind: "load" | "store";
  readonly base: number;
  readonly offset: number;
}

/** Whether it is a plain access at a constant from a register that may share a page with others. */
const isLookedUp = ({ traits: { access } }: Instruction, inKseg0: boolean): boolean =>
  access !== null && (!inKseg0 || access.isLookedUpInKseg0);

/** The place of such an access; null for other instructions. */
function basedAccess(instruction: Instruction, inKseg0: boolean): BasedAccess | null {
  const { traits, word } = instruction;
  if (!isLookedUp(instruction, inKseg0)) return null;
  const { kind, base, constant } = traits.access!;
  return { kind, base: fieldValue(base, word), offset: fieldValue(constant, word) };
}

// --- pages kept in loops ---

/** A page that a loop knows from its start on, for its accesses through a register that walks through memory. */
export interface KeptPage {
  /** Number of the page in the region. */
  readonly page: number;
  readonly base: number;
  /** What the first access adds to the register. */
  readonly offset: number;
  loads: boolean;
  stores: boolean;
}

/** Pages that the loops of a region keep, by the head and by each block of the loop. */
export type KeptPages = ReadonlyMap<Block, readonly KeptPage[]>;

/** Most pages that a loop keeps: they take machine registers from it. */
const MOST_KEPT = 4;
/** Most bytes by which an address moves in a step: it has to stay in its page for some time. */
const MOST_STEP = 64;

/**
 * Finds the registers that walk through memory: in loops that call nothing and contain no other loop, those through
 * which memory is accessed and which move by small constants only, if at all. Their pages are looked up when the loop
 * begins, and again when an access is found to leave them. Most loads of code in kseg0 need none.
 */
export function keptPagesOf(nodes: readonly FlowNode[], inKseg0: boolean): KeptPages {
  const kept = new Map<Block, readonly KeptPage[]>();
  for (const { loop } of nodes) {
    if (loop === null || loop.calls) continue;
    const pages = pagesKeptBy(loop, inKseg0);
    for (const { block } of loop.nodes) kept.set(block, pages);
  }
  return kept;
}

function pagesKeptBy(loop: Loop, inKseg0: boolean): readonly KeptPage[] {
  const instructions: Instruction[] = [];
  for (const node of loop.nodes) {
    if (node.loop !== null && node.loop !== loop) return [];
    const { body, branch, delaySlot } = node.block;
    instructions.push(...body);
    if (branch !== null) instructions.push(branch);
    if (delaySlot !== null) instructions.push(delaySlot);
  }
  let jumping = 0;
  for (const instruction of instructions) {
    if (instruction.traits.changesMap) return [];
    if (!isStep(instruction)) jumping |= instruction.writes;
  }
  const pages: KeptPage[] = [];
  for (const instruction of instructions) {
    const access = basedAccess(instruction, inKseg0);
    if (access === null) continue;
    const { kind, base, offset } = access;
    if ((jumping & (1 << base)) !== 0 || base === 0) continue;
    let page = pages.find((known) => known.base === base);
    if (page === undefined) {
      if (pages.length === MOST_KEPT) continue;
      page = { page: pages.length, base, offset, loads: false, stores: false };
      pages.push(page);
    }
    if (kind === "load") page.loads = true;
    else page.stores = true;
  }
  return pages;
}

/** Whether the instruction adds a small constant to a register. */
function isStep({ traits: { addition: sum }, word }: Instruction): boolean {
  if (sum === null || Math.abs(fieldValue(sum.constant, word)) > MOST_STEP) return false;
  return fieldValue(sum.base, word) === fieldValue(sum.to, word);
}

// --- pages shared in a block ---

const NO_PAGES: readonly KeptPage[] = [];
const NO_SHARES: ReadonlyMap<Instruction, PageShare> = new Map();

/** Whether there is anything to be shared. */
function hasTwoAccesses({ body, branch, delaySlot }: Block, inKseg0: boolean): boolean {
  let count = 0;
  for (let n = 0; n < body.length; n++) if (isLookedUp(body[n]!, inKseg0)) count++;
  if (branch !== null && isLookedUp(branch, inKseg0)) count++;
  if (delaySlot !== null && isLookedUp(delaySlot, inKseg0)) count++;
  return count >= 2;
}

/**
 * Which accesses of a block most likely go to the same page as an earlier one: those to pages kept; and loads, or
 * stores, through the same register while that is not written. They need no look-up if it is the same page.
 */
export function pageSharesOf(
  block: Block,
  kept: KeptPages,
  inKseg0: boolean,
): ReadonlyMap<Instruction, PageShare> {
  const keptHere = kept.get(block) ?? NO_PAGES;
  if (keptHere.length === 0 && !hasTwoAccesses(block, inKseg0)) return NO_SHARES;
  const shares = new Map<Instruction, PageShare>();
  /** What may be joined by accesses that come later. */
  let open: { readonly kind: BasedAccess["kind"]; readonly base: number; readonly members: Instruction[] }[] =
    [];
  let pages = keptHere.length;
  const end = (members: readonly Instruction[]): void => {
    if (members.length < 2) return;
    members.forEach((instruction, n) =>
      shares.set(instruction, { page: pages, role: n === 0 ? "first" : "again", forBoth: false }),
    );
    pages++;
  };
  const visit = (instruction: Instruction): void => {
    const access = basedAccess(instruction, inKseg0);
    if (access !== null) {
      const { kind, base } = access;
      const page = keptHere.find((one) => one.base === base);
      const group = open.find((one) => one.kind === kind && one.base === base);
      if (page !== undefined) {
        shares.set(instruction, { page: page.page, role: "kept", forBoth: page.loads && page.stores });
      } else if (group === undefined) open.push({ kind, base, members: [instruction] });
      else group.members.push(instruction);
    }
    if (open.length === 0) return;
    const ended = instruction.traits.changesMap ? -1 : instruction.writes;
    if (!open.some(({ base }) => (ended & (1 << base)) !== 0)) return;
    for (const { base, members } of open) if ((ended & (1 << base)) !== 0) end(members);
    open = open.filter(({ base }) => (ended & (1 << base)) === 0);
  };
  for (const instruction of block.body) visit(instruction);
  if (block.branch !== null) visit(block.branch);
  if (block.delaySlot !== null) visit(block.delaySlot);
  for (const { members } of open) end(members);
  return shares;
}
