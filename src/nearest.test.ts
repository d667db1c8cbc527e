import { expect, it } from "vitest";
import { nearest } from "./nearest.ts";

it.each([
  ["24kc", "24Kc"],
  ["24Kc-rxi", "24Kc-rixi"],
  ["34K", "34Kc"],
  ["pentium", undefined],
  ["", undefined],
])("takes %j for %j", (text, expected) => {
  expect(nearest(text, ["24Kc", "24Kc-kscratch", "24Kc-rixi", "34Kc"])).toBe(expected);
});
