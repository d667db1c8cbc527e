import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { goldenFiles } from "./golden-files.ts";

const files = goldenFiles();

describe("generated code is what the golden listings say (npm run bless rewrites them)", () => {
  test.each([...files.keys()])("%s", (name) => {
    expect(files.get(name)).toBe(readFileSync(new URL(name, import.meta.url), "utf8"));
  });

  test("no listing is left over", () => {
    const present = readdirSync(new URL("entry", import.meta.url)).map((name) => `entry/${name}`);
    expect(present.sort()).toEqual([...files.keys()].sort());
  });
});
