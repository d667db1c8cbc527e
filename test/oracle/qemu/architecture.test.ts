import { describe, expect, test } from "vitest";
import { decode, INSTRUCTIONS } from "../../../src/isa/decode.ts";
import { levelIncludes } from "../../../src/isa/row.ts";
import { explain } from "./explain.ts";
import { generateProgram } from "./generator.ts";
import { RECORD } from "./layout.ts";
import { layOut } from "./program.ts";
import { qemuMissing } from "../malta.ts";
import { shrink } from "./shrink.ts";
import { compareSeeds } from "./suite.ts";

/** A slice of what `npm run oracle -- architecture` runs. */
const SLICES = [
  { endian: "little", first: 1, count: 700, engine: "interp" },
  { endian: "big", first: 100_001, count: 200, engine: "interp" },
  { endian: "little", first: 701, count: 300, engine: "jit" },
  { endian: "little", first: 1001, count: 200, engine: "auto" },
] as const;

/** Rows that no program has: see the differences that are avoided. */
const LEFT_OUT = ["deret", "wait", "sdbbp", "cop0"];

/** Every cause that programs raise, all of them in delay slots too (but for interrupts, which wait). */
const CAUSES = ["Mod", "TLBL", "TLBS", "AdEL", "AdES", "Sys", "Bp", "RI", "CpU", "Ov", "Tr"];

describe.each(SLICES)(
  "architecture against QEMU, $endian endian, $engine",
  ({ endian, first, count, engine }) => {
    const missing = qemuMissing(endian);
    if (missing !== null) console.log(`skipped: ${missing}`);

    test.skipIf(missing !== null)(
      "generated programs end in the same state",
      { timeout: 120_000 },
      async () => {
        const report = await compareSeeds(first, count, endian, engine);
        const failure = report.failures[0];
        if (failure !== undefined) console.log(explain(await shrink(failure, endian, engine), endian));
        expect(report.failures.map(({ program }) => program.seed)).toEqual([]);
        expect(report.reset).toEqual([]);
        expect(report.programs).toBe(count);
        expect(report.machineChecks).toBeLessThan(5);
        for (const cause of CAUSES) {
          expect(report.exceptions.get(cause), cause).toBeGreaterThan(5);
          const inSlots = report.exceptions.get(`${cause} in a delay slot`) ?? 0;
          if (endian === "little") expect(inSlots, `${cause} in a delay slot`).toBeGreaterThan(0);
        }
        expect(report.exceptions.get("Int")).toBeGreaterThan(5);
        expect(report.exceptions.get("IBE")).toBeGreaterThan(1);
      },
    );
  },
);

test("programs have every integer and privileged instruction", () => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 700; seed++) {
    const { words } = layOut(generateProgram(seed));
    for (let n = 0; n < words[RECORD.codeWords]!; n++) {
      const row = decode(words[RECORD.code + n]!);
      if (row !== null) seen.add(row.mnemonic);
    }
  }
  const wanted = INSTRUCTIONS.filter(
    (row) => row.kind !== "fpu" && row.kind !== "cop2" && levelIncludes("mips32r2", row.level),
  );
  const absent = wanted.filter((row) => !seen.has(row.mnemonic)).map((row) => row.mnemonic);
  expect(absent.sort()).toEqual([...LEFT_OUT].sort());
});

test("a seed gives the same program every time", () => {
  expect(layOut(generateProgram(77)).words).toEqual(layOut(generateProgram(77)).words);
});
