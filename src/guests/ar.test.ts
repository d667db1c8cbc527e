import { writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { readAr } from "./ar.ts";
import { GuestInputError } from "./errors.ts";
import { makeAr } from "./test-packages.ts";
import { temporaryFolder } from "./test-support.ts";

const folder = await temporaryFolder();

async function stored(name: string, data: Uint8Array): Promise<string> {
  const file = path.join(folder, name);
  await writeFile(file, data);
  return file;
}

describe("readAr", () => {
  const archive = makeAr([
    ["debian-binary", Buffer.from("2.0\n")],
    ["odd/", Buffer.from("abc")],
    ["empty", Buffer.alloc(0)],
    ["last", Buffer.from("z")],
  ]);

  it("finds every member at its offset, also behind odd sizes", async () => {
    const members = await readAr(await stored("good", archive));
    expect(members.map(({ name, size }) => [name, size])).toEqual([
      ["debian-binary", 4],
      ["odd", 3],
      ["empty", 0],
      ["last", 1],
    ]);
    const text = members.map(({ offset, size }) => archive.toString("latin1", offset, offset + size));
    expect(text).toEqual(["2.0\n", "abc", "", "z"]);
  });

  it("refuses every cut that loses something, as a typed error", async () => {
    // A cut right behind a member, with or without its padding, is a shorter archive.
    const members = await readAr(await stored("whole", archive));
    const ends = new Set([
      8,
      ...members.flatMap(({ offset, size }) => [offset + size, offset + size + (size & 1)]),
    ]);
    for (let length = 0; length < archive.length - 1; length++) {
      const file = await stored("cut", archive.subarray(0, length));
      if (ends.has(length)) await expect(readAr(file)).resolves.toBeInstanceOf(Array);
      else await expect(readAr(file), `${length} bytes`).rejects.toBeInstanceOf(GuestInputError);
    }
  });

  it("says what is wrong", async () => {
    const damaged = Buffer.from(archive);
    damaged.write("x", 8 + 48);
    await expect(readAr(await stored("text", Buffer.from("hello, world")))).rejects.toThrow(
      "not an ar archive",
    );
    await expect(readAr(await stored("bad", damaged))).rejects.toThrow("bad archive header at byte 8");
    const cut = makeAr([["li\nne", Buffer.from("abcdef")]]).subarray(0, -4);
    await expect(readAr(await stored("named", cut))).rejects.toThrow("4 bytes of member li?ne are missing");
    await expect(readAr(path.join(folder, "missing"))).rejects.toThrow("no such file or directory");
    await expect(readAr(folder)).rejects.toThrow("is a directory");
  });
});
