import { describe, expect, it } from "vitest";
import { Bus } from "../machine/bus.ts";
import type { Endian } from "../machine/memory.ts";
import { GT_REGISTERS } from "./gt64120-registers.ts";
import { Gt64120, type Gt64120Config } from "./gt64120.ts";
import { IsaPorts } from "./isa-ports.ts";
import { PciBus, PciFunction } from "./pci.ts";

const BASE = 0x1000_0000;
/** Where the registers are after reset. */
const REGISTERS = 0x1400_0000;

function setUp(endian: Endian = "little", firmware: Gt64120Config["firmware"] = []) {
  const pci = new PciBus();
  const ports = new IsaPorts(endian);
  const line = { level: false };
  const bytes = new Map<number, number>();
  ports.add("bytes", 0x100, 16, {
    readPort: (offset) => bytes.get(offset) ?? 0xee,
    writePort: (offset, value) => bytes.set(offset, value),
  });
  const pciMemory = new Bus();
  const accesses: [number, number, number][] = [];
  pciMemory.add({
    name: "card",
    base: 0x1201_0000,
    size: 0x1000,
    device: {
      read: (offset, size) => offset + size,
      write: (offset, size, value) => accesses.push([offset, size, value]),
    },
  });
  const gt = new Gt64120({
    endian,
    base: BASE,
    pci,
    pciIo: ports,
    pciMemory,
    acknowledge: () => 0x2c,
    interrupt: (level) => (line.level = level),
    firmware,
  });
  const device = new PciFunction({
    name: "card",
    fields: [[0, 4, 0x1122_3344]],
    writable: [[0x40, 4, 0xffff_ffff]],
  });
  pci.add(5, 1, device);
  let registers = REGISTERS;
  const at = (offset: number): number => registers + offset - BASE;
  return {
    gt,
    line,
    bytes,
    device,
    accesses,
    read: (offset: number, size: 1 | 2 | 4 = 4) => gt.read(at(offset), size),
    write: (offset: number, value: number, size: 1 | 2 | 4 = 4) => gt.write(at(offset), size, value),
    cpuRead: (pa: number, size: 1 | 2 | 4) => gt.read(pa - BASE, size),
    cpuWrite: (pa: number, size: 1 | 2 | 4, value: number) => gt.write(pa - BASE, size, value),
    moved: (to: number) => (registers = to),
  };
}

function swap(word: number): number {
  return new DataView(Uint32Array.of(word).buffer).getUint32(0, false);
}

