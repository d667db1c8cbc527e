import { lowerRow, operandValue } from "../../isa/decode.ts";
import type { AccessWidth, BinaryOp, Expr, HelperName, Statement } from "../../isa/ir.ts";
import type { InstructionRow } from "../../isa/row.ts";
import { helperCall, operandOf } from "./helper-call.ts";

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
  /** A load or store of `bytes` bytes at `address`, of register `register` of the FPU. */
  | {
      readonly kind: "fpuLoad" | "fpuStore";
      readonly address: number;
      readonly bytes: 4 | 8;
      readonly register: number;
    }
  /** A branch or jump; `target` is where control goes after the delay slot. */
  | { readonly kind: "branch"; readonly target: number };

/** What only instructions use that compute: they never need evaluation at an exit. */
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

/** Loads and stores of 64 bits: operations on a register of the FPU and an address, of which LUXC1 masks the low bits. */
const DOUBLES: ReadonlyMap<HelperName, "fpuLoad" | "fpuStore"> = new Map([
  ["ldc1", "fpuLoad"],
  ["ldxc1", "fpuLoad"],
  ["luxc1", "fpuLoad"],
  ["sdc1", "fpuStore"],
  ["sdxc1", "fpuStore"],
  ["suxc1", "fpuStore"],
]);

/** Number of the FPU register that a load of a word goes to. */
function loadedFpuRegister({ row, word }: Environment): number {
  const target = lowerRow(row).find((statement) => statement.kind === "setFpr");
  if (target?.kind !== "setFpr") throw new NotEvaluated("load");
  return operandValue(row, word, target.field);
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
      const { width, signed, linked } = statement;
      const address = value(statement.address, env) >>> 0;
      if (env.row.kind === "fpu")
        return { kind: "fpuLoad", address, bytes: 4, register: loadedFpuRegister(env) };
      const register = operandValue(env.row, env.word, "rt");
      return { kind: "load", address, width, signed, linked, register, old: env.gpr[register]! };
    }
    case "store":
    case "storeConditional": {
      const address = value(statement.address, env) >>> 0;
      if (statement.value.kind === "fpr") {
        const register = operandValue(env.row, env.word, statement.value.field);
        return { kind: "fpuStore", address, bytes: 4, register };
      }
      return {
        kind: "store",
        address,
        width: statement.kind === "store" ? statement.width : 4,
        value: value(statement.value, env),
        conditional: statement.kind === "storeConditional",
      };
    }
    case "helper": {
      const kind = DOUBLES.get(statement.name);
      const call = kind === undefined ? null : helperCall(env.row, env.word);
      if (kind === undefined || call === null) throw new NotEvaluated(statement.name);
      const [register, address] = [operandOf(call, 0, env.gpr), operandOf(call, 1, env.gpr)];
      const aligned = call.name === "luxc1" || call.name === "suxc1" ? address & -8 : address;
      return { kind, address: aligned >>> 0, bytes: 8, register };
    }
    default:
      // Links were written by the CPU when it executed the branch; register writes follow the effect.
      return null;
  }
}

/**
 * What the instruction `word` of `row` at `pc` does, given the registers, and FCSR for branches of the FPU: its first
 * effect, or null if it only computes or is left to the machine ({@link helperCall}). A likely branch that is not
 * taken continues behind its delay slot, like other branches.
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
