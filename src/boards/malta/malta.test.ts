import { describe, expect, it } from "vitest";
import { TestTimeline } from "../../devices/test-timeline.ts";
import { Bus } from "../../machine/bus.ts";
import type { Endian } from "../../machine/memory.ts";
import { TICKS_PER_SECOND } from "../../machine/timeline.ts";
import { createMalta } from "./malta.ts";
import { MALTA_MAP, maltaRamRegions } from "./malta-map.ts";

const GT = 0x1be0_0000;
const IO = 0x1800_0000;
const FPGA = 0x1f00_0000;

function setUp(endian: Endian = "little") {
  const timeline = new TestTimeline();
  const bus = new Bus();
  const cpu = new Map<number, boolean>();
  const log: string[] = [];
  let console = "";
  let input: number[] = [];
  const board = createMalta({
    timeline,
    bus,
    endian,
    setInterrupt: (ip, level) => cpu.set(ip, level),
    console: {
      transmit: (byte) => (console += String.fromCharCode(byte)),
      readyToReceive: () => {
        while (input.length > 0 && board.console.receive(input[0]!)) input.shift();
      },
    },
    onPowerOff: () => log.push("power off"),
    onReset: () => log.push("reset"),
  });
  /** A register of the GT as a driver of this byte order reads it: little-endian. */
  const order = (word: number): number => {
    if (endian === "little") return word >>> 0;
    return new DataView(Uint32Array.of(word).buffer).getUint32(0, false);
  };
  const gtRead = (offset: number): number => order(bus.read(GT + offset, 4));
  const gtWrite = (offset: number, value: number): void => bus.write(GT + offset, 4, order(value));
  const select = (device: number, fn: number, register: number): void =>
    gtWrite(0xcf8, (0x8000_0000 | (device << 11) | (fn << 8) | register) >>> 0);
  return {
    timeline,
    bus,
    cpu,
    log,
    board,
    gtRead,
    gtWrite,
    sent: () => console,
    type: (text: string) => (input = Array.from(text, (char) => char.charCodeAt(0))),
    inb: (port: number) => bus.read(IO + port, 1),
    outb: (value: number, port: number) => bus.write(IO + port, 1, value),
    /** Configuration accesses as Linux does them: swapped for the GT itself, raw for all others. */
    configRead: (device: number, fn: number, register: number): number => {
      select(device, fn, register);
      return device === 0 ? gtRead(0xcfc) : bus.read(GT + 0xcfc, 4);
    },
    configWrite: (device: number, fn: number, register: number, value: number): void => {
      select(device, fn, register);
      if (device === 0) gtWrite(0xcfc, value);
      else bus.write(GT + 0xcfc, 4, value >>> 0);
    },
  };
}

type Setup = ReturnType<typeof setUp>;

/** The 8259s as Linux sets them up, with the inputs of `mask` held back. */
function initialisePics({ outb }: Setup, mask: number): void {
  for (const [port, base, icw3] of [
    [0x20, 0, 4],
    [0xa0, 8, 2],
  ] as const) {
    outb(0xff, port + 1);
    outb(0x11, port);
    outb(base, port + 1);
    outb(icw3, port + 1);
    outb(1, port + 1);
  }
  outb(mask & 0xff, 0x21);
  outb(mask >> 8, 0xa1);
}

