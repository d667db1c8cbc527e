import { describe, expect, it } from "vitest";
import { PciBus, PciFunction } from "./pci.ts";

function setUp() {
  const writes: number[] = [];
  const fn = new PciFunction({
    name: "device",
    fields: [
      [0, 4, 0x1234_5678],
      [6, 2, 0xf280],
      [0x10, 4, 1],
    ],
    writable: [
      [4, 2, 0x0007],
      [0x10, 4, 0xfff0],
    ],
    written: (offset) => writes.push(offset),
  });
  return { fn, writes };
}

describe("PciFunction", () => {
  it("changes only bits that can be written", () => {
    const { fn, writes } = setUp();
    fn.write32(0, 0);
    expect(fn.read32(0)).toBe(0x1234_5678);
    fn.write32(0x10, 0xffff_ffff);
    expect(fn.read32(0x10)).toBe(0xfff1);
    expect(writes).toEqual([0, 0x10]);
  });

  it("clears status errors by ones, and only in the bytes that are written", () => {
    const { fn } = setUp();
    fn.write32(4, 0x8000_0005, 0b0011);
    expect(fn.read32(4)).toBe(0xf280_0005);
    fn.write32(4, 0x8000_0000);
    expect(fn.read32(4)).toBe(0x7280_0000);
  });
});

describe("PciBus", () => {
  it("finds functions by number, and keeps their state", () => {
    const bus = new PciBus();
    const { fn } = setUp();
    bus.add(3, 2, fn);
    expect(bus.find(3, 2)).toBe(fn);
    expect(bus.find(3, 1)).toBeUndefined();
    fn.write32(0x10, 0x40);
    const saved = JSON.parse(JSON.stringify(bus.snapshot()));
    fn.write32(0x10, 0);
    bus.restore(saved);
    expect(fn.read32(0x10)).toBe(0x41);
    expect([...bus.entries()]).toEqual([{ device: 3, fn: 2, pciFunction: fn }]);
  });
});
