import type { Expr, GprField, ImmField, Statement } from "../../isa/ir.ts";
import { fieldValue, type Field } from "../../isa/operands.ts";
import { GPR } from "../../isa/registers.ts";
import type { Operation } from "../operations.ts";
import type { CallTarget } from "./calling.ts";

/** Where the operands of a sum of a register and a constant lie in the word. */
interface Sum {
  readonly base: Field;
  readonly constant: Field;
}

/** What the translator asks of an operation at each instruction. */
export interface Traits {
  /** Saves its return address. */
  readonly links: boolean;
  /** A branch that executes its delay slot only if taken. */
  readonly isLikely: boolean;
  readonly isTranslatable: boolean;
  /** Its operands by the names that statements have for them. */
  readonly fields: Readonly<Partial<Record<GprField | ImmField, Field>>>;
  /** Registers read and written whatever the word is, as bits (see `HI_LO`), and the bits of it that name others. */
  readonly reads: number;
  readonly writes: number;
  readonly readsAt: readonly number[];
  readonly writesAt: readonly number[];
  /** Displacement of a PC-relative branch. */
  readonly offset: Field | null;
  /** The target in the word of J and JAL. */
  readonly index: Field | null;
  /** The register of a jump to an address in it that does not link. */
  readonly jumpRegister: Field | null;
  /** Registers that a branch is taken for if they are equal. */
  readonly compared: readonly [Field, Field] | null;
  /** A plain access of memory at a place that is a constant away from a register. */
  readonly access:
    | (Sum & {
        readonly kind: "load" | "store";
        /** Code in kseg0, too, asks where it goes. */
        readonly isLookedUpInKseg0: boolean;
      })
    | null;
  /** Adds a constant to a register; `to` takes the sum. */
  readonly addition: (Sum & { readonly to: Field }) | null;
  /** May change what pages there are. Operations that only raise leave if they do. */
  readonly changesMap: boolean;
  /** What code for it may call. */
  readonly calls: readonly Exclude<CallTarget, "enter">[];
}

/** A load that code in kseg0 makes without a look-up if it is from RAM there. */
type UnmappedLoad = Statement & { readonly kind: "load"; readonly width: 1 | 2 | 4 };

/** Whether it is such a load, for code in kseg0. */
export const isUnmappedLoad = (s: Statement): s is UnmappedLoad =>
  s.kind === "load" && !s.linked && !s.user && s.width !== "left" && s.width !== "right";

/** The bit that stands for HI and LO among registers: $zero needs none. */
export const HI_LO = 1;

/** Helpers that write general registers behind the translator's back. */
const WRITES_REGISTERS: ReadonlySet<string> = new Set(["wrpgpr", "rdpgpr"]);

/** By number of the operation. Most operations never come up. */
const known: (Traits | undefined)[] = [];

/** The traits of an operation: worked out when it first comes up, and kept. */
export function traitsOf(operation: Operation): Traits {
  return (known[operation.op] ??= findTraits(operation));
}

/** Whether it is a jump to an address in a register that is no return, such as one through a table. */
export function isTableJump({ jumpRegister }: Traits, word: number): boolean {
  return jumpRegister !== null && fieldValue(jumpRegister, word) !== GPR.ra;
}

function findTraits(operation: Operation): Traits {
  const { statements, slots, uses } = operation;
  const has = (kind: Statement["kind"]): boolean => statements.some((s) => s.kind === kind);
  const field = (name: GprField | ImmField): Field | null => slots.get(name)?.field ?? null;
  const positions = (names: Iterable<GprField | ImmField>): number[] =>
    [...names].filter((name) => slots.get(name)!.isGpr).map((name) => slots.get(name)!.field.position);
  const isJump = has("jump");
  const links = has("setLink") || (isJump && has("setGpr"));
  const isLikely = statements.some((s) => s.kind === "branch" && s.likely);
  const index = field("index");
  return {
    links,
    isLikely,
    isTranslatable:
      !(isLikely && has("setLink")) &&
      !statements.some((s) => s.kind === "helper" && WRITES_REGISTERS.has(s.name)),
    reads: uses.readsHiLo ? HI_LO : 0,
    writes: (uses.writesHiLo ? HI_LO : 0) | (has("setLink") ? 1 << GPR.ra : 0),
    fields: Object.fromEntries([...slots].map(([name, slot]) => [name, slot.field])),
    readsAt: positions(uses.reads),
    writesAt: positions(uses.writes),
    offset: field("offset"),
    index,
    jumpRegister: isJump && index === null && !links ? field("rs") : null,
    compared: comparedBy(operation),
    access: accessOf(operation),
    addition: additionOf(operation),
    changesMap: statements.some(
      (s) => s.kind === "helper" || s.kind === "storeConditional" || (s.kind === "load" && s.linked),
    ),
    calls: [...new Set(statements.flatMap(calledBy))],
  };
}

function comparedBy({ statements, slots }: Operation): Traits["compared"] {
  const branch = statements.find((s) => s.kind === "branch");
  if (branch?.condition.kind !== "binary" || branch.condition.op !== "eq") return null;
  const { left, right } = branch.condition;
  if (left.kind !== "gpr" || right.kind !== "gpr") return null;
  return [slots.get(left.field)!.field, slots.get(right.field)!.field];
}

/** The operands of `e` in words of `operation`, if it is the sum of a register and a constant. */
function sumOf(e: Expr, { slots }: Operation): Sum | null {
  if (e.kind !== "binary" || e.op !== "add") return null;
  const { left, right } = e;
  if (left.kind !== "gpr" || right.kind !== "field") return null;
  return { base: slots.get(left.field)!.field, constant: slots.get(right.field)!.field };
}

function accessOf(operation: Operation): Traits["access"] {
  const access = operation.statements.find(
    (s) => (s.kind === "load" && !s.linked && !s.user) || (s.kind === "store" && !s.user),
  );
  if (access?.kind !== "load" && access?.kind !== "store") return null;
  const sum = sumOf(access.address, operation);
  return sum === null ? null : { ...sum, kind: access.kind, isLookedUpInKseg0: !isUnmappedLoad(access) };
}

function additionOf(operation: Operation): Traits["addition"] {
  const [only, ...more] = operation.statements;
  if (only?.kind !== "setGpr" || more.length > 0) return null;
  const sum = sumOf(only.value, operation);
  return sum === null ? null : { ...sum, to: operation.slots.get(only.field)!.field };
}

function calledBy(s: Statement): Traits["calls"] {
  switch (s.kind) {
    case "helper":
      return [s.name, "raise", "comeBack"];
    case "requireFpu":
      return ["coprocessorUnusable"];
    case "raise":
    case "raiseIf":
      return ["raise"];
    case "storeConditional":
      return ["storeToRam"];
    case "load":
      return [s.linked ? "linkToRam" : s.user ? "loadUser" : "load"];
    case "store":
      return [s.user ? "storeUser" : "store"];
    default:
      return [];
  }
}