describe.each(["little", "big"] as const)("Malta, %s-endian", (endian) => {
  it("shows exactly the functions of GT-64120 and PIIX4 on PCI", () => {
    const { configRead } = setUp(endian);
    const found: Record<string, string> = {};
    for (let device = 0; device < 32; device++)
      for (let fn = 0; fn < 8; fn++) {
        const id = configRead(device, fn, 0);
        if (id !== 0xffff_ffff) found[`${device}.${fn}`] = id.toString(16);
      }
    expect(found).toEqual({
      "0.0": "462011ab",
      "10.0": "71108086",
      "10.1": "71118086",
      "10.2": "71128086",
      "10.3": "71138086",
    });
  });

  it("sizes base addresses", () => {
    const { configRead, configWrite } = setUp(endian);
    configWrite(10, 1, 0x20, 0xffff_ffff);
    expect(configRead(10, 1, 0x20)).toBe(0xfff1);
    configWrite(0, 0, 0x14, 0xffff_ffff);
    expect(configRead(0, 0, 0x14)).toBe(0x0100_0008);
  });

  it("has the windows that YAMON sets up", () => {
    const { gtRead } = setUp(endian);
    expect([0x48, 0x50, 0x58, 0x60, 0x80, 0x88, 0x68].map(gtRead)).toEqual([
      0xc0, 0x40, 0x80, 0x3f, 0xc1, 0x5e, 0xdf,
    ]);
  });

  it("sends and receives on the console, with interrupts through the 8259s", () => {
    const setup = setUp(endian);
    const { inb, outb, cpu, gtRead, timeline } = setup;
    initialisePics(setup, 0xffeb);
    for (const char of "hi") outb(char.charCodeAt(0), 0x3f8);
    expect(setup.sent()).toBe("hi");
    setup.type("ok");
    outb(7, 0x3fa);
    outb(11, 0x3fc);
    outb(1, 0x3f9);
    timeline.pass(TICKS_PER_SECOND / 1000);
    let received = "";
    for (let i = 0; i < 2; i++) {
      expect(cpu.get(2)).toBe(true);
      expect(gtRead(0xc34) & 0xff).toBe(4);
      expect(cpu.get(2)).toBe(false);
      received += String.fromCharCode(inb(0x3f8));
      outb(0x64, 0x20);
      timeline.pass(TICKS_PER_SECOND / 1000);
    }
    expect(received).toBe("ok");
    expect(cpu.get(2)).toBe(false);
  });

  it("passes the timer and the clock on to the CPU", () => {
    const setup = setUp(endian);
    const { inb, outb, cpu, gtRead, timeline } = setup;
    initialisePics(setup, 0xfefa);
    outb(0x34, 0x43);
    outb(0x9c, 0x40);
    outb(0x2e, 0x40);
    gtRead(0xc34);
    outb(0x60, 0x20);
    expect(cpu.get(2)).toBe(false);
    timeline.pass(TICKS_PER_SECOND / 99);
    expect(gtRead(0xc34)).toBe(0);
    outb(0x60, 0x20);
    outb(0x30, 0x43);
    outb(11, 0x70);
    outb(0x12, 0x71);
    timeline.pass(TICKS_PER_SECOND);
    expect(gtRead(0xc34)).toBe(8);
    expect(inb(0x71)).toBe(0x12);
    outb(12, 0x70);
    expect(inb(0x71) & 0x90).toBe(0x90);
    outb(0x60, 0xa0);
    outb(0x62, 0x20);
    expect(cpu.get(2)).toBe(false);
  });

  it("turns off as Linux's PIIX4 driver does it", () => {
    const { bus, configRead, configWrite, log } = setUp(endian);
    configWrite(10, 3, 0x40, 0x1000);
    configWrite(10, 3, 0x80, (configRead(10, 3, 0x80) & ~0xff) | 1);
    expect(configRead(10, 3, 0x40)).toBe(0x1001);
    const half = (value: number): number =>
      endian === "little" ? value : ((value & 0xff) << 8) | (value >> 8);
    expect(half(bus.read(IO + 0x1000, 2)) & 0x100).toBe(0);
    bus.write(IO + 0x1004, 2, half(0x2000));
    expect(log).toEqual(["power off"]);
    configWrite(31, 7, 0, 0x0012_0002);
    expect(log).toEqual(["power off"]);
  });

  it("has the board's own UART at its place, on IP4", () => {
    const { bus, cpu } = setUp(endian);
    expect(bus.read(FPGA + 0x928, 4)).toBe(0x60);
    bus.write(FPGA + 0x908, 4, 2);
    expect(cpu.get(4)).toBe(true);
    expect(bus.read(FPGA + 0x910, 4)).toBe(2);
    expect(cpu.get(4)).toBe(false);
  });

  it("has the board's registers", () => {
    const { bus, board, log } = setUp(endian);
    expect(bus.read(0x1fc0_0010, 4)).toBe(0x420);
    expect(bus.read(0x1fc0_0010, 1)).toBe(endian === "little" ? 0x20 : 0);
    expect(bus.read(0x1fc0_0014, 4)).toBe(0xffff_ffff);
    expect(bus.read(FPGA + 0x208, 4)).toBe(endian === "little" ? 0x10 : 0x12);
    expect((bus.read(FPGA + 0x210, 4) >> 2) & 7).toBe(0);
    const text = "kseg";
    for (let i = 0; i < 4; i++) bus.write(FPGA + 0x418 + 8 * i, 4, text.charCodeAt(i));
    expect(board.fpga.display).toBe("kseg    ");
    bus.write(FPGA + 0x410, 4, 0xcafe_0001);
    expect(board.fpga.display).toBe("CAFE0001");
    bus.write(FPGA + 0x408, 4, 0x1ff);
    expect(bus.read(FPGA + 0x408, 4)).toBe(0xff);
    expect(bus.read(FPGA + 0xb00, 4)).toBe(3);
    bus.write(FPGA + 0xb08, 4, 1);
    bus.write(FPGA + 0xb10, 4, 0);
    expect(bus.read(FPGA + 0xb00, 4)).toBe(2);
    bus.write(FPGA + 0x500, 4, 0x41);
    expect(log).toEqual([]);
    bus.write(FPGA + 0x500, 4, 0x42);
    expect(log).toEqual(["reset"]);
  });

  it("reads all ones from ports, PCI memory and addresses where nothing is", () => {
    const { bus, inb } = setUp(endian);
    for (const port of [0x60, 0x64, 0x1f7, 0x177, 0x2e8, 0x1000]) expect(inb(port)).toBe(0xff);
    expect(bus.read(MALTA_MAP.pciMemory.base, 4)).toBe(0xffff_ffff);
    expect(bus.read(0x1e00_0000, 4)).toBe(0xffff_ffff);
    expect(bus.read(0x1c00_0000, 2)).toBe(0xffff);
  });

  it("goes on from a snapshot of plain data", () => {
    const first = setUp(endian);
    initialisePics(first, 0xffef);
    first.outb(11, 0x3fc);
    first.outb(2, 0x3f9);
    first.configWrite(10, 3, 0x40, 0x1000);
    first.configWrite(10, 3, 0x80, 1);
    const saved = JSON.parse(JSON.stringify(first.board.snapshot()));
    const second = setUp(endian);
    second.board.restore(saved);
    expect(second.board.snapshot()).toEqual(saved);
    expect(second.gtRead(0xc34)).toBe(4);
    expect(second.inb(0x3fa)).toBe(2);
    expect(second.inb(0x1000)).toBe(0);
  });
});

describe("maltaRamRegions", () => {
  it("shows RAM below the windows from 0, and all of it from 80000000", () => {
    expect(maltaRamRegions(0x2000_0000)).toEqual([
      { base: 0, size: 0x1000_0000, offset: 0 },
      { base: 0x8000_0000, size: 0x2000_0000, offset: 0 },
    ]);
    expect(maltaRamRegions(0x10_0000)[0]!.size).toBe(0x10_0000);
  });
});
