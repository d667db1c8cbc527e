/**
 * The programs that are measured, built for i386 and run here: they do the same work on every 32-bit Linux. They
 * need a compiler for i386 and a system that runs its programs; without them the tests are skipped and say why.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { UnavailableError } from "../../bench/machines.ts";
import { buildPrograms } from "../../bench/build.ts";
import { checksumIn, PROGRAMS } from "../../bench/programs.ts";
import { CHECKSUMS, ROUNDS } from "./checksums.ts";

const folder = mkdtempSync(join(tmpdir(), "kseg-bench-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const executable = join(folder, "kbench");

function kbench(...args: string[]): { output: string; status: number | null } {
  const { stdout, status } = spawnSync(executable, args, { cwd: folder, encoding: "utf8", timeout: 30_000 });
  return { output: stdout, status };
}

/** Builds the programs; the reason why they cannot be built or run, or null. */
function missing(): string | null {
  try {
    buildPrograms("i386", executable);
  } catch (error) {
    if (error instanceof UnavailableError) return error.message;
    throw error;
  }
  const { error, status } = spawnSync(executable, ["exit", "7"]);
  return status === 7 ? null : `programs for i386 do not run here: ${error?.message ?? `status ${status}`}`;
}

const reason = missing();
if (reason !== null) console.log(`benchmark programs skipped: ${reason}`);

describe.skipIf(reason !== null)("benchmark programs", () => {
  test.each(Object.entries(CHECKSUMS))("%s comes to %s", (name, checksum) => {
    const { output, status } = kbench(name, String(ROUNDS));
    expect(output).toBe(`bench: ${name} begins\nbench: ${name} ${checksum}\nbench: ${name} is done\n`);
    expect(status).toBe(0);
  });

  test("are all of those that are measured", () => {
    expect(PROGRAMS.map(({ name }) => name)).toEqual(Object.keys(CHECKSUMS));
  });

  const bytes = (size: number): Buffer => Buffer.from(Array.from({ length: size }, (_, i) => i % 256));
  test("compute CRC-32 and SHA-256 as others do", () => {
    const hex = (word: number): string => word.toString(16).padStart(8, "0");
    expect(checksumIn(kbench("crc", "1").output, "crc")).toBe(hex(crc32(bytes(65536))));
    const digest = createHash("sha256").update(bytes(16384)).digest("hex");
    expect(checksumIn(kbench("sha256", "1").output, "sha256")).toBe(digest.slice(0, 8));
  });

  test("do more in more rounds", () => {
    const sums = [1, 2, 3, 4].map((rounds) => kbench("alu", String(rounds)).output);
    expect(new Set(sums).size).toBe(4);
  });

  test.each([
    [["no-such-program", "1"], "bench: failed: there is no such program\n"],
    [["alu", "1x"], "bench: failed: the number of rounds is no number\n"],
    [["alu"], "bench: failed: usage: kbench PROGRAM ROUNDS\n"],
  ])("refuse %j", (args, message) => {
    expect(kbench(...args)).toEqual({ output: message, status: 1 });
  });
});

test("output without a checksum is an error", () => {
  expect(() => checksumIn("bench: alu begins\nbench: failed: brk\n", "alu")).toThrow(/failed: brk/);
});
