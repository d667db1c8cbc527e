import fc from "fast-check";
import { expect, it } from "vitest";
import { TICKS_PER_SECOND } from "../machine/timeline.ts";
import { cyclesIn, ticksFor } from "./cycles.ts";

it("counts whole cycles exactly, far beyond the range of the plain product", () => {
  expect(cyclesIn(TICKS_PER_SECOND, 1_193_182)).toBe(1_193_182);
  expect(cyclesIn(TICKS_PER_SECOND * 1_000_000, 1_193_182)).toBe(1_193_182_000_000);
  expect(cyclesIn(TICKS_PER_SECOND * 1_000_000 - 1, 1_193_182)).toBe(1_193_182_000_000 - 1);
});

it("finds the first tick of a cycle", () => {
  fc.assert(
    fc.property(fc.nat(2 ** 40), fc.constantFrom(32_768, 1_193_182, 3_579_545), (cycles, hz) => {
      const ticks = ticksFor(cycles, hz);
      expect(cyclesIn(ticks, hz)).toBe(cycles);
      if (ticks > 0) expect(cyclesIn(ticks - 1, hz)).toBe(cycles - 1);
    }),
  );
});
