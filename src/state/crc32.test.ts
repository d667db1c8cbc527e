import { crc32 as zlibCrc32 } from "node:zlib";
import { expect, it } from "vitest";
import { crc32 } from "./crc32.ts";

const bytes = Uint8Array.from({ length: 1000 }, (_, n) => Math.imul(n, 2654435761) >>> 24);

it("is what zlib says, at every length and place", () => {
  for (const length of [0, 1, 7, 8, 9, 15, 16, 17, 999, 1000])
    expect(crc32(bytes.subarray(0, length))).toBe(zlibCrc32(bytes.subarray(0, length)));
  expect(crc32(bytes.subarray(3, 500))).toBe(zlibCrc32(bytes.subarray(3, 500)));
});

it("goes on from what came before", () => {
  expect(crc32(bytes.subarray(100), crc32(bytes.subarray(0, 100)))).toBe(crc32(bytes));
});
