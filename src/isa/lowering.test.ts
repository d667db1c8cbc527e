/** The meanings of rows that are easy to get wrong, computed from their recorded statements. */
import { describe, expect, test } from "vitest";
import { encodeRow, type OperandValues } from "./encode.ts";
import { lowerRow, rowOf } from "./instructions.ts";
import type { Expr, Expr64 } from "./ir.ts";
import { operandValue } from "./operands.ts";

/** Registers before and after; by number, or hi and lo. */
type Registers = Record<number | "hi" | "lo", number>;

interface Result {
  readonly registers: Registers;
  readonly raised: string | null;
  /** Target of a taken branch or of a jump. */
  readonly target: number | null;
}

const PC = 0x8000_1000;

/** Runs one instruction on registers. Memory and helpers are beyond it. */
function run(mnemonic: string, operands: OperandValues, before: Partial<Registers>): Result {
  const row = rowOf(mnemonic);
  const word = encodeRow(row, operands);
  const registers = { hi: 0, lo: 0, ...before } as Registers;
  const temps = new Map<number, number | bigint>();
  const gpr = (number: number): number => (number === 0 ? 0 : (registers[number] ?? 0)) | 0;
  const number = (field: "rs" | "rt" | "rd"): number => operandValue(row, word, field);

  const wide = (expression: Expr64): bigint => {
    switch (expression.kind) {
      case "temp64":
        return BigInt(temps.get(expression.id) ?? 0);
      case "signed":
        return BigInt(value(expression.value));
      case "unsigned":
        return BigInt(value(expression.value) >>> 0);
      case "hilo":
        return (BigInt(registers.hi) << 32n) | BigInt(registers.lo >>> 0);
      case "binary64": {
        const left = wide(expression.left);
        const right = wide(expression.right);
        const result = { add64: left + right, sub64: left - right, mul64: left * right, or64: left | right };
        if (expression.op === "shl64") return BigInt.asIntN(64, left << (right & 63n));
        if (expression.op === "shrU64") return BigInt.asUintN(64, left) >> (right & 63n);
        return BigInt.asIntN(64, result[expression.op]);
      }
    }
  };

  const value = (expression: Expr): number => {
    switch (expression.kind) {
      case "const":
        return expression.value;
      case "gpr":
        return gpr(number(expression.field));
      case "field":
        return operandValue(row, word, expression.field) | 0;
      case "hi":
      case "lo":
        return registers[expression.kind] | 0;
      case "pc":
        return PC | 0;
      case "fpr":
      case "fcsr":
        throw new Error(`${mnemonic} uses the FPU`);
      case "temp":
        return Number(temps.get(expression.id));
      case "clz":
        return Math.clz32(value(expression.value));
      case "extend8":
        return (value(expression.value) << 24) >> 24;
      case "extend16":
        return (value(expression.value) << 16) >> 16;
      case "select":
        return value(value(expression.condition) === 0 ? expression.otherwise : expression.then);
      case "low":
        return Number(BigInt.asIntN(32, wide(expression.value)));
      case "high":
        return Number(BigInt.asIntN(32, wide(expression.value) >> 32n));
      case "binary": {
        const a = value(expression.left);
        const b = value(expression.right);
        // Division by zero traps in WebAssembly; here it would give a value that | 0 hides.
        if (/^(div|rem)/.test(expression.op)) expect(b, `${mnemonic} divides by zero`).not.toBe(0);
        if (expression.op === "divS") expect(a === -0x8000_0000 && b === -1).toBe(false);
        const compute: Record<typeof expression.op, () => number | boolean> = {
          add: () => a + b,
          sub: () => a - b,
          mul: () => Math.imul(a, b),
          and: () => a & b,
          or: () => a | b,
          xor: () => a ^ b,
          shl: () => a << b,
          shrS: () => a >> b,
          shrU: () => a >>> b,
          rotr: () => (a >>> (b & 31)) | (a << (32 - (b & 31))),
          eq: () => a === b,
          ne: () => a !== b,
          ltS: () => a < b,
          ltU: () => a >>> 0 < b >>> 0,
          geS: () => a >= b,
          geU: () => a >>> 0 >= b >>> 0,
          gtS: () => a > b,
          leS: () => a <= b,
          divS: () => a / b,
          divU: () => (a >>> 0) / (b >>> 0),
          remS: () => a % b,
          remU: () => (a >>> 0) % (b >>> 0),
        };
        return Number(compute[expression.op]()) | 0;
      }
    }
  };

  let target: number | null = null;
  for (const statement of lowerRow(row)) {
    switch (statement.kind) {
      case "let":
        temps.set(statement.id, value(statement.value));
        break;
      case "let64":
        temps.set(statement.id, wide(statement.value));
        break;
      case "setGpr":
        if (number(statement.field) !== 0) registers[number(statement.field)] = value(statement.value);
        break;
      case "setLink":
        registers[31] = value(statement.value);
        break;
      case "setHi":
        registers.hi = value(statement.value);
        break;
      case "setLo":
        registers.lo = value(statement.value);
        break;
      case "setHiLo": {
        const result = wide(statement.value);
        registers.hi = Number(BigInt.asIntN(32, result >> 32n));
        registers.lo = Number(BigInt.asIntN(32, result));
        break;
      }
      case "branch":
        if (value(statement.condition) !== 0) target = PC + 4 + operandValue(row, word, "offset");
        break;
      case "jump":
        target = value(statement.target) >>> 0;
        break;
      case "raise":
        return { registers, raised: statement.exception, target };
      case "raiseIf":
        if (value(statement.condition) !== 0) return { registers, raised: statement.exception, target };
        break;
      default:
        throw new Error(`${statement.kind} is beyond this test`);
    }
  }
  return { registers, raised: null, target };
}

