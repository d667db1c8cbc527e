import { beforeEach, describe, expect, test } from "vitest";
import { CP0 } from "../isa/cp0.ts";
import { CPU_MODELS } from "./cpu-models.ts";
import { Machine } from "./machine.ts";
import { ACCESS } from "./mmu.ts";

const ROOT = 0x1_0000;
const MIDDLE = 0x1_1000;
const TABLE = 0x1_2000;
const PAGE = 0x8_0000;
const VA = 0x1234_5678;
const PTEI = 6;

const pte = (pa: number, flags: number): number =>
  ((pa >>> 12) << (PTEI + 6)) | (3 << (PTEI + 3)) | (flags << PTEI);

let machine: Machine;
const write = (index: number, value: number) => machine.ops.writeCp0(index, value);
const load = (): number => machine.mmu.translate(VA & ~3, ACCESS.load, 4);

/** Two levels of 1,024 entries, all of them zero but the way to VA. */
beforeEach(() => {
  const config = { endian: "little", ramBytes: 1 << 20, guestTime: "all", hostCalls: false } as const;
  machine = new Machine({ ...config, model: CPU_MODELS["P5600"]! }, () => ({ run: () => 0 }));
  write(CP0.Status, 0);
  write(CP0.EntryHi, 9);
  const { memory } = machine;
  memory.write32(ROOT + (VA >>> 22) * 4, 0x8000_0000 + TABLE);
  const pair = (VA >>> 12) & 0x3fe;
  memory.write32(TABLE + pair * 4, pte(PAGE, 6));
  memory.write32(TABLE + (pair + 1) * 4, pte(PAGE + 0x1000, 2));
  write(CP0.PWBase, 0x8000_0000 + ROOT);
  write(CP0.PWField, (22 << 24) | (12 << 18) | (12 << 12) | (12 << 6) | PTEI);
  write(CP0.PWSize, (10 << 24) | (10 << 6));
  write(CP0.PWCtl, 0x8000_0000);
});

const expectedAddress = PAGE + (VA & 0x1000 ? 0x1000 : 0) + (VA & 0xffc);

describe("the hardware page walker", () => {
  test("writes the pair to the TLB; CP0 is as before", () => {
    const before = machine.cpu.cp0.slice();
    expect(load()).toBe(expectedAddress);
    expect(machine.cpu.cp0).toEqual(before);
    expect(machine.cpu.tlbWrites).toBe(1);
    expect(load()).toBe(expectedAddress);
    expect(machine.cpu.tlbWrites).toBe(1);
    const { tlb } = machine.cpu;
    const { entryHi, pageMask } = tlb.read(tlb.probe(VA, 9));
    expect([entryHi, pageMask]).toEqual([((VA & ~0x1fff) | 9) >>> 0, 0]);
  });

  test("walks three levels", () => {
    machine.memory.write32(ROOT + (VA >>> 30) * 4, 0x8000_0000 + MIDDLE);
    machine.memory.write32(MIDDLE + ((VA >>> 22) & 0xff) * 4, 0x8000_0000 + TABLE);
    write(CP0.PWField, (30 << 24) | (12 << 18) | (22 << 12) | (12 << 6) | PTEI);
    write(CP0.PWSize, (2 << 24) | (8 << 12) | (10 << 6));
    expect(load()).toBe(expectedAddress);
  });

  test.each<[string, () => void]>([
    ["it is not enabled", () => write(CP0.PWCtl, 0)],
    ["PTEs are of two words", () => write(CP0.PWSize, (10 << 24) | (10 << 6) | 1)],
    ["there is no directory", () => write(CP0.PWSize, 10 << 6)],
    ["the root is not in unmapped space", () => write(CP0.PWBase, ROOT)],
    ["the root is not in RAM", () => write(CP0.PWBase, 0xbf00_0000)],
    ["a pointer is odd", () => machine.memory.write32(ROOT + (VA >>> 22) * 4, 0x8000_0000 + TABLE + 2)],
    ["a pointer is null", () => machine.memory.write32(ROOT + (VA >>> 22) * 4, 0)],
  ])("leaves the miss to the handler if %s", (_why, prepare) => {
    prepare();
    expect(load()).toBe(-1);
    expect(machine.cpu.tlbWrites).toBe(0);
    expect(machine.cpu.refills).toBe(1);
  });

  test("installs an invalid pair from zero PTEs, and the access is TLB Invalid", () => {
    machine.memory.write32(TABLE + ((VA >>> 12) & 0x3ff) * 4, 0);
    expect(load()).toBe(-1);
    expect(machine.cpu.tlbWrites).toBe(1);
    expect(machine.cpu.refills).toBe(0);
    expect(machine.cpu.pc & 0xfff).toBe(0x180);
  });
});
