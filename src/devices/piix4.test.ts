import { describe, expect, it } from "vitest";
import { TICKS_PER_SECOND } from "../machine/timeline.ts";
import { IsaPorts } from "./isa-ports.ts";
import { PciBus } from "./pci.ts";
import { Piix4 } from "./piix4.ts";
import { TestTimeline } from "./test-timeline.ts";

function setUp() {
  const timeline = new TestTimeline();
  const pci = new PciBus();
  const ports = new IsaPorts("little");
  const irqs: [number, boolean][] = [];
  const power = { offs: 0 };
  const piix4 = new Piix4({
    timeline,
    ports,
    pci,
    device: 10,
    pirqRoutes: [10, 10, 11, 11],
    setIrq: (irq, level) => irqs.push([irq, level]),
    powerOff: () => power.offs++,
  });
  const bridge = pci.find(10, 0)!;
  const pm = pci.find(10, 3)!;
  return { timeline, pci, ports, irqs, power, piix4, bridge, pm };
}

describe("Piix4", () => {
  it("has four functions", () => {
    const { pci } = setUp();
    const ids = [0, 1, 2, 3, 4].map((fn) => pci.find(10, fn)?.read32(0));
    expect(ids).toEqual([0x7110_8086, 0x7111_8086, 0x7112_8086, 0x7113_8086, undefined]);
    expect(pci.find(10, 0)!.byte(0x0e)).toBe(0x80);
  });

  it("routes PCI interrupts, shares them, and follows a new route", () => {
    const { piix4, irqs, bridge } = setUp();
    piix4.pirqLine(0)(true);
    piix4.pirqLine(1)(true);
    piix4.pirqLine(0)(false);
    expect(irqs).toEqual([[10, true]]);
    bridge.write32(0x60, 0x0b0b_050a);
    expect(irqs.slice(1)).toEqual([
      [5, true],
      [10, false],
    ]);
    bridge.write32(0x60, 0x0b0b_850a);
    expect(irqs.at(-1)).toEqual([5, false]);
    bridge.write32(0x60, 0x0b0b_020a);
    expect(irqs).toHaveLength(4);
  });

  it("answers at the power management base when it is enabled", () => {
    const { ports, pm } = setUp();
    pm.write32(0x40, 0x1000);
    expect(pm.read32(0x40)).toBe(0x1001);
    expect(ports.read(0x1000, 2)).toBe(0xffff);
    pm.write32(0x80, 1, 1);
    expect(ports.read(0x1000, 2)).toBe(0);
    expect(ports.nameAt(0x103f)).toBe("PIIX4 power management");
    pm.write32(0x40, 0x2000);
    expect([ports.nameAt(0x1000), ports.nameAt(0x2000)]).toEqual([null, "PIIX4 power management"]);
  });

  it("turns the machine off as Linux does it", () => {
    const { ports, pm, power } = setUp();
    pm.write32(0x40, 0x1000);
    pm.write32(0x80, 1, 1);
    expect(ports.read(0x1000, 2) & 0x100).toBe(0);
    ports.write(0x1004, 2, 1 << 10);
    ports.write(0x1004, 2, (1 << 13) | (1 << 10));
    expect(power.offs).toBe(0);
    expect(ports.read(0x1004, 2)).toBe(1 << 10);
    ports.write(0x1004, 2, 1 << 13);
    expect(power.offs).toBe(1);
  });

  it("counts the power management timer", () => {
    const { timeline, ports, pm } = setUp();
    pm.write32(0x40, 0x1000);
    pm.write32(0x80, 1, 1);
    timeline.pass(TICKS_PER_SECOND);
    expect(ports.read(0x1008, 4)).toBe(3_579_545);
    timeline.pass(4 * TICKS_PER_SECOND);
    expect(ports.read(0x1008, 4)).toBe((5 * 3_579_545) % 2 ** 24);
  });

  it("goes on from a snapshot", () => {
    const first = setUp();
    first.pm.write32(0x40, 0x1000);
    first.pm.write32(0x80, 1, 1);
    first.ports.write(0x1002, 2, 0x0120);
    first.piix4.pirqLine(2)(true);
    const other = setUp();
    other.pci.restore(JSON.parse(JSON.stringify(first.pci.snapshot())));
    other.piix4.restore(JSON.parse(JSON.stringify(first.piix4.snapshot())));
    other.piix4.resync();
    expect(other.ports.read(0x1002, 2)).toBe(0x0120);
    expect(other.irqs).toEqual([]);
    other.piix4.pirqLine(2)(false);
    expect(other.irqs).toEqual([[11, false]]);
  });
});