const MIN = -0x8000_0000;
const MAX = 0x7fff_ffff;
const three = { rd: 3, rs: 1, rt: 2 };

describe("overflow", () => {
  test.each([
    ["add", MAX, 1, "Ov", undefined],
    ["add", MIN, -1, "Ov", undefined],
    ["add", MAX, MIN, null, -1],
    ["addu", MAX, 1, null, MIN],
    ["sub", MIN, 1, "Ov", undefined],
    ["sub", 0, MIN, "Ov", undefined],
    ["sub", -1, MIN, null, MAX],
    ["subu", 0, MIN, null, MIN],
  ])("%s %i, %i", (mnemonic, a, b, raised, result) => {
    const outcome = run(mnemonic, three, { 1: a, 2: b });
    expect([outcome.raised, outcome.registers[3]]).toEqual([raised, result]);
  });

  test("addi", () => {
    expect(run("addi", { rt: 2, rs: 1, imm: -1 }, { 1: MIN }).raised).toBe("Ov");
    expect(run("addi", { rt: 1, rs: 1, imm: -1 }, { 1: MAX }).registers[1]).toBe(MAX - 1);
  });
});

describe("division and multiplication", () => {
  test.each([
    ["div", 7, -2, -3, 1],
    ["div", -7, 2, -3, -1],
    ["div", 5, 0, 5, 0],
    ["div", MIN, -1, MIN, 0],
    ["divu", -1, 2, MAX, 1],
    ["divu", MIN, -1, 0, MIN],
    ["divu", -5, 0, -5, 0],
    ["mult", -1, -1, 1, 0],
    ["mult", MIN, 2, 0, -1],
    ["multu", -1, -1, 1, -2],
  ])("%s %i, %i gives LO %i and HI %i", (mnemonic, a, b, lo, hi) => {
    const { registers } = run(mnemonic, { rs: 1, rt: 2 }, { 1: a, 2: b });
    expect([registers.lo, registers.hi]).toEqual([lo, hi]);
  });

  test.each([
    ["madd", -1, 1, -2, 0],
    ["maddu", -1, 1, -2, 1],
    ["msub", -1, 1, 0, 1],
    ["msubu", -1, 1, 0, 0],
  ])("%s %i, %i onto 0:-1 gives LO %i and HI %i", (mnemonic, a, b, lo, hi) => {
    const { registers } = run(mnemonic, { rs: 1, rt: 2 }, { 1: a, 2: b, hi: 0, lo: -1 });
    expect([registers.lo, registers.hi]).toEqual([lo, hi]);
  });

  test("mul keeps the low word, HI and LO", () => {
    const { registers } = run("mul", three, { 1: 0x1_0001, 2: 0x1_0001, hi: 5, lo: 6 });
    expect([registers[3], registers.hi, registers.lo]).toEqual([0x2_0001, 5, 6]);
  });
});

