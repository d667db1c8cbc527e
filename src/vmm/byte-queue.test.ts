import { expect, it } from "vitest";
import { ByteQueue } from "./byte-queue.ts";

it("gives back what came in, in order, across the end of its ring and while it grows", () => {
  const queue = new ByteQueue();
  const expected: number[] = [];
  let next = 0;
  const piece = (length: number): Uint8Array => Uint8Array.from({ length }, () => next++ & 255);
  for (const [push, shift] of [
    [3000, 2500],
    [4000, 100],
    [1, 4401],
    [9000, 8000],
    [7000, 0],
  ] as const) {
    const bytes = piece(push);
    queue.push(bytes);
    expected.push(...bytes);
    queue.pushByte(next & 255);
    expected.push(next++ & 255);
    for (let i = 0; i < shift; i++) {
      expect(queue.first).toBe(expected.shift());
      queue.shift();
    }
    expect(queue.length).toBe(expected.length);
  }
  expect(Array.from(queue.takeAll())).toEqual(expected);
  expect(queue.length).toBe(0);
  expect(queue.first).toBeUndefined();
  queue.shift();
  expect(queue.length).toBe(0);
});

it("keeps a copy", () => {
  const queue = new ByteQueue();
  const bytes = Uint8Array.of(1, 2, 3);
  queue.push(bytes);
  bytes.fill(9);
  expect(Array.from(queue.takeAll())).toEqual([1, 2, 3]);
});
