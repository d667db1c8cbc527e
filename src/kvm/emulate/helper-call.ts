import { lowerRow, operandValue } from "../../isa/decode.ts";
import type { Expr, HelperName } from "../../isa/ir.ts";
import type { InstructionRow } from "../../isa/row.ts";

/** An operand as the sum of two registers of the guest and a constant: $zero stands where there is no register. */
interface Operand {
  readonly base: number;
  readonly index: number;
  readonly constant: number;
}

/** What an instruction asks of the machine: one of its operations. It is the same wherever the word is executed. */
export interface HelperCall {
  readonly name: HelperName;
  readonly operands: readonly Operand[];
  /** Number of the register that takes the value; null if there is no value, or $zero takes it. */
  readonly register: number | null;
}

/** The value of operand `n` of `call`, given the guest's registers; 0 if there are fewer. */
export function operandOf({ operands }: HelperCall, n: number, gpr: Int32Array): number {
  const operand = operands[n];
  if (operand === undefined) return 0;
  return (gpr[operand.base]! + gpr[operand.index]! + operand.constant) | 0;
}

/** The expression as such a sum, or null if it is none. */
function sumOf(expression: Expr, row: InstructionRow, word: number): Operand | null {
  switch (expression.kind) {
    case "const":
      return { base: 0, index: 0, constant: expression.value };
    case "field":
      return { base: 0, index: 0, constant: operandValue(row, word, expression.field) };
    case "gpr":
      return { base: operandValue(row, word, expression.field), index: 0, constant: 0 };
    case "binary": {
      const left = expression.op === "add" ? sumOf(expression.left, row, word) : null;
      const right = left === null ? null : sumOf(expression.right, row, word);
      if (left === null || right === null) return null;
      const [base = 0, index = 0, ...more] = [left.base, left.index, right.base, right.index].filter(Boolean);
      return more.length > 0 ? null : { base, index, constant: left.constant + right.constant };
    }
    default:
      return null;
  }
}

/** Number of the register that the value of helper call `id` goes to, or null. */
function resultRegister(id: number | null, row: InstructionRow, word: number): number | null {
  for (const statement of lowerRow(row)) {
    if (statement.kind !== "setGpr" || statement.value.kind !== "temp" || statement.value.id !== id) continue;
    const register = operandValue(row, word, statement.field);
    return register === 0 ? null : register;
  }
  return null;
}

/** The helper call that instruction `word` of `row` is, or null if it is none whose operands are such sums. */
export function helperCall(row: InstructionRow, word: number): HelperCall | null {
  const call = lowerRow(row).find((statement) => statement.kind === "helper");
  if (call === undefined) return null;
  const operands = call.args.map((arg) => sumOf(arg, row, word));
  if (operands.some((operand) => operand === null)) return null;
  return { name: call.name, operands: operands as Operand[], register: resultRegister(call.id, row, word) };
}
