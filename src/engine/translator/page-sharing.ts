import type { Expr, Statement } from "../../isa/ir.ts";
import { fieldValue } from "../../isa/operands.ts";
import { registerUse, type Block, type Instruction } from "./region.ts";

/** What an access does with the page that accesses of the same kind through the same register use. */
export interface PageShare {
  /** Number of the page among those of the block. */
  readonly page: number;
  /** It is the first of them, and looks the page up. */
  readonly isFirst: boolean;
}

type Access = Statement & { readonly kind: "load" | "store" };

const isPlainAccess = (s: Statement): s is Access =>
  (s.kind === "load" && !s.linked && !s.user) || (s.kind === "store" && !s.user);

/** The register that `address` is a constant away from, or null. */
function baseOf(address: Expr, { operation, word }: Instruction): number | null {
  if (address.kind !== "binary" || address.op !== "add") return null;
  const { left, right } = address;
  if (left.kind !== "gpr" || right.kind !== "field") return null;
  return fieldValue(operation.slots.get(left.field)!.field, word);
}

/** Whether the instruction may change what pages there are. Those that only raise leave if they do. */
const mayChangeMap = (s: Statement): boolean =>
  s.kind === "helper" || s.kind === "storeConditional" || (s.kind === "load" && s.linked);

/**
 * Which accesses of a block most likely go to the same page as an earlier one: loads, or stores, through the same
 * register while that is not written. They need no look-up if it is the same page.
 */
export function pageSharesOf({ body, branch, delaySlot }: Block): ReadonlyMap<Instruction, PageShare> {
  const shares = new Map<Instruction, PageShare>();
  const groups = new Map<string, Instruction[]>();
  let pages = 0;
  const end = (key: string): void => {
    const group = groups.get(key) ?? [];
    groups.delete(key);
    if (group.length < 2) return;
    group.forEach((instruction, n) => shares.set(instruction, { page: pages, isFirst: n === 0 }));
    pages++;
  };
  for (const instruction of [...body, branch, delaySlot]) {
    if (instruction === null) continue;
    const { statements } = instruction.operation;
    const access = statements.find(isPlainAccess);
    const base = access === undefined ? null : baseOf(access.address, instruction);
    if (access !== undefined && base !== null) {
      const key = `${access.kind} ${base}`;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [instruction]);
      else group.push(instruction);
    }
    const changed = statements.some(mayChangeMap);
    const { writes } = registerUse(instruction);
    for (const key of groups.keys())
      if (changed || (writes & (1 << Number(key.split(" ")[1]))) !== 0) end(key);
  }
  for (const key of groups.keys()) end(key);
  return shares;
}
