import { expect, test } from "vitest";
import { filesBelow, textOf } from "./tree.ts";

/** A source file has one purpose and 100 to 400 lines; above this many it has to be explained here. */
const LIMIT = 700;

/** Longer files, and why they are not split. */
const EXPLAINED: Readonly<Record<string, string>> = {};

const sources = filesBelow().filter((path) => /\.(ts|js|c|h|S|sh)$/.test(path));

test("long files are explained", () => {
  const lines = new Map(sources.map((path) => [path, textOf(path).split("\n").length - 1]));
  const long = [...lines].filter(([, count]) => count > LIMIT).map(([path]) => path);
  const report = [...lines]
    .sort((a, b) => b[1] - a[1])
    .slice(0, 5)
    .map(([path, count]) => `${count} ${path}`);
  expect(long.sort(), `longest files:\n${report.join("\n")}`).toEqual(Object.keys(EXPLAINED).sort());
  expect(sources.length).toBeGreaterThan(150);
});
