import { describe, expect, it } from "vitest";
import { elfKind } from "./elf-kind.ts";
import { GuestInputError } from "./errors.ts";
import { type ElfContents, KERNEL_ENTRY, makeElf } from "./test-packages.ts";

function sort(options: ElfContents): ReturnType<typeof elfKind> {
  const file = makeElf(options);
  return elfKind("file", file, file.length);
}

describe("elfKind", () => {
  it("tells kernels and programs apart", () => {
    expect(sort({ entry: KERNEL_ENTRY.bare })).toEqual({ kind: "kernel" });
    expect(sort({ entry: KERNEL_ENTRY.te, align: 0x1000 })).toEqual({ kind: "te-kernel", pageSize: 0x1000 });
    expect(sort({ entry: KERNEL_ENTRY.te, align: 0x4000 })).toEqual({ kind: "te-kernel", pageSize: 0x4000 });
    expect(sort({})).toEqual({ kind: "program" });
  });

  it.each<[string, ElfContents]>([
    ["x86-64, not for MIPS", { machine: 62 }],
    ["ELF machine 999, not for MIPS", { machine: 999 }],
    ["64-bit", { bits: 64 }],
    ["big-endian", { bigEndian: true }],
    ["not an executable", { type: 1 }],
    ["dynamically", { dynamic: true }],
  ])("refuses a file that is %s", (message, options) => {
    expect(() => sort(options)).toThrow(message);
  });

  it("refuses files that are cut off anywhere", () => {
    const file = makeElf();
    for (let length = 0; length < file.length; length++) {
      expect(() => elfKind("file", file.subarray(0, length), length), `${length}`).toThrow(GuestInputError);
    }
  });
});
