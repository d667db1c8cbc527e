import { describe, expect, test } from "vitest";
import { decodeStrict, disassemble } from "./disassemble.ts";

describe("disassemble", () => {
  test.each([
    [0x27bdffe0, "addiu sp,sp,-32"],
    [0x8fbf001c, "lw ra,28(sp)"],
    [0x00851020, "add v0,a0,a1"],
    [0x3c1a8000, "lui k0,0x8000"],
    [0x1000ffff, "b 0x80000100", "beq zero,zero,0x80000100"],
    [0x0c000040, "jal 0x80000100"],
    [0x00000000, "nop", "sll zero,zero,0x0"],
    [0x000000c0, "ehb", "sll zero,zero,0x3"],
    [0x24020001, "li v0,1", "addiu v0,zero,1"],
    [0x00801025, "move v0,a0", "or v0,a0,zero"],
    [0x401b2000, "mfc0 k1,$4"],
    [0x409bf802, "mtc0 k1,$31,2"],
    [0x7e842240, "ext a0,s4,0x9,0x5"],
    [0x7e846a44, "ins a0,s4,0x9,0x5"],
    [0x03e00408, "jr.hb ra"],
    [0x46241132, "c.eq.d $fcc1,$f2,$f4"],
    [0x46241032, "c.eq.d $f2,$f4"],
    [0x42000018, "eret"],
  ])("%o", (word, text, plain = text) => {
    expect(disassemble(word, 0x80000100)).toBe(text);
    expect(disassemble(word, 0x80000100, { aliases: false })).toBe(plain);
  });

  test("registers of coprocessor 0 by name", () => {
    const names = { cp0Names: true };
    expect(disassemble(0x401b2000, 0, names)).toBe("mfc0 k1,Context");
    expect(disassemble(0x409bf802, 0, names)).toBe("mtc0 k1,KScratch1");
    expect(disassemble(0x409bb003, 0, names)).toBe("mtc0 k1,$22,3");
    expect(disassemble(0x409bb000, 0, names)).toBe("mtc0 k1,$22");
  });

  test("what assembly cannot express is a .word", () => {
    expect(disassemble(0xfc000000, 0)).toBe(".word 0xfc000000");
    expect(disassemble(0x008517e0, 0)).toBe(".word 0x8517e0");
    expect(decodeStrict(0x008517e0)).toBeNull();
  });
});
