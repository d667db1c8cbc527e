import { describe, expect, test } from "vitest";
import { ENGINES, type InterpreterEngine } from "../../src/engine/index.ts";
import { TestMachine } from "../../src/engine/testing.ts";
import { GPR } from "../../src/isa/registers.ts";
import { runDemo } from "../snapshots/demo.ts";

const NAMES = Object.keys(ENGINES) as (keyof typeof ENGINES)[];

describe.each(["bare", "te"] as const)("the demo guest, %s", (mode) => {
  test("does the same by every engine, wherever slices end", () => {
    const input = "ps\nuptime\npoweroff\n";
    const expected = runDemo({ mode, engine: "interp" }, input, null);
    expect(expected.result.kind).toBe("off");
    for (const engine of NAMES)
      expect(runDemo({ mode, engine }, input, { longest: 50_000, seed: 1 })).toEqual(expected);
  });
});

test.each([
  ["interp", 0],
  ["auto", 0],
  ["jit", 1],
] as const)("a loop of a few rounds, by %s: %i translations", (name, translations) => {
  let engine!: InterpreterEngine;
  const m = new TestMachine({
    engine: (machine) => (engine = ENGINES[name](machine) as InterpreterEngine),
  });
  m.code((a) => {
    const again = a.bind();
    a.addiu(GPR.v0, GPR.v0, 1);
    a.sltiu(GPR.t0, GPR.v0, 8);
    a.bnez(GPR.t0, again);
    a.nop();
    a.sdbbp(1);
  });
  expect(m.run(1000)).toBe(1);
  expect(m.gpr(GPR.v0)).toBe(8);
  expect(engine.translations).toBe(translations);
});
