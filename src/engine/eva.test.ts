import { describe, expect, test } from "vitest";
import { CP0, cp0Operands, STATUS } from "../isa/cp0.ts";
import { EXC_CODE } from "../isa/exceptions.ts";
import { GPR } from "../isa/registers.ts";
import { Assembler } from "../uasm/assembler.ts";
import { CODE, TestMachine, UNEXPECTED } from "./testing.ts";

const { t0, t1, t2, a0, a1, v0, zero } = GPR;
const DATA = 0x2_0000;
const OTHER = 0x3_0000;
const VA = 0x0040_0000;
const DONE = 1;

/** A P5600 whose kernel code at CODE reads the word at VA `times` times by LWE, the last one into v0. */
function reader(times: number): TestMachine {
  const m = new TestMachine({ model: "P5600" });
  m.machine.memory.write32(DATA, 0x1111_1111);
  m.machine.memory.write32(OTHER, 0x2222_2222);
  m.code((a) => {
    a.loadConstant(a0, VA);
    a.loadConstant(t0, times);
    const loop = a.bind("loop");
    a.lwe(v0, 0, a0);
    a.addiu(t0, t0, -1);
    a.bnez(t0, loop);
    a.nop();
    a.sdbbp(DONE);
  });
  return m;
}

describe("user-access instructions on the fast path", () => {
  /** Enough that the interpreter without calls has its turn. */
  const MANY = 1000;

  test("see a TLB entry that changes, and the ASID that is current", () => {
    const m = reader(MANY);
    m.map(1, VA, 1, DATA, DATA);
    m.map(2, VA, 2, OTHER, OTHER);
    m.setCp0("EntryHi", 1);
    expect(m.run()).toBe(DONE);
    expect(m.gpr(v0)).toBe(0x1111_1111);
    m.setCp0("EntryHi", 2);
    m.machine.cpu.setPc(CODE);
    expect(m.run()).toBe(DONE);
    expect(m.gpr(v0)).toBe(0x2222_2222);
    m.map(2, VA, 2, DATA, DATA);
    expect(m.run()).toBe(DONE);
    expect(m.gpr(v0)).toBe(0x1111_1111);
    m.machine.ops.tlbinvf();
    m.machine.cpu.setPc(CODE);
    expect(m.run()).toBe(UNEXPECTED);
    expect(m.excCode).toBe(EXC_CODE.TLBL);
    expect(m.cp0("BadVAddr")).toBe(VA);
  });

  test("go where user mode goes, and ordinary accesses of the kernel where the kernel's segment says", () => {
    const m = reader(MANY);
    m.map(1, VA, 0, DATA, DATA);
    m.setCp0("EntryHi", 0);
    expect(m.run()).toBe(DONE);
    // CFG 5 unmapped for the kernel, from physical address 0 on, and mapped for the user (MUSUK).
    m.setCp0("SegCtl2", (0x0040 << 16) | 0x0438);
    m.machine.memory.write32(0x4_0000, 0x3333_3333);
    m.load(CODE, (a) => {
      a.loadConstant(a0, 0x4_0000);
      a.loadConstant(a1, VA);
      for (let n = 0; n < 3; n++) {
        a.lw(t1, 0, a0);
        a.lwe(t2, 0, a1);
      }
      a.sdbbp(DONE);
    });
    m.machine.cpu.setPc(CODE);
    expect(m.run()).toBe(DONE);
    expect([m.gpr(t1), m.gpr(t2)]).toEqual([0x3333_3333, 0x1111_1111]);
  });

  test("raise Coprocessor Unusable in user mode, however warm the bank is", () => {
    const m = reader(MANY);
    m.map(1, VA, 0, DATA, DATA);
    m.map(2, 0x1_0000, 0, CODE & 0xf_ffff, CODE & 0xf_ffff);
    m.setCp0("EntryHi", 0);
    expect(m.run()).toBe(DONE);
    for (const [status, code] of [
      [STATUS.UM | STATUS.CU0, EXC_CODE.RI],
      [STATUS.UM, EXC_CODE.CpU],
    ] as const) {
      m.setCp0("Status", status);
      m.machine.cpu.setPc(0x1_0000);
      expect(m.run()).toBe(UNEXPECTED);
      // With CU0 the loads pass, and SDBBP is what user mode may not do.
      expect(m.excCode).toBe(code);
    }
    expect(m.cp0("Cause") & 0x3000_0000).toBe(0);
  });

  test("stores to decoded code are seen", () => {
    const m = new TestMachine({ model: "P5600" });
    m.map(1, VA, 0, CODE & 0xf_ffff, CODE & 0xf_ffff);
    m.setCp0("EntryHi", 0);
    const word = new Assembler({ level: "mips32r5", baseAddress: 0 });
    word.addiu(v0, zero, 2);
    const patch = word.words()[0]!;
    m.code((a) => {
      a.loadConstant(a0, VA);
      a.loadConstant(a1, patch);
      a.loadConstant(t0, 200);
      const loop = a.bind("loop");
      const patched = a.address;
      a.addiu(v0, zero, 1);
      a.swe(a1, 0x80, a0);
      a.addiu(t0, t0, -1);
      a.bnez(t0, loop);
      a.nop();
      // Now the word that the loop itself executes.
      a.addiu(a0, a0, patched - CODE);
      a.swe(a1, 0, a0);
      a.loadConstant(t0, 1);
      a.beqz(t1, loop);
      a.addiu(t1, t1, 1);
      a.sdbbp(DONE);
    });
    expect(m.run()).toBe(DONE);
    expect(m.gpr(v0)).toBe(2);
  });
});

