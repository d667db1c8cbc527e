import { describe, expect, test } from "vitest";
import { TestMachine } from "../engine/testing.ts";
import { GPR } from "../isa/registers.ts";

const { v0, a0, a1 } = GPR;
const BASE = 0x1f00_0000;

/** A device of 16 bytes that keeps what is written, byte by byte in the machine's order, and logs accesses. */
function withDevice(endian: "little" | "big"): { m: TestMachine; bytes: Uint8Array; log: string[] } {
  const m = new TestMachine({ endian });
  const bytes = Uint8Array.from({ length: 16 }, (_, n) => 0x80 + n);
  const view = new DataView(bytes.buffer);
  const log: string[] = [];
  const little = endian === "little";
  m.machine.bus.add({
    name: "bytes",
    base: BASE,
    size: 16,
    device: {
      read: (offset, size) => {
        log.push(`r${size}@${offset}`);
        return size === 4
          ? view.getUint32(offset, little)
          : size === 2
            ? view.getUint16(offset, little)
            : view.getUint8(offset);
      },
      write: (offset, size, value) => {
        log.push(`w${size}@${offset}`);
        expect(value).toBeLessThan(2 ** (size * 8));
        expect(value).toBeGreaterThanOrEqual(0);
        if (size === 4) view.setUint32(offset, value, little);
        else if (size === 2) view.setUint16(offset, value, little);
        else view.setUint8(offset, value);
      },
    },
  });
  m.machine.cpu.gpr[a0] = (0xa000_0000 + BASE) | 0;
  return { m, bytes, log };
}

describe.each(["little", "big"] as const)("device accesses, %s endian", (endian) => {
  const big = endian === "big";

  test("loads of every width, signed and unsigned", () => {
    for (const [op, offset, littleValue, bigValue, access] of [
      ["lb", 5, 0xffff_ff85, 0xffff_ff85, "r1@5"],
      ["lbu", 5, 0x85, 0x85, "r1@5"],
      ["lh", 6, 0xffff_8786, 0xffff_8687, "r2@6"],
      ["lhu", 6, 0x8786, 0x8687, "r2@6"],
      ["lw", 8, 0x8b8a_8988, 0x8889_8a8b, "r4@8"],
      ["ll", 8, 0x8b8a_8988, 0x8889_8a8b, "r4@8"],
    ] as const) {
      const { m, log } = withDevice(endian);
      m.code((a) => {
        a[op](v0, offset, a0);
        a.sdbbp(1);
      });
      expect(m.run()).toBe(1);
      expect(m.gpr(v0) >>> 0, op).toBe(big ? bigValue : littleValue);
      expect(log).toEqual([access]);
    }
  });

  test("stores of every width", () => {
    for (const [op, offset, size] of [
      ["sb", 5, 1],
      ["sh", 6, 2],
      ["sw", 8, 4],
    ] as const) {
      const { m, bytes, log } = withDevice(endian);
      m.code((a) => {
        a[op](a1, offset, a0);
        a.sdbbp(1);
      });
      m.machine.cpu.gpr[a1] = 0x1122_3344;
      expect(m.run()).toBe(1);
      const stored = [0x44, 0x33, 0x22, 0x11].slice(0, size);
      expect(Array.from(bytes.slice(offset, offset + size))).toEqual(big ? stored.reverse() : stored);
      expect(log).toEqual([`w${size}@${offset}`]);
    }
  });

  test("parts of words do to a device what they do to memory, and touch no other byte", () => {
    for (const op of ["swl", "swr", "lwl", "lwr"] as const)
      for (let offset = 4; offset < 8; offset++) {
        const { m, bytes, log } = withDevice(endian);
        m.machine.writeBytes(0x2_0000, bytes.slice());
        m.code((a) => {
          a[op](a1, offset, a0);
          a.sdbbp(1);
        });
        const run = (base: number): number => {
          m.machine.cpu.setPc(0x8001_0000);
          m.machine.cpu.gpr[a0] = base | 0;
          m.machine.cpu.gpr[a1] = 0x1122_3344;
          expect(m.run()).toBe(1);
          return m.gpr(a1);
        };
        const fromRam = run(0x8002_0000);
        expect(run(0xa000_0000 + BASE), `${op} ${offset}`).toBe(fromRam);
        expect(Array.from(bytes), `${op} ${offset}`).toEqual(
          Array.from(m.machine.memory.readBytes(0x2_0000, 16)),
        );
        const isWhole = offset === ((op === "swl") === big ? 4 : 7);
        if (op.startsWith("l")) expect(log).toEqual(["r4@4"]);
        else if (isWhole) expect(log).toEqual(["w4@4"]);
        else for (const access of log) expect(access).toMatch(/^w1@[4-7]$/);
      }
  });

  test("a device access in a delay slot, and one that raises an interrupt", () => {
    const { m } = withDevice(endian);
    m.machine.bus.add({
      name: "interrupter",
      base: BASE + 0x100,
      size: 4,
      device: { read: () => 0, write: () => m.machine.cpu.setInterruptLine(2, true) },
    });
    m.code((a) => {
      const target = a.label();
      a.b(target);
      a.sw(a1, 0x100, a0);
      a.sdbbp(1);
      a.bind(target);
      a.addiu(v0, v0, 1);
      a.sdbbp(2);
    });
    m.setCp0("Status", 0x401);
    m.load(0x8000_0180, (a) => a.sdbbp(3));
    expect(m.run()).toBe(3);
    expect(m.cp0("EPC")).toBe(0x8001_000c);
    expect(m.gpr(v0)).toBe(0);
  });
});

test("where nothing answers, loads give ones, stores are lost, and SC fails", () => {
  const m = new TestMachine().code((a) => {
    a.lw(v0, 0, a0);
    a.sw(v0, 0, a0);
    a.ll(a1, 0, a0);
    a.sc(a1, 0, a0);
    a.sdbbp(1);
  });
  m.machine.cpu.gpr[a0] = 0xbd00_0000 | 0;
  expect(m.run()).toBe(1);
  expect([m.gpr(v0), m.gpr(a1)]).toEqual([-1, 0]);
});
