import { expect, it } from "vitest";
import { columns, wrapped } from "./text-layout.ts";

it("breaks lines at spaces, and never inside of words", () => {
  expect(wrapped("one two three", 7)).toBe("one two\nthree");
  expect(wrapped("abcdefgh ij", 4)).toBe("abcdefgh\nij");
});

it("puts texts beside their names, and below names that are long", () => {
  const long = "x".repeat(30);
  const text = columns([
    ["a", "one"],
    ["bcd", "word ".repeat(20).trim()],
    [long, "two"],
  ]);
  expect(text.split("\n").slice(0, 2)).toEqual(["  a    one", `  bcd  ${"word ".repeat(13)}word`]);
  expect(text).toContain(`  ${long}\n       two\n`);
  expect(Math.max(...text.split("\n").map(({ length }) => length))).toBeLessThanOrEqual(80);
});
