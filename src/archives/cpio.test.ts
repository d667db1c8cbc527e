import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArchiveError } from "./errors.ts";
import { type CpioEntry, packCpio, unpackCpio } from "./cpio.ts";

const ENTRIES: readonly CpioEntry[] = [
  { type: "file", name: "init", mode: 0o755, data: new TextEncoder().encode("#!/bin/sh\n") },
  { type: "directory", name: "dev", mode: 0o755 },
  { type: "character-device", name: "dev/console", mode: 0o600, major: 5, minor: 1 },
  { type: "symlink", name: "sh", mode: 0o777, target: "bin/busybox" },
];

describe("packCpio", () => {
  it("writes the header as the kernel reads it", () => {
    const archive = packCpio([{ type: "character-device", name: "null", mode: 0o666, major: 1, minor: 3 }]);
    const fields = ["1", "21b6", "0", "0", "1", "0", "0", "0", "0", "1", "3", "5", "0"];
    const header = `070701${fields.map((field) => field.toUpperCase().padStart(8, "0")).join("")}null\0`;
    expect(Buffer.from(archive).toString("latin1").slice(0, header.length)).toBe(header);
    expect(archive.length % 512).toBe(0);
  });

  it("gives the same bytes whatever the order of the entries", () => {
    expect(packCpio([...ENTRIES].reverse())).toEqual(packCpio(ENTRIES));
  });

  it("is read back as it was", () => {
    const sorted = [...ENTRIES].sort((a, b) => (a.name < b.name ? -1 : 1));
    expect(unpackCpio(packCpio(ENTRIES))).toEqual(sorted);
  });

  it("keeps any contents and any names", () => {
    const name = fc.stringMatching(/^[a-z0-9é._-]{1,12}$/).filter((text) => text !== ".." && text !== ".");
    const files = fc.uniqueArray(fc.tuple(name, fc.uint8Array({ maxLength: 40 })), {
      selector: ([text]) => text,
    });
    fc.assert(
      fc.property(files, (list) => {
        const archive = packCpio(
          list.map(([file, data]) => ({ type: "file", name: file, mode: 0o644, data })),
        );
        const read = new Map(unpackCpio(archive).map((entry) => [entry.name, entry]));
        expect(read.size).toBe(list.length);
        for (const [file, data] of list) expect(read.get(file)).toMatchObject({ type: "file", data });
      }),
    );
  });

  it("refuses what would not unpack", () => {
    const file = (name: string): CpioEntry => ({ type: "file", name, mode: 0o644, data: new Uint8Array(0) });
    expect(() => packCpio([file("/etc")])).toThrow("bad name");
    expect(() => packCpio([file("../etc")])).toThrow("bad name");
    expect(() => packCpio([file("")])).toThrow("bad name");
    expect(() => packCpio([file("a"), file("a")])).toThrow("twice");
    expect(() => packCpio([file("bin/sh")])).toThrow("no directory bin");
  });
});

describe("unpackCpio", () => {
  it("refuses every archive that is cut before its trailer", () => {
    const archive = packCpio(ENTRIES);
    const end = Buffer.from(archive).indexOf("TRAILER!!!") + 11;
    for (let length = 0; length < end; length++) {
      expect(() => unpackCpio(archive.subarray(0, length)), `${length} bytes`).toThrow(ArchiveError);
    }
  });

  it("refuses sizes beyond 2 GiB, which once led backwards", () => {
    const archive = packCpio(ENTRIES);
    for (const field of [6, 11])
      for (const size of ["7FFFFFFF", "80000000", "FFFFFFFF"]) {
        const large = archive.slice();
        large.set(new TextEncoder().encode(size), 6 + 8 * field);
        expect(() => unpackCpio(large), `field ${field} is ${size}`).toThrow("the cpio archive is cut off");
      }
  });

  it("says in one line what it does not know, whatever its name", () => {
    const archive = packCpio([{ type: "directory", name: "a\nb", mode: 0o755 }]);
    // A socket.
    archive.set(new TextEncoder().encode("0000C1ED"), 6 + 8);
    expect(() => unpackCpio(archive)).toThrow("cpio entry a?b has a type that is not supported");
  });
});
