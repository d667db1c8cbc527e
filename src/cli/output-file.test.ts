import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Stats } from "../index.ts";
import { CliError, UsageError } from "./errors.ts";
import { OutputFile } from "./output-file.ts";
import { summary } from "./summary.ts";

const STATS: Stats = {
  instructions: 3_000_000,
  guestInstructions: 2_000_000,
  exits: { a: 1, tlbmiss_ld: 1234, b: 20, none: 0 },
  fastExits: {},
  counters: { wait: 1 },
  refills: { fast: 506, slow: 0 },
  guestTlbLookups: 1,
  asidChanges: 2,
  gvaPtesInvalidated: 0,
  gvaPtesFilled: 7,
  hostTlbWrites: 0,
};

describe("OutputFile", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "kseg-stats-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("writes the statistics and the seconds, and leaves nothing else", async () => {
    const name = join(folder, "s.json");
    const file = new OutputFile("--stats", name);
    expect(readdirSync(folder)).toEqual([]);
    await file.write({ ...STATS, seconds: 1.5 });
    expect(JSON.parse(readFileSync(name, "utf8"))).toEqual({ ...STATS, seconds: 1.5 });
    expect(readdirSync(folder)).toEqual(["s.json"]);
  });

  it("leaves an older file alone until the new one is whole", async () => {
    const name = join(folder, "s.json");
    writeFileSync(name, "old");
    const file = new OutputFile("--stats", name);
    expect(readFileSync(name, "utf8")).toBe("old");
    await file.write(STATS);
    expect(readFileSync(name, "utf8")).toContain("guestInstructions");
  });

  it("refuses a file that the run reads, by whatever name", () => {
    const kernel = join(folder, "vmlinux");
    writeFileSync(kernel, "kernel");
    symlinkSync("vmlinux", join(folder, "link"));
    for (const name of ["vmlinux", "link"])
      expect(() => new OutputFile("--stats", join(folder, name), [undefined, kernel])).toThrow(
        /is a file that the run reads/,
      );
    expect(readFileSync(kernel, "utf8")).toBe("kernel");
  });

  it("writes to where links lead that have nothing behind them yet", async () => {
    symlinkSync("second", join(folder, "first"));
    symlinkSync("new.json", join(folder, "second"));
    await new OutputFile("--stats", join(folder, "first")).write(STATS);
    expect(lstatSync(join(folder, "first")).isSymbolicLink()).toBe(true);
    expect(lstatSync(join(folder, "second")).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(folder, "new.json"), "utf8")).toContain("guestInstructions");
  });

  it("writes to where a link leads", async () => {
    const name = join(folder, "link");
    writeFileSync(join(folder, "target"), "old");
    symlinkSync("target", name);
    await new OutputFile("--stats", name).write(STATS);
    expect(lstatSync(name).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(folder, "target"), "utf8")).toContain("refills");
  });

  it.skipIf(!existsSync("/dev/null"))("does not replace a device", async () => {
    await new OutputFile("--stats", "/dev/null").write(STATS);
    expect(lstatSync("/dev/null").isCharacterDevice()).toBe(true);
  });

  it("refuses a folder, and a place in none, before the run", () => {
    expect(() => new OutputFile("--stats", folder)).toThrow(UsageError);
    expect(() => new OutputFile("--stats", join(folder, "no", "s.json"))).toThrow(
      /no such file or directory/,
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  it("says so when the place has gone meanwhile", async () => {
    const file = new OutputFile("--stats", join(folder, "s.json"));
    rmSync(folder, { recursive: true });
    await expect(file.write(STATS)).rejects.toThrow(CliError);
  });
});

describe("summary", () => {
  it("shows what happened, the most frequent exit first", () => {
    expect(summary(STATS, 0.5)).toEqual([
      "instructions    3,000,000 in 0.50 s, 6.0 million per second",
      "  by the guest  2,000,000",
      "refills         506 fast, 0 slow",
      "guest TLB       1 lookup, 2 ASID changes",
      "GVA tables      7 PTEs filled, 0 invalidated",
      "exits           1,255",
      "  tlbmiss_ld    1,234",
      "  b                20",
      "  a                 1",
    ]);
  });

  it("is short for a machine without a hypervisor", () => {
    const bare = {
      ...STATS,
      guestInstructions: STATS.instructions,
      exits: {},
      refills: { fast: 0, slow: 0 },
    };
    const lines = summary({ ...bare, guestTlbLookups: 0, asidChanges: 0, gvaPtesFilled: 0 }, 0);
    expect(lines).toEqual(["instructions    3,000,000 in 0.00 s, 0.0 million per second"]);
  });
});