describe("Gt64120", () => {
  it("shows its reset values, byte-swapped on a big-endian CPU", () => {
    const little = setUp("little");
    const big = setUp("big");
    for (const [offset, { reset }] of GT_REGISTERS) {
      if (offset === 0 || offset === 0xc00 || offset === 0xc80) continue;
      expect(little.read(offset)).toBe(reset);
      expect(big.read(offset)).toBe(swap(reset));
    }
    expect([little.read(0), little.read(0xc00)]).toEqual([0x1000, 0x0001_0001]);
    expect([big.read(0), big.read(0xc00)]).toEqual([0, 0]);
  });

  it("turns the swapping off and on with the CPU interface's byte order bit", () => {
    const { read, write } = setUp("big");
    write(0, swap(0x1000));
    expect(read(0x68)).toBe(0xa0);
  });

  it("changes only bits that can be written, and gives bytes their lanes", () => {
    const { read, write } = setUp();
    write(0x60, 0xffff_ffff);
    expect(read(0x60)).toBe(0x7f);
    write(0xc0, 0);
    expect(read(0xc0)).toBe(0xc000_ffee);
    write(0x801, 0xab, 1);
    write(0x802, 0x1234, 2);
    expect(read(0x800)).toBe(0x1234_ab00);
    expect([read(0x801, 1), read(0x803, 1), read(0x800, 2)]).toEqual([0xab, 0x12, 0xab00]);
    const big = setUp("big");
    big.write(0x800, 0x5a, 1);
    expect(big.read(0x800)).toBe(0x5a00_0000);
    expect(big.read(0x800, 1)).toBe(0x5a);
  });

  it("moves its registers where the internal space decode register says", () => {
    const { read, write, moved } = setUp();
    write(0x68, 0xdf);
    expect(read(0x68)).toBe(0xffff_ffff);
    moved(0x1be0_0000);
    expect(read(0x68)).toBe(0xdf);
    expect(setUp("little", [[0x68, 0xdf]]).cpuRead(0x1be0_0068, 4)).toBe(0xdf);
  });

  it.each(["little", "big"] as const)("leads I/O accesses to ports, %s-endian", (endian) => {
    const { bytes, cpuRead, cpuWrite } = setUp(endian, [
      [0x48, 0xc0],
      [0x50, 0x40],
      [0xf0, 0],
    ]);
    cpuWrite(0x1800_0100, 1, 0x12);
    cpuWrite(0x1800_0101, 1, 0x34);
    expect([...bytes]).toEqual([
      [0, 0x12],
      [1, 0x34],
    ]);
    expect(cpuRead(0x1800_0100, 2)).toBe(endian === "little" ? 0x3412 : 0x1234);
    expect(cpuRead(0x1801_0100, 1)).toBe(0xff);
    expect(cpuRead(0x1820_0100, 1)).toBe(0xff);
  });

  it("leads memory accesses to PCI, remapped if told so", () => {
    const { accesses, cpuRead, cpuWrite, write } = setUp();
    expect(cpuRead(0x1201_0008, 4)).toBe(12);
    cpuWrite(0x1201_0010, 2, 0xbeef);
    expect(accesses).toEqual([[0x10, 2, 0xbeef]]);
    expect(cpuRead(0x1300_0000, 4)).toBe(0xffff_ffff);
    // Window 1 at 18200000, which shows PCI addresses from 12000000 on.
    write(0x80, 0xc1);
    write(0x88, 0x5e);
    expect(cpuRead(0x1821_0008, 4)).toBe(0xffff_ffff);
    write(0x100, 0x90);
    expect(cpuRead(0x1821_0008, 4)).toBe(12);
    expect(cpuRead(0x1be1_0008, 4)).toBe(0xffff_ffff);
  });

  it("reads and writes configuration space", () => {
    const { read, write, device } = setUp();
    write(0xcf8, 0x8000_2900);
    expect(read(0xcfc)).toBe(0x1122_3344);
    expect(read(0xcfe, 2)).toBe(0x1122);
    write(0xcf8, 0x8000_2940);
    write(0xcfc, 0x0102_0304);
    write(0xcfd, 0xff, 1);
    expect(device.read32(0x40)).toBe(0x0102_ff04);
    write(0xcf8, 0x8000_0000);
    expect(read(0xcfc)).toBe(0x4620_11ab);
  });

  it("swaps configuration data of other devices, as its command register has it", () => {
    const { read, write, device } = setUp("big");
    // The register is little-endian, and the data of others are swapped once more: no swap is left.
    write(0xcf8, swap(0x8000_2900));
    expect(read(0xcfc)).toBe(0x1122_3344);
    write(0xcf8, swap(0x8000_2940));
    write(0xcfc, 0x0a0b_0c0d);
    expect(device.read32(0x40)).toBe(0x0a0b_0c0d);
    write(0xcf8, swap(0x8000_0000));
    expect(read(0xcfc)).toBe(swap(0x4620_11ab));
    write(0xc00, swap(1));
    write(0xcf8, swap(0x8000_2900));
    expect(read(0xcfc)).toBe(swap(0x1122_3344));
  });

  it("notes a master abort when nobody answers, and clears it by writing zero", () => {
    const { read, write, line } = setUp();
    write(0xcf8, 0x8000_3000);
    expect(read(0xcfc)).toBe(0xffff_ffff);
    expect(read(0xc18)).toBe(1 << 18);
    expect(line.level).toBe(false);
    write(0xc1c, 1 << 18);
    expect(line.level).toBe(true);
    expect(read(0xc18)).toBe((1 << 18) | 1);
    write(0xc18, ~(1 << 18));
    expect([read(0xc18), line.level]).toEqual([0, false]);
    write(0xcf8, 0x8001_2900);
    expect(read(0xcfc)).toBe(0xffff_ffff);
  });

  it("does nothing while configuration is not enabled, and lets special cycles pass", () => {
    const { read, write } = setUp();
    write(0xcf8, 0x2900);
    expect(read(0xcfc)).toBe(0xffff_ffff);
    write(0xcf8, 0x8000_ff00);
    write(0xcfc, 0x0012_0002);
    expect(read(0xc18)).toBe(0);
  });

  it("acknowledges interrupts", () => {
    expect(setUp().read(0xc34)).toBe(0x2c);
    expect(setUp("big").read(0xc34)).toBe(0x2c00_0000);
  });

  it("goes on from a snapshot", () => {
    const { gt, read, write, moved } = setUp();
    write(0x68, 0xdf);
    const saved = JSON.parse(JSON.stringify(gt.snapshot()));
    moved(0x1be0_0000);
    write(0x68, 0xa0);
    gt.restore(saved);
    expect(read(0x68)).toBe(0xdf);
  });
});