describe("bits", () => {
  test.each([
    ["ext", { lsb: 0, extSize: 32 }, -1],
    ["ext", { lsb: 4, extSize: 8 }, 0xef],
    ["ext", { lsb: 31, extSize: 1 }, 1],
    ["ins", { lsb: 0, insSize: 32 }, 0xdead_bef3 | 0],
    ["ins", { lsb: 8, insSize: 8 }, 0x1111_f311],
    ["ins", { lsb: 31, insSize: 1 }, 0x9111_1111 | 0],
  ] as const)("%s %o", (mnemonic, place, expected) => {
    const source = mnemonic === "ext" ? (place.extSize === 32 ? -1 : 0xdead_bef3) : 0xdead_bef3;
    const { registers } = run(mnemonic, { rt: 2, rs: 1, ...place }, { 1: source, 2: 0x1111_1111 });
    expect(registers[2]).toBe(expected);
  });

  test("bit fields beyond the word are reserved", () => {
    expect(run("ext", { rt: 2, rs: 1, lsb: 20, msb: 12 }, {}).raised).toBe("RI");
    expect(run("ins", { rt: 2, rs: 1, lsb: 20, msb: 12 }, {}).raised).toBe("RI");
  });

  test.each([
    ["sra", { rd: 3, rt: 1, sa: 31 }, MIN, -1],
    ["srl", { rd: 3, rt: 1, sa: 31 }, MIN, 1],
    ["rotr", { rd: 3, rt: 1, sa: 8 }, 0x1234_5678, 0x7812_3456],
    ["rotr", { rd: 3, rt: 1, sa: 0 }, 0x1234_5678, 0x1234_5678],
    ["wsbh", { rd: 3, rt: 1 }, 0x1234_5678, 0x3412_7856],
    ["seb", { rd: 3, rt: 1 }, 0x1234_5680, -0x80],
    ["seh", { rd: 3, rt: 1 }, 0x1234_8000, -0x8000],
    ["clz", { rd: 3, rs: 1 }, 0, 32],
    ["clo", { rd: 3, rs: 1 }, -1, 32],
    ["clo", { rd: 3, rs: 1 }, 0x7fff_ffff, 0],
    ["nor", { rd: 3, rs: 1, rt: 0 }, 5, -6],
  ])("%s %o", (mnemonic, operands, source, expected) => {
    expect(run(mnemonic, operands, { 1: source }).registers[3]).toBe(expected);
  });

  test("variable shifts count modulo 32", () => {
    const { registers } = run("sllv", { rd: 3, rt: 1, rs: 2 }, { 1: 1, 2: 33 });
    expect(registers[3]).toBe(2);
  });

  test("immediates", () => {
    expect(run("sltiu", { rt: 2, rs: 1, imm: -1 }, { 1: 5 }).registers[2]).toBe(1);
    expect(run("slti", { rt: 2, rs: 1, imm: -1 }, { 1: 5 }).registers[2]).toBe(0);
    expect(run("xori", { rt: 2, rs: 1, uimm: 0xffff }, { 1: -1 }).registers[2]).toBe(-0x1_0000);
    expect(run("lui", { rt: 2, uimm: 0x8000 }, {}).registers[2]).toBe(MIN);
  });

  test("conditional moves leave rd alone", () => {
    expect(run("movn", three, { 1: 7, 2: 0, 3: 9 }).registers[3]).toBe(9);
    expect(run("movn", three, { 1: 7, 2: 1, 3: 9 }).registers[3]).toBe(7);
    expect(run("movz", three, { 1: 7, 2: 0, 3: 9 }).registers[3]).toBe(7);
  });
});

describe("control transfers", () => {
  test("linking branches test before they link, and link also when not taken", () => {
    const taken = run("bltzal", { rs: 31, offset: -8 }, { 31: -1 });
    expect([taken.target, (taken.registers[31] ?? 0) >>> 0]).toEqual([PC - 4, PC + 8]);
    const not = run("bgezal", { rs: 31, offset: 8 }, { 31: -1 });
    expect([not.target, (not.registers[31] ?? 0) >>> 0]).toEqual([null, PC + 8]);
  });

  test("jalr reads its target before it links", () => {
    const { target, registers } = run("jalr", { rd: 4, rs: 4 }, { 4: 0x8000_2000 | 0 });
    expect([target, (registers[4] ?? 0) >>> 0]).toEqual([0x8000_2000, PC + 8]);
  });

  test("jumps stay in the region of their delay slot", () => {
    expect(run("j", { index: 0x0fff_fffc }, {}).target).toBe(0x8fff_fffc);
    expect((run("jal", { index: 0 }, {}).registers[31] ?? 0) >>> 0).toBe(PC + 8);
  });

  test("comparisons with zero", () => {
    const taken = (mnemonic: string, value: number) =>
      run(mnemonic, { rs: 1, offset: 4 }, { 1: value }).target !== null;
    expect([-1, 0, 1].map((value) => taken("blez", value))).toEqual([true, true, false]);
    expect([-1, 0, 1].map((value) => taken("bgtz", value))).toEqual([false, false, true]);
    expect([-1, 0, 1].map((value) => taken("bltzl", value))).toEqual([true, false, false]);
    expect([-1, 0, 1].map((value) => taken("bgez", value))).toEqual([false, true, true]);
  });

  test("traps compare as their names say", () => {
    expect(run("tgeiu", { rs: 1, imm: -1 }, { 1: 5 }).raised).toBeNull();
    expect(run("tgei", { rs: 1, imm: -1 }, { 1: 5 }).raised).toBe("Tr");
    expect(run("tltu", { rs: 1, rt: 2 }, { 1: 5, 2: -1 }).raised).toBe("Tr");
    expect(run("tne", { rs: 1, rt: 2 }, { 1: 5, 2: 5 }).raised).toBeNull();
    expect(run("syscall", {}, {}).raised).toBe("Sys");
    expect(run("break", {}, {}).raised).toBe("Bp");
  });
});
