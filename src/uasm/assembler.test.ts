import { describe, expect, test } from "vitest";
import { CP0, cp0Operands } from "../isa/cp0.ts";
import { disassemble } from "../isa/disassemble.ts";
import { EncodeError } from "../isa/encode.ts";
import { ALL_INSTRUCTIONS } from "../isa/instructions.ts";
import { GPR } from "../isa/registers.ts";
import { splitAddress } from "./address.ts";
import { Assembler, type AssemblerTarget } from "./assembler.ts";
import { BufferLimitError, DelaySlotError, IsaLevelError, LabelError, TargetRangeError } from "./errors.ts";
import { formatListing } from "./listing.ts";

const { zero, at, v0, a0, k0, k1, ra } = GPR;

const assembler = (options: Partial<AssemblerTarget> = {}): Assembler =>
  new Assembler({ level: "mips32r2", baseAddress: 0x8010_0000, ...options });

/** The code as assembly text. */
const texts = (a: Assembler): string[] => a.listing().map((line) => line.text);

describe("emitters", () => {
  test("take operands in the order of assembly", () => {
    const a = assembler();
    a.lw(k1, 8, k0);
    a.addiu(k0, k0, -4);
    a.mfc0(k0, ...cp0Operands(CP0.Context));
    a.mtc0(k1, ...cp0Operands(CP0.KScratch1));
    a.ext(v0, a0, 13, 19);
    a.ins(v0, zero, 0, 8);
    a.div(v0, a0);
    a.eret();
    expect(texts(a)).toEqual([
      "lw k1,8(k0)",
      "addiu k0,k0,-4",
      "mfc0 k0,Context",
      "mtc0 k1,KScratch1",
      "ext v0,a0,0xd,0x13",
      "ins v0,zero,0x0,0x8",
      "div zero,v0,a0",
      "eret",
    ]);
  });

  test("take operands by name", () => {
    const a = assembler();
    a.emit("addiu", { rt: at, rs: zero, imm: 1 });
    a.emit("syscall", {});
    expect(texts(a)).toEqual(["li at,1", "syscall"]);
  });

  test("exist for every row", () => {
    const a = assembler() as unknown as Record<string, unknown>;
    for (const row of ALL_INSTRUCTIONS) expect(typeof a[row.mnemonic], row.mnemonic).toBe("function");
  });

  test("refuse operands out of range and say which", () => {
    const a = assembler();
    expect(() => a.lw(k0, 0x8000, k1)).toThrow("lw: imm is 32768, must be -32768 to 32767");
    expect(() => a.addu(32, 0, 0)).toThrow(EncodeError);
    // @ts-expect-error: an operand is missing
    expect(() => a.addu(1, 2)).toThrow("addu: rt is missing");
    expect(a.length).toBe(0);
  });

  test("refuse what the target lacks", () => {
    const a = assembler({ level: "mips32" });
    expect(() => a.ext(v0, a0, 0, 1)).toThrow(IsaLevelError);
    expect(() => a.ext(v0, a0, 0, 1)).toThrow("ext needs mips32r2, the target is mips32");
    a.mul(v0, a0, a0);
    expect(texts(a)).toEqual(["mul v0,a0,a0"]);
    expect(() => assembler().lwe(v0, 0, a0)).toThrow("lwe needs mips32r5, the target is mips32r2");
    const later = assembler({ level: "mips32r5" });
    later.lwe(v0, -256, a0);
    expect(() => later.lwe(v0, 256, a0)).toThrow(EncodeError);
    later.eretnc();
    expect(texts(later)).toEqual(["lwe v0,-256(a0)", "eretnc"]);
  });
});

describe("branches and labels", () => {
  test("reach back and forward", () => {
    const a = assembler();
    const end = a.label("end");
    const top = a.bind("top");
    a.bnez(k0, end);
    a.addiu(k0, k0, -1);
    a.b(top);
    a.nop();
    a.bind(end);
    a.jr(ra);
    a.nop();
    expect(texts(a)).toEqual(["bnez k0,0x80100010", "addiu k0,k0,-1", "b 0x80100000", "nop", "jr ra", "nop"]);
    expect(a.listing().map((line) => line.labels)).toEqual([["top"], [], [], [], ["end"], []]);
  });

  test("numbers are absolute addresses", () => {
    const a = assembler();
    a.beq(k0, k1, 0x8010_0100);
    a.nop();
    a.jal(0x8000_0180);
    a.nop();
    a.j(-0x7fff_fe80);
    a.nop();
    expect(texts(a).filter((text) => text !== "nop")).toEqual([
      "beq k0,k1,0x80100100",
      "jal 0x80000180",
      "j 0x80000180",
    ]);
  });

  test("the farthest targets are reached and the next are refused", () => {
    const a = assembler();
    a.b(0x8010_0004 + 0x1_fffc);
    a.nop();
    a.b(0x8010_000c - 0x2_0000);
    a.nop();
    expect(disassemble(a.words()[0] ?? 0, 0x8010_0000)).toBe("b 0x80120000");
    expect(() => a.b(0x8010_0014 + 0x2_0000)).toThrow(TargetRangeError);
    expect(() => a.b(0x8010_0014 - 0x2_0004)).toThrow(/131076 bytes away/);
    expect(() => a.b(0x8010_0002)).toThrow(/not a multiple of 4/);
    expect(() => a.j(0x9000_0000)).toThrow(/another 256 MiB region/);
  });

  test("the region of a jump is that of its delay slot", () => {
    const a = new Assembler({ level: "mips32r2", baseAddress: 0x8fff_fffc });
    a.j(0x9000_0000);
    a.nop();
    expect(texts(a)[0]).toBe("j 0x90000000");
  });

  test("a forward branch out of reach is refused when its label is bound", () => {
    const a = assembler();
    const far = a.label("far");
    a.b(far);
    for (let count = 0; count < 0x8000; count++) a.nop();
    expect(() => a.bind(far)).toThrow(TargetRangeError);
  });

  test("a label must be bound, and once", () => {
    const a = assembler();
    const lost = a.label("lost");
    a.b(lost);
    a.nop();
    expect(() => a.words()).toThrow(LabelError);
    expect(() => a.words()).toThrow("label lost: used but never bound");
    a.bind(lost);
    expect(a.words().length).toBe(2);
    expect(() => a.bind(lost)).toThrow("label lost: bound twice");
  });

  test("delay slots hold no control transfer and are not left out", () => {
    const a = assembler();
    a.jr(ra);
    expect(() => a.words()).toThrow(DelaySlotError);
    expect(() => a.b(0x8010_0000)).toThrow("beq at 0x80100004 is in the delay slot of jr");
    a.nop();
    expect(a.words()).toEqual(Uint32Array.of(0x03e00008, 0));
  });
});

