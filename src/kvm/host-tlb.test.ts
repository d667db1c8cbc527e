import { describe, expect, test } from "vitest";
import { CP0 } from "../isa/cp0.ts";
import { CPU_MODELS } from "../machine/cpu-models.ts";
import { Machine } from "../machine/machine.ts";
import { HostKernel } from "./host-kernel.ts";
import type { HostPageSize } from "./page-format.ts";

function newHost(pageSize: HostPageSize) {
  const config = { endian: "little", ramBytes: 2 ** 20, guestTime: "user", hostCalls: true } as const;
  const machine = new Machine({ ...config, model: CPU_MODELS["24Kc"]! }, () => ({ run: () => 0 }));
  return { machine, host: new HostKernel(machine, { pageSize }) };
}

describe.each([4096, 16384] as HostPageSize[])("host TLB with pages of %d bytes", (pageSize) => {
  const pageMask = pageSize === 4096 ? 0 : 0x6000;
  const fill = (machine: Machine, index: number, entryHi: number): void =>
    machine.cpu.tlb.write(index, { entryHi, pageMask, entryLo0: 0x406, entryLo1: 0x806 });

  test("an entry at index 0 is found and dropped like any other", () => {
    const { machine, host } = newHost(pageSize);
    for (const index of [0, 1, 15]) fill(machine, index, (index + 1) * 0x10_0000 + 5);
    machine.ops.writeCp0(CP0.EntryHi, 0x33);
    for (const index of [0, 15]) {
      expect(host.tlb.invalidate((index + 1) * 0x10_0000 + pageSize + 4, 5)).toBe(index);
      const entry = machine.cpu.tlb.read(index);
      expect(entry.entryLo0 | entry.entryLo1).toBe(0);
      expect(entry.entryHi).toBe(0x8000_0000 + index * 2 * pageSize);
    }
    expect(machine.cpu.tlb.read(1).entryLo0).toBe(0x406);
    expect(machine.ops.readCp0(CP0.EntryHi)).toBe(0x33);
    expect([host.tlb.hits, host.tlb.misses]).toEqual([2, 0]);
  });

  test("entries of other address spaces and other pages stay", () => {
    const { machine, host } = newHost(pageSize);
    fill(machine, 3, 0x0040_0000 + 5);
    expect(host.tlb.invalidate(0x0040_0000, 6)).toBe(-1);
    expect(host.tlb.invalidate(0x0040_0000 + 2 * pageSize, 5)).toBe(-1);
    expect(machine.cpu.tlb.read(3)).toMatchObject({ entryHi: 0x0040_0005, entryLo0: 0x406 });
    expect([host.tlb.hits, host.tlb.misses]).toEqual([0, 2]);
  });

  test("the hypervisor's TLB operations execute no instruction: PC stays", () => {
    const { machine, host } = newHost(pageSize);
    fill(machine, 0, 5);
    machine.cpu.setPc(0x8000_0100);
    host.tlb.invalidate(0, 5);
    host.tlb.write(0x5000_0000, 7, 0x46, 0);
    host.tlb.flushAllNonWired();
    expect(machine.cpu.pc).toBe(0x8000_0100);
  });

  test("writing an entry replaces the one that matches and never makes a second", () => {
    const { machine, host } = newHost(pageSize);
    fill(machine, 2, 0x0040_0000 + 5);
    host.tlb.write(0x0040_0000 + pageSize, 5, 0x1006, 0x2006);
    expect(machine.cpu.tlb.read(2)).toMatchObject({ entryHi: 0x0040_0005, entryLo0: 0x1006 });
    host.tlb.write(0x0080_0000, 5, 0x1006, 0x2006);
    const matches = Array.from({ length: 16 }, (_, i) => machine.cpu.tlb.read(i)).filter(
      (entry) => entry.entryHi === 0x0080_0005,
    );
    expect(matches).toHaveLength(1);
    expect(machine.cpu.tlb.probe(0x0080_0000, 5)).toBeGreaterThanOrEqual(0);
  });
});
