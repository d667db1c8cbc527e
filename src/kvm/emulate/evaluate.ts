import { lowerRow, operandValue } from "../../isa/decode.ts";
import type { AccessWidth, BinaryOp, Expr, HelperName, Statement } from "../../isa/ir.ts";
import type { InstructionRow } from "../../isa/row.ts";

/** What an instruction does with memory or control, worked out from its row of the instruction table. */
export type Effect =
  | {
      readonly kind: "load";
      readonly address: number;
      readonly width: AccessWidth;
      readonly signed: boolean;
      readonly linked: boolean;
      /** Number of the register that takes the value, and what it holds now. */
      readonly register: number;
      readonly old: number;
    }
  | {
      readonly kind: "store";
      readonly address: number;
      readonly width: AccessWidth;
      readonly value: number;
      readonly conditional: boolean;
    }
  /** A branch or jump; `target` is where control goes after the delay slot. */
  | { readonly kind: "branch"; readonly target: number }
  /** An operation of the machine; `register` takes its value, or is null if it has none or $zero takes it. */
  | {
      readonly kind: "helper";
      readonly name: HelperName;
      readonly args: readonly number[];
      readonly register: number | null;
    };

/** What only arithmetic instructions and those of the FPU use: they never need evaluation at an exit. */
class NotEvaluated extends Error {
  override readonly name = "NotEvaluated";
}

function binary(op: BinaryOp, a: number, b: number): number {
  switch (op) {
    case "add":
      return (a + b) | 0;
    case "sub":
      return (a - b) | 0;
    case "and":
      return a & b;
    case "or":
      return a | b;
    case "xor":
      return a ^ b;
    case "shrU":
      return a >>> b;
    case "eq":
      return a === b ? 1 : 0;
    case "ne":
      return a !== b ? 1 : 0;
    case "ltS":
      return a < b ? 1 : 0;
    case "geS":
      return a >= b ? 1 : 0;
    case "gtS":
      return a > b ? 1 : 0;
    case "leS":
      return a <= b ? 1 : 0;
    case "ltU":
      return a >>> 0 < b >>> 0 ? 1 : 0;
    case "geU":
      return a >>> 0 >= b >>> 0 ? 1 : 0;
    default:
      throw new NotEvaluated(op);
  }
}

interface Environment {
  readonly row: InstructionRow;
  readonly word: number;
  readonly pc: number;
  readonly gpr: Int32Array;
  readonly fcsr: number;
  readonly temps: Map<number, number>;
}

function value(expression: Expr, env: Environment): number {
  switch (expression.kind) {
    case "const":
      return expression.value;
    case "gpr":
      return env.gpr[operandValue(env.row, env.word, expression.field)]!;
    case "field":
      return operandValue(env.row, env.word, expression.field) | 0;
    case "pc":
      return env.pc | 0;
    case "fcsr":
      return env.fcsr;
    case "temp":
      return env.temps.get(expression.id) ?? 0;
    case "select":
      return value(value(expression.condition, env) === 0 ? expression.otherwise : expression.then, env);
    case "binary":
      return binary(expression.op, value(expression.left, env), value(expression.right, env));
    default:
      throw new NotEvaluated(expression.kind);
  }
}

/** Number of the register that the value of helper call `id` goes to, or null. */
function resultRegister(id: number | null, env: Environment): number | null {
  for (const statement of lowerRow(env.row)) {
    if (statement.kind !== "setGpr" || statement.value.kind !== "temp" || statement.value.id !== id) continue;
    const register = operandValue(env.row, env.word, statement.field);
    return register === 0 ? null : register;
  }
  return null;
}

/** The effect of one statement, or null if it has none that matters at an exit. */
function effectOf(statement: Statement, env: Environment): Effect | null {
  switch (statement.kind) {
    case "let":
      env.temps.set(statement.id, value(statement.value, env));
      return null;
    case "branch": {
      const taken = value(statement.condition, env) !== 0;
      const offset = taken ? 4 + operandValue(env.row, env.word, "offset") : 8;
      return { kind: "branch", target: (env.pc + offset) >>> 0 };
    }
    case "jump":
      return { kind: "branch", target: value(statement.target, env) >>> 0 };
    case "load": {
      // Not of an FPU register. Where the index of LWXC1 is, others have the register that is loaded.
      if (env.row.kind === "fpu") throw new NotEvaluated("load");
      const register = operandValue(env.row, env.word, "rt");
      const { width, signed, linked } = statement;
      const address = value(statement.address, env) >>> 0;
      return { kind: "load", address, width, signed, linked, register, old: env.gpr[register]! };
    }
    case "store":
    case "storeConditional":
      return {
        kind: "store",
        address: value(statement.address, env) >>> 0,
        width: statement.kind === "store" ? statement.width : 4,
        value: value(statement.value, env),
        conditional: statement.kind === "storeConditional",
      };
    case "helper":
      return {
        kind: "helper",
        name: statement.name,
        args: statement.args.map((arg) => value(arg, env)),
        register: resultRegister(statement.id, env),
      };
    default:
      // Links were written by the CPU when it executed the branch; register writes follow the effect.
      return null;
  }
}

/**
 * What the instruction `word` of `row` at `pc` does, given the registers, and FCSR for branches of the FPU: its first
 * effect, or null if it only computes or is left to the FPU. A likely branch that is not taken continues behind its
 * delay slot, like other branches.
 */
export function evaluate(
  row: InstructionRow,
  word: number,
  pc: number,
  gpr: Int32Array,
  fcsr = 0,
): Effect | null {
  const env: Environment = { row, word, pc, gpr, fcsr, temps: new Map() };
  try {
    for (const statement of lowerRow(row)) {
      // What is computed before the effect is evaluated; a computation that only feeds registers is not.
      if (statement.kind === "let64") return null;
      const effect = effectOf(statement, env);
      if (effect !== null) return effect;
    }
  } catch (error) {
    if (!(error instanceof NotEvaluated)) throw error;
  }
  return null;
}