describe("constants and addresses", () => {
  test.each([
    [0x8010_0000, ["lui k0,0x8010"]],
    [0x8010_1234, ["lui k0,0x8010", "addiu k0,k0,4660"]],
    [0x8010_8000, ["lui k0,0x8011", "addiu k0,k0,-32768"]],
    [0xffff_fffc, ["lui k0,0x0", "addiu k0,k0,-4"]],
    [-4, ["lui k0,0x0", "addiu k0,k0,-4"]],
  ])("loadAddress(%#x)", (address, expected) => {
    const a = assembler();
    a.loadAddress(k0, address);
    expect(texts(a)).toEqual(expected);
  });

  test("the parts of an address add up", () => {
    for (const address of [0, 0x7fff, 0x8000, 0xffff, 0x8010_8000, 0x7fff_8000, 0xffff_ffff]) {
      const { high, low } = splitAddress(address);
      expect(((high << 16) + low) >>> 0).toBe(address);
      expect(low).toBeGreaterThanOrEqual(-0x8000);
      expect(low).toBeLessThan(0x8000);
    }
  });

  test("the rest of an address goes into the next load", () => {
    const a = assembler();
    const low = a.loadAddressMostly(k1, 0x8010_8010);
    a.lw(k1, low, k1);
    expect(texts(a)).toEqual(["lui k1,0x8011", "lw k1,-32752(k1)"]);
  });

  test("the address of a label, before and after it is bound", () => {
    const a = assembler({ baseAddress: 0x8010_7ff0 });
    const data = a.label("data");
    a.loadAddress(k0, data);
    a.nop();
    a.nop();
    a.bind(data);
    a.loadAddress(k1, data);
    expect(texts(a)).toEqual([
      "lui k0,0x8011",
      "addiu k0,k0,-32768",
      "nop",
      "nop",
      "lui k1,0x8011",
      "addiu k1,k1,-32768",
    ]);
  });

  test.each([
    [0, ["li k0,0"]],
    [-1, ["li k0,-1"]],
    [0xffff_ffff, ["li k0,-1"]],
    [0x8000, ["li k0,0x8000"]],
    [0x1_0000, ["lui k0,0x1"]],
    [0x1234_5678, ["lui k0,0x1234", "ori k0,k0,0x5678"]],
  ])("loadConstant(%#x)", (value, expected) => {
    const a = assembler();
    a.loadConstant(k0, value);
    expect(texts(a)).toEqual(expected);
  });
});

test("hazards are cleared as the level allows", () => {
  const release2 = assembler();
  release2.clearHazard();
  expect(texts(release2)).toEqual(["ehb"]);
  const release1 = assembler({ level: "mips32", hazardNops: 2 });
  release1.clearHazard();
  expect(texts(release1)).toEqual(["ssnop", "ssnop"]);
});

test("the room given is not exceeded", () => {
  const a = assembler({ limitWords: 2 });
  a.nop();
  a.nop();
  expect(() => a.nop()).toThrow(BufferLimitError);
  expect(a.words().length).toBe(2);
});

test("a base that no instruction can have is refused", () => {
  expect(() => assembler({ baseAddress: 0x8010_0002 })).toThrow(TargetRangeError);
});

test("a listing shows addresses, words, labels and comments", () => {
  const a = assembler();
  a.bind("refill");
  a.comment("faulting page pair").mfc0(k0, ...cp0Operands(CP0.Context));
  a.nop();
  a.comment("back to the access").eret();
  expect(formatListing(a.listing())).toBe(
    [
      "refill:",
      "80100000: 401a2000  mfc0 k0,Context  # faulting page pair",
      "80100004: 00000000  nop",
      "80100008: 42000018  eret             # back to the access",
      "",
    ].join("\n"),
  );
});
