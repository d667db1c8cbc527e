import { expect, it } from "vitest";
import { hasColours } from "./colours.ts";

it.each([
  [true, {}, true],
  [false, {}, false],
  [undefined, {}, false],
  [true, { NO_COLOR: "1" }, false],
  [true, { NO_COLOR: "" }, true],
  [true, { TERM: "dumb" }, false],
  [false, { FORCE_COLOR: "1" }, true],
  [true, { FORCE_COLOR: "0" }, false],
  [true, { FORCE_COLOR: "1", NO_COLOR: "1" }, true],
] as const)("a terminal: %s, with %j: %s", (isTTY, env, colours) => {
  expect(hasColours({ isTTY }, env)).toBe(colours);
});
