/** Each target of `npm run fuzz:parsers`, for a moment: nothing is wrong with its seeds and what is near them. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fuzz } from "../../tools/coverage-fuzzer/fuzz.ts";
import { demoFile } from "../cli/kseg.ts";
import { ROOT } from "../project/tree.ts";
import { TARGETS } from "./targets.ts";

it.each(Object.entries(TARGETS))("%s", async (_, target) => {
  const { findings, taken, corpus } = await fuzz(target, { seed: 1, inputs: 300 });
  expect(findings).toEqual([]);
  // Something is counted, and leads to new inputs.
  expect(taken).toBeGreaterThan(5);
  expect(corpus).toBeGreaterThan(3);
});

describe("npm run fuzz:parsers", () => {
  const call = (...args: string[]) => {
    const tool = join(ROOT, "tools/fuzz-parsers.ts");
    const { status, stdout, stderr } = spawnSync(process.execPath, [tool, ...args], { encoding: "utf8" });
    return { status, stdout, stderr };
  };

  it("says what it has done", () => {
    const { status, stdout, stderr } = call("--target", "cpio,settings", "--inputs", "500", "--seed", "7");
    expect(stdout).toMatch(
      /^fuzz:parsers: seed 7\ncpio +500 inputs in [\d.]+ s, \d+ of \d+ branches, .+\nsettings +500 .+\n$/,
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });

  it("tries an input again", () => {
    const file = demoFile("demo-te.elf");
    expect(call("--target", "elf", "--replay", file)).toEqual({
      status: 0,
      stdout: `${file}: nothing is wrong with what it does\n`,
      stderr: "",
    });
  });

  it.each([
    [["--target", "x"], /--target x: choose from elf, code/],
    [["--replay", "x"], /--replay needs the --target/],
    [["--target", "elf", "--replay", "x"], /--replay x: no such file/],
    [["--inputs", "0"], /--inputs takes a positive number/],
  ])("refuses %j", (args, message) => {
    const { status, stdout, stderr } = call(...args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(message);
  });
});
