import type { Expr, Statement } from "../../isa/ir.ts";
import { fieldValue } from "../../isa/operands.ts";
import type { FlowNode } from "./flow.ts";
import { registerUse, type Block, type Instruction } from "./region.ts";

/** What an access does with a page that other accesses through the same register go to. */
export interface PageShare {
  /** Number of the page: first those that the loop around the block keeps, then those of the block. */
  readonly page: number;
  readonly role: "first" | "again" | "kept";
  /** Loads and stores share it: only pages that may be both read and written are known. */
  readonly forBoth: boolean;
}

type Access = Statement & { readonly kind: "load" | "store" };

/** An access to a place that is a constant away from the register `base`. */
interface BasedAccess {
  readonly kind: Access["kind"];
  readonly base: number;
  readonly offset: number;
}

const isPlainAccess = (s: Statement): s is Access =>
  (s.kind === "load" && !s.linked && !s.user) || (s.kind === "store" && !s.user);

function basedAccess(instruction: Instruction): BasedAccess | null {
  const access = instruction.operation.statements.find(isPlainAccess);
  if (access === undefined) return null;
  const sum = sumOf(access.address, instruction);
  return sum === null ? null : { kind: access.kind, base: sum.base, offset: sum.constant };
}

/** The register and the constant whose sum `e` is, or null. */
function sumOf(e: Expr, { operation, word }: Instruction): { base: number; constant: number } | null {
  if (e.kind !== "binary" || e.op !== "add") return null;
  const { left, right } = e;
  if (left.kind !== "gpr" || right.kind !== "field") return null;
  const value = (field: typeof left.field | typeof right.field): number =>
    fieldValue(operation.slots.get(field)!.field, word);
  return { base: value(left.field), constant: value(right.field) };
}

/** Whether the instruction may change what pages there are. Those that only raise leave if they do. */
const mayChangeMap = (s: Statement): boolean =>
  s.kind === "helper" || s.kind === "storeConditional" || (s.kind === "load" && s.linked);

const instructionsOf = ({ body, branch, delaySlot }: Block): Instruction[] =>
  [...body, branch, delaySlot].filter((instruction) => instruction !== null);

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
 * begins, and again when an access is found to leave them.
 */
export function keptPagesOf(nodes: readonly FlowNode[]): KeptPages {
  const kept = new Map<Block, readonly KeptPage[]>();
  for (const { loop, inTightLoop } of nodes) {
    if (loop === null || !inTightLoop || [...loop].some((node) => node.loop !== null && node.loop !== loop))
      continue;
    const blocks = [...loop].map(({ block }) => block);
    const instructions = blocks.flatMap(instructionsOf);
    if (instructions.some(({ operation }) => operation.statements.some(mayChangeMap))) continue;
    const jumping = instructions.reduce((all, i) => all | (isStep(i) ? 0 : registerUse(i).writes), 0);
    const pages: KeptPage[] = [];
    for (const { kind, base, offset } of instructions.flatMap((i) => basedAccess(i) ?? [])) {
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
    for (const block of blocks) kept.set(block, pages);
  }
  return kept;
}

/** Whether the instruction adds a small constant to a register. */
function isStep(instruction: Instruction): boolean {
  const { operation, word } = instruction;
  const [only, ...more] = operation.statements;
  if (only?.kind !== "setGpr" || more.length > 0) return false;
  const sum = sumOf(only.value, instruction);
  const register = fieldValue(operation.slots.get(only.field)!.field, word);
  return sum !== null && sum.base === register && Math.abs(sum.constant) <= MOST_STEP;
}

// --- pages shared in a block ---

/**
 * Which accesses of a block most likely go to the same page as an earlier one: those to pages kept; and loads, or
 * stores, through the same register while that is not written. They need no look-up if it is the same page.
 */
export function pageSharesOf(block: Block, kept: KeptPages): ReadonlyMap<Instruction, PageShare> {
  const shares = new Map<Instruction, PageShare>();
  const groups = new Map<string, Instruction[]>();
  const keptHere = kept.get(block) ?? [];
  let pages = keptHere.length;
  const end = (key: string): void => {
    const group = groups.get(key) ?? [];
    groups.delete(key);
    if (group.length < 2) return;
    group.forEach((instruction, n) =>
      shares.set(instruction, { page: pages, role: n === 0 ? "first" : "again", forBoth: false }),
    );
    pages++;
  };
  for (const instruction of instructionsOf(block)) {
    const access = basedAccess(instruction);
    const page = keptHere.find(({ base }) => base === access?.base);
    if (page !== undefined) {
      shares.set(instruction, { page: page.page, role: "kept", forBoth: page.loads && page.stores });
    } else if (access !== null) {
      const key = `${access.kind} ${access.base}`;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [instruction]);
      else group.push(instruction);
    }
    const changed = instruction.operation.statements.some(mayChangeMap);
    const { writes } = registerUse(instruction);
    for (const key of groups.keys())
      if (changed || (writes & (1 << Number(key.split(" ")[1]))) !== 0) end(key);
  }
  for (const key of groups.keys()) end(key);
  return shares;
}
