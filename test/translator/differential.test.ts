import { describe, expect, test } from "vitest";
import type { Endian } from "../../src/machine/memory.ts";
import { compareEngines } from "./random-programs.ts";

const PROGRAMS = 75;

describe.each<Endian>(["little", "big"])("random programs, %s endian", (endian) => {
  test("do the same translated and interpreted, whatever pieces they run in", { timeout: 120_000 }, () => {
    const { runs, exceptions, translations } = compareEngines(endian, endian === "little" ? 1 : 2, PROGRAMS);
    expect(translations).toBeGreaterThan(2 * runs);
    expect(exceptions).toBeGreaterThan(20 * runs);
  });
});
