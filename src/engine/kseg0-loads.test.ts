import { describe, expect, test } from "vitest";
import { EXC_CODE } from "../isa/exceptions.ts";
import { GPR } from "../isa/registers.ts";
import type { Assembler } from "../uasm/assembler.ts";
import { ENGINES } from "./index.ts";
import { CODE, TestMachine, UNEXPECTED, type TestMachineOptions } from "./testing.ts";

const { a0, gp, k1, v0 } = GPR;
const DONE = 1;
const RAM = 1 << 20;
/** A list of addresses, and how much further on what is found at each. */
const LIST = 0xf000;
const FOUND = 0x100;
const VA = 0x0040_2000;
const PAGE = 0x2_0000;

type Load = "lb" | "lbu" | "lh" | "lhu" | "lw";

/** A machine that has code in kseg0 load from 4 bytes behind each of `addresses`, in a loop that is soon translated. */
function machine(addresses: readonly number[], options: TestMachineOptions, load: Load = "lw"): TestMachine {
  const m = new TestMachine({ ramBytes: RAM, ...options });
  m.map(0, VA, 0, PAGE, PAGE);
  const ram = m.machine.mmu.ramOffset(0);
  addresses.forEach((address, n) => m.machine.write32(ram + LIST + n * 4, address));
  const build = (a: Assembler): void => {
    const loop = a.bind();
    a.lw(k1, 0, gp);
    a[load](v0, 4, k1);
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

describe.each(Object.entries(ENGINES))("loads by code in kseg0, %s", (_, engine) => {
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

  test.each(["little", "big"] as const)("of bytes and halves of words, %s-endian", (endian) => {
    const at = 0x8000_0000 + PAGE;
    const word = Uint8Array.of(0x81, 0x72, 0x93, 0x64);
    const view = new DataView(word.buffer);
    const isLittle = endian === "little";
    const bytes = [0, 1, 2, 3, 0, 1, 2, 3];
    const halves = [0, 2, 0, 2];
    const loads = [
      ["lb", bytes, (n: number) => view.getInt8(n)],
      ["lbu", bytes, (n: number) => view.getUint8(n)],
      ["lh", halves, (n: number) => view.getInt16(n, isLittle)],
      ["lhu", halves, (n: number) => view.getUint16(n, isLittle)],
    ] as const;
    for (const [load, places, value] of loads) {
      const m = machine(
        places.map((n) => at + n),
        { engine, endian },
        load,
      );
      m.machine.writeBytes(PAGE + 4, word);
      expect(m.run()).toBe(DONE);
      expect(found(m, places.length)).toEqual(places.map((n) => value(n) >>> 0));
    }
  });

  test("reach RAM beyond 512 MiB, and what lies there in kseg0, by other ways", () => {
    const large = (512 << 20) + RAM;
    const addresses = [0xa000_0000 + PAGE, VA - 4, 0x9fff_fff8];
    const m = machine([...addresses, ...addresses], { engine, ramBytes: large });
    m.machine.write32(PAGE + 4, 1);
    m.machine.write32(PAGE, 2);
    m.machine.write32((512 << 20) - 4, 3);
    m.machine.write32((512 << 20) + PAGE + 4, 4);
    expect(m.run()).toBe(DONE);
    expect(found(m, 6)).toEqual([1, 2, 3, 1, 2, 3]);
  });

  const unaligned = [1, 2, 3].map((bytes) => ["lw", bytes] as const);
  test.each([...unaligned, ["lh", 1], ["lhu", 3]] as const)(
    "%s raises an address error %i bytes off",
    (load, bytes) => {
      const at = 0x8000_0000 + PAGE;
      const m = machine([at, at, at, at + bytes], { engine }, load);
      expect(m.run()).toBe(UNEXPECTED);
      expect(m.excCode).toBe(EXC_CODE.AdEL);
      expect(m.cp0("BadVAddr")).toBe(at + bytes + 4);
    },
  );

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
