import { describe, expect, test } from "vitest";
import type { Expr, Expr64, Statement } from "./ir.ts";
import { INSTRUCTIONS, lowerRow, rowOf, UnknownInstructionError } from "./instructions.ts";
import { findField } from "./operands.ts";

/** Every expression inside a statement, 32 and 64 bits wide. */
function* expressions(value: unknown): Generator<Expr | Expr64> {
  if (typeof value !== "object" || value === null) return;
  if ("kind" in value) yield value as Expr | Expr64;
  for (const inner of Object.values(value)) yield* expressions(inner);
}

/** The effect that a statement has on registers, if any. */
const writes = (statement: Statement): boolean => statement.kind.startsWith("set");

/** Statements that may raise, so that nothing may be written before them. */
const mayRaise = (statement: Statement): boolean =>
  ["raise", "raiseIf", "load", "store", "storeConditional"].includes(statement.kind);

describe("lowerings", () => {
  test("are recorded once", () => {
    expect(lowerRow(rowOf("addu"))).toBe(lowerRow(rowOf("addu")));
    expect(() => lowerRow({ ...rowOf("addu") })).toThrow(UnknownInstructionError);
  });

  test.each(INSTRUCTIONS.map((row) => [row.mnemonic, row] as const))(
    "%s reads only what its word holds",
    (_, row) => {
      for (const statement of lowerRow(row)) {
        if (statement.kind === "setGpr") expect(findField(row, statement.field)).toBeDefined();
        if (statement.kind === "branch") expect(findField(row, "offset")).toBeDefined();
        for (const expression of expressions(statement)) {
          if (expression.kind === "gpr" || expression.kind === "field") {
            expect(findField(row, expression.field), `field ${expression.field}`).toBeDefined();
          }
        }
      }
    },
  );

  test.each(INSTRUCTIONS.map((row) => [row.mnemonic, row] as const))(
    "%s defines temporaries before use",
    (_, row) => {
      const defined = new Set<number>();
      for (const statement of lowerRow(row)) {
        const { kind } = statement;
        for (const expression of expressions(statement)) {
          if (expression.kind === "temp" || expression.kind === "temp64")
            expect(defined).toContain(expression.id);
        }
        if ("id" in statement && statement.id !== null) {
          expect(defined, kind).not.toContain(statement.id);
          defined.add(statement.id);
        }
      }
    },
  );

  test("what raises comes before what writes", () => {
    for (const row of INSTRUCTIONS) {
      const statements = lowerRow(row);
      const firstWrite = statements.findIndex(writes);
      const lastRaise = statements.findLastIndex(mayRaise);
      if (firstWrite >= 0) expect(lastRaise, row.mnemonic).toBeLessThan(firstWrite);
    }
  });

  test("control transfers end with exactly one branch or jump, and nothing else has one", () => {
    for (const row of INSTRUCTIONS) {
      const kinds = lowerRow(row).map((statement) => statement.kind);
      const transfers = kinds.filter((kind) => kind === "branch" || kind === "jump");
      const ofFpu = row.mnemonic.startsWith("bc1") ? ["branch"] : [];
      const expected = row.kind === "branch" || row.kind === "jump" ? [row.kind] : ofFpu;
      expect(transfers, row.mnemonic).toEqual(expected);
      if (expected.length > 0) expect(kinds.at(-1)).toBe(expected[0]);
    }
  });

  test("whatever uses the FPU looks first whether it may", () => {
    for (const row of INSTRUCTIONS) {
      const places = lowerRow(row).flatMap(({ kind }, place) => (kind === "requireFpu" ? [place] : []));
      const uses = row.kind === "fpu" && lowerRow(row)[0]?.kind !== "helper";
      expect(places, row.mnemonic).toEqual(uses ? [0] : []);
    }
  });

  test("register and link writes do not come between a source and its use", () => {
    for (const row of INSTRUCTIONS) {
      let written = false;
      for (const statement of lowerRow(row)) {
        const reads = [...expressions(statement)].some((expression) => expression.kind === "gpr");
        expect(written && reads, row.mnemonic).toBe(false);
        if (statement.kind === "setGpr" || statement.kind === "setLink") written = true;
      }
    }
  });
});
