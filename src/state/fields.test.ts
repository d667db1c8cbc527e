import { describe, expect, it } from "vitest";
import { ByteReader, ByteWriter } from "./byte-stream.ts";
import {
  byteString,
  choice,
  counter,
  flag,
  i32,
  integer,
  list,
  tick,
  nothing,
  orNull,
  record,
  text,
  u16,
  u32,
  u8,
  variants,
  words,
  type Field,
} from "./fields.ts";
import { SnapshotError } from "./snapshot-error.ts";

function written<T>(field: Field<T>, value: T): Uint8Array {
  const writer = new ByteWriter();
  field.write(writer, value);
  return writer.bytes;
}

function read<T>(field: Field<T>, from: Uint8Array): T {
  const reader = new ByteReader(from, "test");
  const value = field.read(reader);
  reader.end();
  return value;
}

type Shape = { kind: "circle"; radius: number } | { kind: "point" };
const SHAPE = variants<"kind", Shape>("kind", {
  circle: record<{ radius: number }>({ radius: integer(1, 9) }),
  point: record({}),
});
const PAIR = record<{ a: number; b: string | null }>({ a: integer(-5, 300), b: orNull(text(3)) });

describe("a field", () => {
  it.each<[string, Field<unknown>, unknown[]]>([
    ["u8", u8, [0, 255]],
    ["u16", u16, [0, 65535]],
    ["u32", u32, [0, 127, 128, 2 ** 32 - 1]],
    ["counter", counter, [0, 2 ** 32, 2 ** 50]],
    ["tick", tick, [-(2 ** 50), -1, 0, 2 ** 50]],
    ["i32", i32, [-(2 ** 31), -1, 2 ** 31 - 1]],
    ["flag", flag, [true, false]],
    ["words", words(2), [Int32Array.of(-1, 5)]],
    ["byteString", byteString(3), [new Uint8Array(), Uint8Array.of(1, 2, 3)]],
    ["text", text(3), ["", "aé\u{d83d}"]],
    ["choice", choice(["x", 4]), ["x", 4]],
    ["list", list(u8, 1, 2), [[7], [7, 8]]],
    ["nothing", nothing, [null]],
    ["variants", SHAPE, [{ kind: "circle", radius: 3 }, { kind: "point" }]],
    [
      "record",
      PAIR,
      [
        { a: -5, b: null },
        { a: 300, b: "abc" },
      ],
    ],
  ])("%s gives back what was written", (_, field, values) => {
    for (const value of values) expect(read(field, written(field, value))).toEqual(value);
  });

  it.each<[string, Field<unknown>, number[], string]>([
    ["a number beyond its bounds", integer(3, 9), [7], "is 10, and cannot be more than 9"],
    ["a number with zeros in front", u32, [0x80, 0], "is no whole number"],
    ["a number beyond all", counter, Array<number>(8).fill(0xff), "is no whole number"],
    ["half a number", u32, [0x80], "ends too early"],
    ["a flag of 2", flag, [2], "is neither yes nor no"],
    ["an unknown choice", choice(["x"]), [1], "is unknown"],
    ["a list that is too long", list(u8, 0, 1), [2, 0, 0], "has 2 parts"],
    ["a list that is too short", list(u8, 1), [0], "has 0 parts"],
    ["bytes that are too many", byteString(1), [2, 0, 0], "has 2 bytes"],
    ["text that is too long", text(1), [2, 65, 65], "has 2 characters"],
    ["words that are missing", words(1), [0, 0, 0], "ends too early"],
    ["something behind it", u8, [1, 2], "has 1 bytes too many"],
  ])("refuses %s", (_, field, from, message) => {
    expect(() => read(field, Uint8Array.from(from))).toThrow(SnapshotError);
    expect(() => read(field, Uint8Array.from(from))).toThrow(message);
  });

  it("says where something is wrong", () => {
    const field = record<{ parts: { a: number }[] }>({
      parts: list(record<{ a: number }>({ a: integer(0, 1) }), 2),
    });
    expect(() => read(field, Uint8Array.of(2, 1, 9))).toThrow(
      "test.parts.1.a is 9, and cannot be more than 1",
    );
  });

  it("does not write what it would not read", () => {
    expect(() => written(integer(0, 5), 6)).toThrow(RangeError);
    expect(() => written(u32, 0.5)).toThrow(RangeError);
    expect(() => written(counter, -1)).toThrow(RangeError);
  });

  it("refuses to write what a guest has counted beyond the bounds", () => {
    for (const field of [counter, tick]) {
      expect(read(field, written(field, 2 ** 50))).toBe(2 ** 50);
      expect(() => written(field, 2 ** 50 + 1)).toThrow(SnapshotError);
    }
  });
});
