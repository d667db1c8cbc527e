import { describe, expect, it } from "vitest";
import { PicPair } from "./i8259.ts";

function setUp() {
  const out = { level: false };
  const pair = new PicPair((level) => (out.level = level));
  return { out, pair };
}

/** The usual sequence: vectors from `base`, cascade on 2, normal end of interrupt, nothing masked. */
function initialise(pair: PicPair, base: number, icw4 = 1): void {
  pair.master.writePort(0, 0x11);
  pair.master.writePort(1, base);
  pair.master.writePort(1, 4);
  pair.master.writePort(1, icw4);
  pair.slave.writePort(0, 0x11);
  pair.slave.writePort(1, base + 8);
  pair.slave.writePort(1, 2);
  pair.slave.writePort(1, 1);
  pair.master.writePort(1, 0);
  pair.slave.writePort(1, 0);
}

function endOfInterrupt(pair: PicPair, irq: number): void {
  if (irq >= 8) {
    pair.slave.writePort(0, 0x60 | (irq & 7));
    pair.master.writePort(0, 0x62);
  } else pair.master.writePort(0, 0x60 | irq);
}

describe("PicPair", () => {
  it("delivers an edge once, and again only after the line fell", () => {
    const { pair, out } = setUp();
    initialise(pair, 0x20);
    pair.setLine(4, true);
    expect(out.level).toBe(true);
    expect(pair.acknowledge()).toBe(0x24);
    expect(out.level).toBe(false);
    endOfInterrupt(pair, 4);
    expect(out.level).toBe(false);
    pair.setLine(4, false);
    pair.setLine(4, true);
    expect(pair.acknowledge()).toBe(0x24);
  });

  it("keeps an edge that comes while its input is masked", () => {
    const { pair, out } = setUp();
    initialise(pair, 0);
    pair.master.writePort(1, 0x10);
    pair.setLine(4, true);
    expect(out.level).toBe(false);
    expect(pair.master.readPort(0)).toBe(0x10);
    pair.master.writePort(1, 0);
    expect(out.level).toBe(true);
    expect(pair.acknowledge()).toBe(4);
  });

  it("repeats a level until it is gone", () => {
    const { pair, out } = setUp();
    initialise(pair, 0);
    pair.elcrPorts.writePort(1, 0xff);
    expect(pair.elcrPorts.readPort(1)).toBe(0xde);
    pair.setLine(10, true);
    expect(pair.acknowledge()).toBe(10);
    endOfInterrupt(pair, 10);
    expect(out.level).toBe(true);
    expect(pair.acknowledge()).toBe(10);
    pair.setLine(10, false);
    endOfInterrupt(pair, 10);
    expect(out.level).toBe(false);
  });

  it("serves by priority and lets only more urgent requests interrupt", () => {
    const { pair, out } = setUp();
    initialise(pair, 0);
    pair.setLine(5, true);
    pair.setLine(3, true);
    expect(pair.acknowledge()).toBe(3);
    expect(out.level).toBe(false);
    pair.setLine(1, true);
    expect(out.level).toBe(true);
    expect(pair.acknowledge()).toBe(1);
    pair.master.writePort(0, 0x0b);
    expect(pair.master.readPort(0)).toBe(0x0a);
    pair.master.writePort(0, 0x20);
    expect(pair.master.readPort(0)).toBe(0x08);
    pair.master.writePort(0, 0x20);
    expect(pair.acknowledge()).toBe(5);
  });

  it("passes the slave's requests on through input 2", () => {
    const { pair, out } = setUp();
    initialise(pair, 0x40);
    pair.setLine(14, true);
    pair.setLine(8, true);
    expect(pair.acknowledge()).toBe(0x48);
    expect(out.level).toBe(false);
    endOfInterrupt(pair, 8);
    expect(out.level).toBe(true);
    expect(pair.acknowledge()).toBe(0x4e);
    endOfInterrupt(pair, 14);
    expect(pair.master.snapshot().isr | pair.slave.snapshot().isr).toBe(0);
    expect(out.level).toBe(false);
  });

  it("lets a more urgent slave request in, if the master is fully nested", () => {
    const { pair, out } = setUp();
    initialise(pair, 0, 0x11);
    pair.setLine(12, true);
    expect(pair.acknowledge()).toBe(12);
    pair.setLine(9, true);
    expect(out.level).toBe(true);
    expect(pair.acknowledge()).toBe(9);
  });

  it("answers with input 7 when the request is gone", () => {
    const { pair } = setUp();
    initialise(pair, 0x20);
    pair.setLine(3, true);
    pair.setLine(3, false);
    expect(pair.acknowledge()).toBe(0x27);
    expect(pair.master.snapshot().isr).toBe(0);
  });

  it("ends interrupts by itself when told to, and rotates priorities", () => {
    const { pair, out } = setUp();
    initialise(pair, 0, 3);
    pair.master.writePort(0, 0x80);
    pair.setLine(3, true);
    expect(pair.acknowledge()).toBe(3);
    expect(pair.master.snapshot()).toMatchObject({ isr: 0, lowest: 3 });
    pair.setLine(1, true);
    pair.setLine(5, true);
    expect(pair.acknowledge()).toBe(5);
    expect(out.level).toBe(true);
  });

  it("can be polled", () => {
    const { pair, out } = setUp();
    initialise(pair, 0);
    pair.setLine(6, true);
    pair.master.writePort(0, 0x0c);
    expect(pair.master.readPort(0)).toBe(0x86);
    expect(out.level).toBe(false);
    pair.master.writePort(0, 0x0c);
    expect(pair.master.readPort(0)).toBe(0);
    expect(pair.master.readPort(0)).toBe(0);
  });

  it("lets less urgent requests through in special mask mode", () => {
    const { pair, out } = setUp();
    initialise(pair, 0);
    pair.setLine(1, true);
    expect(pair.acknowledge()).toBe(1);
    pair.setLine(6, true);
    expect(out.level).toBe(false);
    pair.master.writePort(1, 0x02);
    pair.master.writePort(0, 0x68);
    expect(out.level).toBe(true);
    expect(pair.acknowledge()).toBe(6);
  });

  it("forgets edges and mask at initialisation, but not where its inputs are", () => {
    const { pair, out } = setUp();
    initialise(pair, 0x20);
    pair.setLine(4, true);
    initialise(pair, 0x20);
    expect(out.level).toBe(false);
    pair.setLine(4, false);
    pair.setLine(4, true);
    expect(out.level).toBe(true);
  });

  it("goes on from a snapshot", () => {
    const { pair } = setUp();
    initialise(pair, 0x20);
    pair.setLine(9, true);
    const saved = JSON.parse(JSON.stringify(pair.snapshot()));
    const other = setUp().pair;
    other.restore(saved);
    expect(other.acknowledge()).toBe(0x29);
    expect(pair.snapshot()).toEqual(saved);
  });
});
