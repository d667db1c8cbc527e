import { describe, expect, it } from "vitest";
import { TestTimeline } from "./test-timeline.ts";
import { Uart16550, type UartConfig } from "./uart16550.ts";

function setUp(config: Partial<UartConfig> = {}) {
  const timeline = new TestTimeline();
  const sent: number[] = [];
  const line = { level: false };
  const uart = new Uart16550({
    timeline,
    name: "uart",
    interrupt: (level) => (line.level = level),
    transmit: (byte) => sent.push(byte),
    ...config,
  });
  return { timeline, sent, line, uart };
}

type Setup = ReturnType<typeof setUp>;

/** What a driver does when a terminal is opened: FIFOs on and cleared, DTR, RTS and OUT2 up, receive interrupt. */
function open({ uart }: Setup): void {
  uart.writePort(2, 7);
  uart.writePort(4, 11);
  uart.writePort(1, 5);
}

describe("Uart16550", () => {
  it("looks like a 16550A to a driver that probes it", () => {
    const { uart } = setUp();
    // Interrupt enable bits above bit 3 do not exist; the scratch register keeps its value.
    uart.writePort(1, 0xff);
    expect(uart.readPort(1)).toBe(0x0f);
    uart.writePort(1, 0);
    uart.writePort(7, 0xa5);
    expect(uart.readPort(7)).toBe(0xa5);
    // Working FIFOs: both top bits of IIR.
    uart.writePort(2, 1);
    expect(uart.readPort(2)).toBe(0xc1);
    // No extended registers: behind DLAB offset 2 is still IIR, and LCR keeps all bits.
    uart.writePort(3, 0xbf);
    expect(uart.readPort(3)).toBe(0xbf);
    expect(uart.readPort(2)).not.toBe(0);
    // The loopback test: outputs RTS and OUT2 come back as CTS and DCD.
    uart.writePort(3, 0);
    uart.writePort(4, 0x1a);
    expect(uart.readPort(6) & 0xf0).toBe(0x90);
    uart.writePort(4, 0);
    expect(uart.readPort(6) & 0xf0).toBe(0xb0);
    // No 64-byte FIFO.
    uart.writePort(2, 0x21);
    expect(uart.readPort(2) & 0xe0).toBe(0xc0);
  });

  it("keeps the divisor behind DLAB", () => {
    const { uart, sent } = setUp();
    uart.writePort(3, 0x83);
    uart.writePort(0, 3);
    uart.writePort(1, 1);
    expect([uart.readPort(0), uart.readPort(1)]).toEqual([3, 1]);
    uart.writePort(3, 3);
    expect([uart.readPort(0), uart.readPort(1)]).toEqual([0, 0]);
    expect(sent).toEqual([]);
  });

  it("sends bytes at once and shows an empty transmitter", () => {
    const { uart, sent } = setUp();
    expect(uart.readPort(5)).toBe(0x60);
    uart.writePort(0, 0x41);
    expect(uart.readPort(5)).toBe(0x60);
    expect(sent).toEqual([0x41]);
  });

  it("raises the transmitter interrupt when it is enabled, and each time it is enabled again", () => {
    const { uart, line } = setUp();
    uart.writePort(4, 8);
    for (let i = 0; i < 2; i++) {
      uart.writePort(1, 2);
      expect(line.level).toBe(true);
      expect(uart.readPort(2)).toBe(2);
      expect(line.level).toBe(false);
      expect(uart.readPort(2)).toBe(1);
      uart.writePort(1, 2);
      expect(line.level).toBe(false);
      uart.writePort(1, 0);
    }
  });

  it("raises it again after a byte was sent", () => {
    const { uart, line } = setUp();
    uart.writePort(4, 8);
    uart.writePort(1, 2);
    uart.readPort(2);
    uart.writePort(0, 1);
    expect(line.level).toBe(true);
    expect(uart.readPort(2)).toBe(2);
  });

  it("delays it by the time of the characters sent, when told to, but shows an empty transmitter at once", () => {
    const { uart, line, timeline } = setUp({ transmitTicks: 100 });
    uart.writePort(4, 8);
    uart.writePort(1, 2);
    uart.readPort(2);
    for (let i = 0; i < 16; i++) uart.writePort(0, i);
    expect(uart.readPort(5) & 0x60).toBe(0x60);
    timeline.pass(1599);
    expect(line.level).toBe(false);
    timeline.pass(1);
    expect(line.level).toBe(true);
  });

  it("reaches the interrupt line only through OUT2, unless wired otherwise", () => {
    const gated = setUp();
    gated.uart.writePort(1, 2);
    expect(gated.line.level).toBe(false);
    gated.uart.writePort(4, 8);
    expect(gated.line.level).toBe(true);
    const direct = setUp({ out2GatesInterrupt: false });
    direct.uart.writePort(1, 2);
    expect(direct.line.level).toBe(true);
  });

  it("takes no input before the guest listens", () => {
    const setup = setUp();
    expect(setup.uart.receive(0x61)).toBe(false);
    open(setup);
    expect(setup.uart.receive(0x61)).toBe(true);
    expect(setup.line.level).toBe(true);
    expect(setup.uart.readPort(2)).toBe(0xc4);
    expect(setup.uart.readPort(5) & 1).toBe(1);
    expect(setup.uart.readPort(0)).toBe(0x61);
    expect(setup.line.level).toBe(false);
  });

  it("takes input from a guest that polls the line status, and not from one that only sends", () => {
    const { uart } = setUp();
    for (let i = 0; i < 20; i++) {
      uart.readPort(5);
      uart.readPort(5);
      uart.writePort(0, 0x2e);
    }
    expect(uart.canReceive()).toBe(false);
    for (let i = 0; i < 4; i++) uart.readPort(5);
    expect(uart.receive(0x62)).toBe(true);
    expect(uart.canReceive()).toBe(false);
    expect(uart.readPort(0)).toBe(0x62);
    expect(uart.canReceive()).toBe(true);
  });

  it("holds input back while a guest that uses RTS has it down", () => {
    const setup = setUp();
    open(setup);
    setup.uart.writePort(4, 9);
    expect(setup.uart.canReceive()).toBe(false);
    setup.uart.writePort(4, 11);
    expect(setup.uart.canReceive()).toBe(true);
  });

  it("fills the FIFO with 16 bytes, or one without FIFO, and tells when there is room again", () => {
    let asked = 0;
    const setup = setUp({ readyToReceive: () => asked++ });
    open(setup);
    expect(asked).toBe(1);
    setup.uart.writePort(2, 0x81);
    let taken = 0;
    while (setup.uart.receive(taken)) {
      taken++;
      if (taken === 7) expect(setup.uart.readPort(2)).toBe(0xcc);
      if (taken === 8) expect(setup.uart.readPort(2)).toBe(0xc4);
    }
    expect(taken).toBe(16);
    asked = 0;
    setup.uart.readPort(0);
    expect(asked).toBe(1);
    setup.uart.writePort(2, 0);
    expect([setup.uart.receive(1), setup.uart.receive(2)]).toEqual([true, false]);
  });

  it("spaces received bytes out in time, when told to", () => {
    const { timeline, uart, ...rest } = setUp({ receiveTicks: 50, readyToReceive: () => rest.sent.push(-1) });
    open({ timeline, uart, ...rest });
    expect([uart.receive(1), uart.receive(2)]).toEqual([true, false]);
    rest.sent.length = 0;
    timeline.pass(49);
    expect(uart.canReceive()).toBe(false);
    timeline.pass(1);
    expect(rest.sent).toEqual([-1]);
    expect(uart.receive(2)).toBe(true);
  });

  it("waits after the guest began to listen, when told to", () => {
    const asked: number[] = [];
    const setup = setUp({ settleTicks: 1000, readyToReceive: () => asked.push(setup.timeline.now()) });
    open(setup);
    setup.timeline.pass(999);
    expect(setup.uart.canReceive()).toBe(false);
    setup.timeline.pass(1);
    expect(asked).toEqual([1000]);
    setup.uart.writePort(1, 5);
    expect(setup.uart.canReceive()).toBe(true);
  });

  it("loops back what it sends, counts an overrun, and reports modem changes", () => {
    const { uart, sent } = setUp({ out2GatesInterrupt: false });
    uart.writePort(4, 0x10);
    uart.readPort(6);
    uart.writePort(0, 0x55);
    uart.writePort(0, 0x66);
    uart.writePort(1, 4);
    expect(uart.readPort(2)).toBe(6);
    expect(uart.readPort(5)).toBe(0x63);
    expect(uart.readPort(5)).toBe(0x61);
    expect(uart.readPort(0)).toBe(0x55);
    uart.writePort(1, 8);
    uart.writePort(4, 0x17);
    expect(uart.readPort(2)).toBe(0);
    expect(uart.readPort(6)).toBe(0x73);
    uart.writePort(4, 0x10);
    // RI went down: trailing edge.
    expect(uart.readPort(6)).toBe(0x07);
    expect(sent).toEqual([]);
  });

  it("spaces its registers out as wired", () => {
    const { uart } = setUp({ registerShift: 3 });
    uart.write(0x38, 4, 0x1234_5678);
    expect(uart.read(0x38, 4)).toBe(0x78);
    expect(uart.read(0x3c, 1)).toBe(0x78);
    expect(uart.read(0x28, 4)).toBe(0x60);
  });

  it("goes on from a snapshot", () => {
    const setup = setUp();
    open(setup);
    setup.uart.receive(9);
    const saved = JSON.parse(JSON.stringify(setup.uart.snapshot()));
    setup.uart.readPort(0);
    const other = setUp();
    other.uart.restore(saved);
    expect(other.uart.snapshot()).toEqual(saved);
    expect(other.uart.readPort(0)).toBe(9);
    expect(saved.rx).toEqual([9]);
  });
});
