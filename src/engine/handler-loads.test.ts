import { describe, expect, test } from "vitest";
import { EXC_CODE } from "../isa/exceptions.ts";
import { GPR } from "../isa/registers.ts";
import type { Assembler } from "../uasm/assembler.ts";
import { ENGINES } from "./index.ts";
import { CODE, TestMachine, UNEXPECTED, type TestMachineOptions } from "./testing.ts";

const { a0, gp, k0, k1, v0 } = GPR;
const DONE = 1;
const RAM = 1 << 20;
/** A list of addresses, and how much further on what is found at each. */
const LIST = 0xf000;
const FOUND = 0x100;
const VA = 0x0040_2000;
const PAGE = 0x2_0000;

/** A machine that loads the words at `addresses` through k1, in a loop that is soon translated. */
function machine(addresses: readonly number[], options: TestMachineOptions): TestMachine {
  const m = new TestMachine({ ramBytes: RAM, ...options });
  m.map(0, VA, 0, PAGE, PAGE);
  const ram = m.machine.mmu.ramOffset(0);
  addresses.forEach((address, n) => m.machine.write32(ram + LIST + n * 4, address));
  const build = (a: Assembler): void => {
    const loop = a.bind();
    a.lw(k0, 0, gp);
    a.move(k1, k0);
    a.lw(v0, 4, k1);
    a.sw(v0, FOUND, gp);
    a.addiu(gp, gp, 4);
    a.bne(gp, a0, loop);
    a.nop();
    a.sdbbp(DONE);
  };
  m.load(CODE, build, ram + CODE - 0x8000_0000);
  return begin(m, addresses.length);
}

function begin(m: TestMachine, count: number): TestMachine {
  m.machine.cpu.gpr[gp] = (0x8000_0000 + LIST) | 0;
  m.machine.cpu.gpr[a0] = (0x8000_0000 + LIST + count * 4) | 0;
  m.machine.cpu.setPc(CODE);
  return m;
}

const found = (m: TestMachine, count: number): number[] =>
  Array.from({ length: count }, (_, n) => m.machine.memory.read32(LIST + FOUND + n * 4) >>> 0);

describe.each(Object.entries(ENGINES))("loads through k0 and k1, %s", (_, engine) => {
  test.each(["little", "big"] as const)("go wherever their addresses lead, %s-endian", (endian) => {
    const inRam = [0x8000_0000 + PAGE, 0x8000_0000 + RAM - 8, 0xa000_0000 + PAGE, VA];
    const addresses = [...inRam, ...inRam, 0x8000_0000 + RAM - 4, 0x9fff_fff8, ...inRam];
    const m = machine(addresses, { engine, endian });
    m.machine.write32(PAGE + 4, 0x1234_5678);
    m.machine.write32(RAM - 4, 0x9abc_def0);
    expect(m.run()).toBe(DONE);
    const words = [0x1234_5678, 0x9abc_def0, 0x1234_5678, 0x1234_5678];
    expect(found(m, addresses.length)).toEqual([...words, ...words, 0xffff_ffff, 0xffff_ffff, ...words]);
  });

  test("find RAM where it is", () => {
    const half = RAM / 2;
    const ramRegions = [
      { base: 0, size: half, offset: half },
      { base: half, size: half, offset: 0 },
    ];
    const addresses = [half - 8, half - 4, half, PAGE].map((address) => 0x8000_0000 + address);
    const m = machine([...addresses, ...addresses], { engine, ramRegions });
    for (const [n, address] of addresses.entries()) m.machine.write32((address + 4 + half) % RAM, n + 1);
    expect(m.run()).toBe(DONE);
    const list = LIST + FOUND + half;
    expect([0, 1, 2, 3, 4, 5, 6, 7].map((n) => m.machine.memory.read32(list + n * 4))).toEqual([
      1, 2, 3, 4, 1, 2, 3, 4,
    ]);
  });

  test.each([1, 2, 3])("raise an address error %i bytes from a word", (bytes) => {
    const at = 0x8000_0000 + PAGE;
    const m = machine([at, at, at, at + bytes], { engine });
    expect(m.run()).toBe(UNEXPECTED);
    expect(m.excCode).toBe(EXC_CODE.AdEL);
    expect(m.cp0("BadVAddr")).toBe(at + bytes + 4);
  });

  test("stop for a watchpoint that was set when they were translated", () => {
    const at = 0x8000_0000 + PAGE;
    const m = machine([at, at, at, at], { engine });
    expect(m.run()).toBe(DONE);
    const watchpoint = { address: at + 4, length: 4, access: "read", applies: () => true } as const;
    m.machine.debug.addWatchpoint(watchpoint);
    const stop = { kind: "watchpoint", address: at + 4, access: "read" };
    expect(begin(m, 4).run()).toMatchObject({ kind: "debug", stop });
    m.machine.debug.remove(watchpoint);
    expect(begin(m, 4).run()).toBe(DONE);
  });
});
