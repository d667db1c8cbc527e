/**
 * The generated code and the tables that it walks, outside of kseg: the same bare image, made from the RAM of a
 * hypervisor's machine, runs in kseg and in QEMU.
 */
import { describe, expect, test } from "vitest";
import { qemuMissing } from "../malta.ts";
import { KNOWN_DIFFERENCES, type KnownDifference } from "./compare.ts";
import { CONFIGURATIONS } from "./configurations.ts";
import { compareConfiguration } from "./suite.ts";

const met = new Set<KnownDifference>();
let skipped = 0;

describe("generated code in QEMU", () => {
  for (const configuration of CONFIGURATIONS)
    test(`${configuration.name}`, async (context) => {
      const missing = qemuMissing(configuration.endian);
      if (missing !== null) {
        skipped++;
        console.log(`skipped: ${missing}`);
        context.skip(missing);
      }
      const result = await compareConfiguration(configuration);
      expect(result.complaints.slice(0, 20)).toEqual([]);
      expect(result.handlerWords).toBe(configuration.handlerWords);
      expect(result.scenarios).toBeGreaterThanOrEqual(38);
      expect(result.refills).toBeGreaterThan(result.scenarios);
      expect(result.entries).toBeGreaterThan(result.exits);
      for (const known of result.met) met.add(known);
    });

  test("every known difference is still one", (context) => {
    if (skipped > 0) context.skip("not every configuration was compared");
    const gone = KNOWN_DIFFERENCES.filter((known) => known.byChance !== true && !met.has(known));
    expect(gone.map(({ what }) => what)).toEqual([]);
  });
});
