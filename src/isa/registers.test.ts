import { expect, test } from "vitest";
import { CP0, cp0Index, cp0Name, cp0Operands } from "./cp0.ts";
import { GPR, GPR_NAMES } from "./registers.ts";

test("32 general purpose registers at their o32 numbers", () => {
  expect(GPR_NAMES.length).toBe(32);
  expect([GPR.zero, GPR.v0, GPR.a0, GPR.t8, GPR.k0, GPR.gp, GPR.sp, GPR.ra]).toEqual([
    0, 2, 4, 24, 26, 28, 29, 31,
  ]);
});

test("each CP0 number and select has one name", () => {
  const places = Object.values(CP0);
  expect(new Set(places).size).toBe(places.length);
  expect(Math.max(...places)).toBeLessThan(256);
  expect(cp0Name(cp0Index(15, 1))).toBe("EBase");
  expect(cp0Name(cp0Index(31, 7))).toBe("KScratch6");
  expect(cp0Name(cp0Index(22, 0))).toBeNull();
  expect(cp0Operands(CP0.KScratch1)).toEqual([31, 2]);
});
