import type { Expr, Expr64, GprField, ImmField, Statement } from "../isa/ir.ts";
import { INSTRUCTIONS, lowerRow } from "../isa/instructions.ts";
import { fieldValue, findField, type Field } from "../isa/operands.ts";
import type { InstructionRow } from "../isa/row.ts";
import { PAGE_SIZE, RECORD, STATE } from "../machine/state-layout.ts";

/**
 * Operations of the interpreter and how an instruction word becomes a record for one.
 *
 * A record is eight bytes: {op u16, a u8, b u8, c i32}. Registers are kept as byte offsets into the register
 * file, in byte lanes; a small immediate takes a byte lane too, a wide one the whole of `c`.
 */

/** Operations that stand for no instruction. Zero must be `decode`: untouched records are zero. */
export const PSEUDO = { decode: 0, pageEnd: 1, fetch: 2, breakpoint: 3, reserved: 4 } as const;
/** Operations from here on stand for instructions. */
export const FIRST_ROW_OP = 5;

/** Byte lanes of a record, in the order in which operands take them. */
const LANES = [RECORD.a, RECORD.b, RECORD.c, RECORD.c + 1, RECORD.c + 2, RECORD.c + 3] as const;
const WIDE: ReadonlySet<ImmField> = new Set<ImmField>(["imm", "offset", "index", "code"]);

/** Where an operand lies in the record. */
export interface Slot {
  readonly field: Field;
  /** Byte offset in the record. */
  readonly at: number;
  /** A register number, kept times four; a written one is never $zero but the sink. */
  readonly isGpr: boolean;
  readonly isWritten: boolean;
  readonly isWide: boolean;
}

/** An instruction of the table, prepared for interpretation. */
export interface Operation {
  readonly row: InstructionRow;
  readonly statements: readonly Statement[];
  readonly slots: ReadonlyMap<GprField | ImmField, Slot>;
  /** The same in an array. */
  readonly slotList: readonly Slot[];
  readonly uses: Readonly<Uses>;
  /** PC-relative branch: it has a second operation, for targets in its own page. */
  readonly isBranch: boolean;
  /** Branch or jump: it has a delay slot. */
  readonly isTransfer: boolean;
  readonly op: number;
}

/** An instruction has more operands than a record has room for. */
export class RecordOverflowError extends Error {
  constructor(mnemonic: string) {
    super(`the operands of ${mnemonic} do not fit a record`);
    this.name = "RecordOverflowError";
  }
}

/** Operands that an instruction reads, and registers that it writes. */
interface Uses {
  readonly reads: Set<GprField | ImmField>;
  readonly writes: Set<GprField>;
  readsHiLo: boolean;
  writesHiLo: boolean;
}

function visit64(e: Expr64, uses: Uses): void {
  if (e.kind === "binary64") {
    visit64(e.left, uses);
    visit64(e.right, uses);
  } else if (e.kind === "signed" || e.kind === "unsigned") visit(e.value, uses);
  else if (e.kind === "hilo") uses.readsHiLo = true;
}

function visit(e: Expr, uses: Uses): void {
  switch (e.kind) {
    case "gpr":
    case "field":
    case "fpr":
      uses.reads.add(e.field);
      return;
    case "binary":
      visit(e.left, uses);
      visit(e.right, uses);
      return;
    case "clz":
    case "extend8":
    case "extend16":
      visit(e.value, uses);
      return;
    case "select":
      visit(e.condition, uses);
      visit(e.then, uses);
      visit(e.otherwise, uses);
      return;
    case "low":
    case "high":
      visit64(e.value, uses);
      return;
    case "hi":
    case "lo":
      uses.readsHiLo = true;
      return;
    default:
      return;
  }
}