describe("a CPU without release 5", () => {
  const later: readonly [string, (a: Assembler) => void, number][] = [
    ["lwe", (a) => a.lwe(v0, 0, a0), EXC_CODE.RI],
    ["sbe", (a) => a.sbe(v0, 0, a0), EXC_CODE.RI],
    ["cachee", (a) => a.cachee(0, 0, a0), EXC_CODE.RI],
    ["prefe", (a) => a.prefe(0, 0, a0), EXC_CODE.RI],
    ["eretnc", (a) => a.eretnc(), EXC_CODE.RI],
    ["tlbinv", (a) => a.tlbinv(), EXC_CODE.RI],
    ["tlbinvf", (a) => a.tlbinvf(), EXC_CODE.RI],
    ["mfhc0", (a) => a.mfhc0(v0, 2, 0), EXC_CODE.RI],
    ["mthc0", (a) => a.mthc0(v0, 2, 0), EXC_CODE.RI],
  ];
  test.each(later)("raises RI for %s, and a P5600 does not", (_name, emit, code) => {
    const asm = new Assembler({ level: "mips32r5", baseAddress: CODE });
    emit(asm);
    asm.sdbbp(DONE);
    for (const model of ["24Kc", "24Kc-rixi", "34Kc", "P5600"]) {
      const m = new TestMachine({ model });
      asm.words().forEach((word, n) => m.machine.write32((CODE & 0xf_ffff) + n * 4, word));
      m.machine.cpu.gpr[a0] = VA;
      m.map(1, VA, 0, DATA, DATA);
      m.setCp0("EntryHi", 0);
      m.setCp0("EPC", CODE + 4);
      const reason = m.run();
      if (model === "P5600") expect(reason).toBe(DONE);
      else {
        expect(reason).toBe(UNEXPECTED);
        expect(m.excCode).toBe(code);
      }
    }
  });

  test("has no registers of it either", () => {
    const m = new TestMachine({ model: "24Kc" });
    for (const name of [
      "SegCtl0",
      "PWBase",
      "PWCtl",
      "Config4",
      "Config5",
      "KScratch1",
      "BadInstr",
    ] as const) {
      m.setCp0(name, 0xffff_ffff);
      expect(m.cp0(name), name).toBe(0);
    }
    expect(m.cp0("Config3") >>> 31).toBe(0);
  });
});

describe("registers of the P5600", () => {
  const m = new TestMachine({ model: "P5600" });

  test("announce what there is", () => {
    expect(m.cp0("PRId")).toBe(0x0001_a800);
    expect(m.cp0("Config1") >>> 25).toBe(0x40 | 63);
    expect(m.cp0("Config3")).toBe(0x8f00_30a0);
    expect(m.cp0("Config4")).toBe(0xc0fc_c127);
    expect(m.cp0("Config5")).toBe(0x1000_0030);
    m.setCp0("Config5", 0xffff_ffff);
    expect(m.cp0("Config5")).toBe(0x7000_0030);
  });

  test("PWField takes a write as a whole or not at all, and keeps an impossible PTEI", () => {
    expect(m.cp0("PWField")).toBe(0x0c30_c302);
    const good = (22 << 24) | (12 << 18) | (12 << 12) | (12 << 6) | 6;
    m.setCp0("PWField", good);
    expect(m.cp0("PWField")).toBe(good);
    for (const shift of [24, 18, 12, 6]) {
      m.setCp0("PWField", (good & ~(63 << shift)) | (11 << shift));
      expect(m.cp0("PWField")).toBe(good);
    }
    for (const pte of [0, 1, 32, 63]) {
      m.setCp0("PWField", (good & ~63) | pte);
      expect(m.cp0("PWField")).toBe(good);
    }
    expect(m.cp0("PWSize")).toBe(0x40);
    m.setCp0("PWCtl", 0xffff_ffff);
    expect(m.cp0("PWCtl")).toBe(0x8000_0000);
    m.setCp0("PWCtl", 0);
  });

  test("LLAddr shows LLbit, and software clears it there", () => {
    m.code((a) => {
      a.loadConstant(a0, 0x8000_0000 + DATA + 0x64);
      a.ll(t0, 0, a0);
      a.mfc0(t1, ...cp0Operands(CP0.LLAddr));
      a.mtc0(t1, ...cp0Operands(CP0.LLAddr));
      a.mfc0(t2, ...cp0Operands(CP0.LLAddr));
      a.mtc0(zero, ...cp0Operands(CP0.LLAddr));
      a.sc(t0, 0, a0);
      a.mfc0(v0, ...cp0Operands(CP0.LLAddr));
      a.sdbbp(DONE);
    });
    m.machine.cpu.setPc(CODE);
    expect(m.run()).toBe(DONE);
    const line = ((DATA + 0x60) / 32) * 2;
    expect([m.gpr(t1), m.gpr(t2), m.gpr(t0), m.gpr(v0)]).toEqual([line | 1, line | 1, 0, line]);
  });
});
