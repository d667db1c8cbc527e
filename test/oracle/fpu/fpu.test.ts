/** The FPU against QEMU's: a slice of what `npm run oracle -- fpu` runs. */
import { describe, expect, test } from "vitest";
import { decode, INSTRUCTIONS } from "../../../src/isa/decode.ts";
import { qemuMissing } from "../malta.ts";
import { explain } from "./compare.ts";
import { CPU_NAMES, generateProgram, programWords } from "./generator.ts";
import { compareSeeds } from "./suite.ts";

const SLICES = [
  ...CPU_NAMES.map((cpu) => ({ cpu, endian: "little", first: 1, count: 300 }) as const),
  { cpu: "24Kf", endian: "big", first: 100_001, count: 100 } as const,
];

describe.each(SLICES)("$cpu, $endian endian, against QEMU", ({ cpu, endian, first, count }) => {
  const missing = qemuMissing(endian);
  if (missing !== null) console.log(`skipped: ${missing}`);

  test.skipIf(missing !== null)("FPU programs end in the same state", { timeout: 120_000 }, async () => {
    const failures = await compareSeeds(cpu, endian, first, count);
    for (const { program, engine, mismatches } of failures.slice(0, 1))
      console.log(`by ${engine}:\n${explain(program, mismatches)}`);
    expect(failures.map(({ program, engine }) => `${program.seed} by ${engine}`)).toEqual([]);
  });
});

test("programs have every instruction of the FPU", () => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 300; seed++)
    for (const word of programWords(generateProgram(seed, "24Kf"))) {
      const row = decode(word);
      if (row !== null) seen.add(row.mnemonic);
    }
  // What catches words without a name has none.
  const wanted = INSTRUCTIONS.filter(
    ({ kind, mnemonic }) => kind === "fpu" && !/^(c1|cop1x?)$/.test(mnemonic),
  );
  expect(wanted.filter(({ mnemonic }) => !seen.has(mnemonic)).map(({ mnemonic }) => mnemonic)).toEqual([]);
});