function usesOf(statements: readonly Statement[]): Uses {
  const uses: Uses = { reads: new Set(), writes: new Set(), readsHiLo: false, writesHiLo: false };
  for (const s of statements) {
    switch (s.kind) {
      case "setGpr":
        uses.writes.add(s.field);
        visit(s.value, uses);
        break;
      case "setHi":
      case "setLo":
        // The other one of the pair stays.
        uses.readsHiLo = true;
        uses.writesHiLo = true;
        visit(s.value, uses);
        break;
      case "setFpr":
        // A number as far as records are concerned: FPU registers have no sink.
        uses.reads.add(s.field);
        visit(s.value, uses);
        break;
      case "setLink":
      case "let":
        visit(s.value, uses);
        break;
      case "setHiLo":
        uses.writesHiLo = true;
        visit64(s.value, uses);
        break;
      case "let64":
        visit64(s.value, uses);
        break;
      case "load":
        visit(s.address, uses);
        if (s.old !== null) visit(s.old, uses);
        break;
      case "store":
      case "storeConditional":
        visit(s.address, uses);
        visit(s.value, uses);
        break;
      case "branch":
        visit(s.condition, uses);
        uses.reads.add("offset");
        break;
      case "jump":
        visit(s.target, uses);
        break;
      case "raiseIf":
        visit(s.condition, uses);
        break;
      case "helper":
        for (const arg of s.args) visit(arg, uses);
        break;
      case "raise":
      case "requireFpu":
        break;
      default:
        s satisfies never;
    }
  }
  return uses;
}

const GPRS: readonly (GprField | ImmField)[] = ["rs", "rt", "rd"];

function assignSlots(row: InstructionRow, { reads, writes }: Uses): Operation["slots"] {
  const names = [...new Set<GprField | ImmField>([...writes, ...reads])];
  const slots = new Map<GprField | ImmField, Slot>();
  let lane = 0;
  const wide = names.find((name) => WIDE.has(name as ImmField));
  const place = (name: GprField | ImmField, at: number, isWide: boolean): void => {
    const field = findField(row, name);
    if (field === undefined) throw new RecordOverflowError(row.mnemonic);
    const isGpr = GPRS.includes(name);
    slots.set(name, { field, at, isGpr, isWritten: isGpr && writes.has(name as GprField), isWide });
  };
  for (const name of names) {
    if (name === wide) continue;
    const at = LANES[lane++];
    if (at === undefined || (wide !== undefined && at >= RECORD.c))
      throw new RecordOverflowError(row.mnemonic);
    place(name, at, false);
  }
  if (wide !== undefined) place(wide, RECORD.c, true);
  return slots;
}

let nextOp: number = FIRST_ROW_OP;

/** One operation for each row of the instruction table, by row index. */
export const OPERATIONS: readonly Operation[] = INSTRUCTIONS.map((row) => {
  const statements = lowerRow(row);
  const isBranch = statements.some((s) => s.kind === "branch");
  const op = nextOp;
  nextOp += isBranch ? 2 : 1;
  const uses = usesOf(statements);
  const isTransfer = isBranch || statements.some((s) => s.kind === "jump");
  const slots = assignSlots(row, uses);
  return { row, statements, uses, slots, slotList: [...slots.values()], isBranch, isTransfer, op };
});

/** Number of operations, pseudo operations included. */
export const OPERATION_COUNT = nextOp;

/**
 * Writes the record for `word`, an instruction at byte `inPage` of its page, at memory offset `record`.
 */
export function writeRecord(
  u8: Uint8Array,
  record: number,
  operation: Operation,
  word: number,
  inPage: number,
): void {
  let op = operation.op;
  for (const slot of operation.slotList) {
    let value = fieldValue(slot.field, word);
    if (slot.isGpr) value = slot.isWritten && value === 0 ? STATE.sink - STATE.gpr : value * 4;
    if (slot.field.name === "offset") {
      const target = inPage + 4 + value;
      // A branch to its own delay slot goes the long way: see the interpreter on delay slots.
      if (target >= 0 && target < PAGE_SIZE && value !== 0) {
        value = ((value + 4) / 4) * RECORD.bytes;
        op += 1;
      } else value += 4;
    }
    u8[record + slot.at] = value;
    if (!slot.isWide) continue;
    u8[record + slot.at + 1] = value >> 8;
    u8[record + slot.at + 2] = value >> 16;
    u8[record + slot.at + 3] = value >> 24;
  }
  u8[record + RECORD.op] = op;
  u8[record + RECORD.op + 1] = op >> 8;
}
