import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createInterpreter } from "../../engine/index.ts";
import { GPR } from "../../isa/registers.ts";
import type { Endian } from "../../machine/memory.ts";
import { entryLo, TestGuest } from "../testing.ts";
import { isUnaligned, loadAccess, loadedValue, storeAccesses } from "./mmio.ts";

const { t0, t1 } = GPR;

/** The bytes of a word as they lie in memory. */
function bytesOf(word: number, endian: Endian): number[] {
  const bytes = [0, 8, 16, 24].map((shift) => (word >>> shift) & 0xff);
  return endian === "little" ? bytes : bytes.reverse();
}

/**
 * The manual's definition, byte by byte: LWL and SWL concern the addressed byte and those after it towards the
 * register's less significant end, LWR and SWR the others.
 */
function pairs(
  part: "left" | "right",
  lane: number,
  endian: Endian,
): [memory: number, significance: number][] {
  const step = endian === "little" ? 1 : -1;
  const result: [number, number][] = [];
  if (part === "left") for (let i = lane, s = 3; i >= 0 && i < 4; i -= step, s--) result.push([i, s]);
  else for (let i = lane, s = 0; i >= 0 && i < 4; i += step, s++) result.push([i, s]);
  return result;
}

const word = fc.integer({ min: 0, max: 0xffff_ffff });
const endians = fc.constantFrom<Endian>("little", "big");
const parts = fc.constantFrom<"left" | "right">("left", "right");
const lanes = fc.integer({ min: 0, max: 3 });

describe("unaligned accesses to devices", () => {
  test("LWL and LWR merge as the manual says, in both byte orders", () => {
    fc.assert(
      fc.property(parts, lanes, word, word, endians, (part, lane, old, data, endian) => {
        let expected = old;
        for (const [at, significance] of pairs(part, lane, endian)) {
          const shift = 8 * significance;
          expected = (expected & ~(0xff << shift)) | (bytesOf(data, endian)[at]! << shift);
        }
        expect(loadedValue(part, false, lane, old | 0, data, endian) | 0).toBe(expected | 0);
        expect(loadAccess(0x1000 + lane, part)).toMatchObject({ physAddr: 0x1000, len: 4, isWrite: false });
      }),
    );
  });

  test("SWL and SWR write the bytes that the manual says and no others, in both byte orders", () => {
    fc.assert(
      fc.property(parts, lanes, word, endians, (part, lane, value, endian) => {
        const memory: (number | null)[] = [null, null, null, null];
        for (const { physAddr, len, data } of storeAccesses(0x1000 + lane, part, value, endian)) {
          const bytes = len === 4 ? bytesOf(data, endian) : [data];
          bytes.forEach((byte, index) => (memory[physAddr - 0x1000 + index] = byte));
        }
        const expected: (number | null)[] = [null, null, null, null];
        for (const [at, significance] of pairs(part, lane, endian))
          expected[at] = (value >>> (8 * significance)) & 0xff;
        expect(memory).toEqual(expected);
      }),
    );
  });

  test.each(["little", "big"] as Endian[])(
    "what they do to a device is what they do to memory (%s-endian)",
    (endian) => {
      for (const mnemonic of ["lwl", "lwr", "swl", "swr"] as const) {
        for (let lane = 0; lane < 4; lane++) {
          const guest = new TestGuest(createInterpreter, { endian });
          guest.assemble(0x4000_1000, (asm) => {
            asm[mnemonic](t0, lane, t1);
            asm.wait();
          });
          const seen = [0x4000_2000, 0xa000_2000].map((base) => {
            guest.write(0x2000, 0x1122_3344);
            guest.vcpu.regs.gpr[t0] = 0x5566_7788;
            guest.vcpu.regs.gpr[t1] = base;
            guest.start(0x4000_1000);
            guest.vcpu.waiting = false;
            for (;;) {
              const exit = guest.run();
              if (exit.reason === "irq-window-open") break;
              if (exit.reason !== "mmio") throw new Error(exit.reason);
              const at = guest.ram + exit.physAddr;
              const bytes = (count: number): Uint8Array => guest.machine.memory.readBytes(at, count);
              if (!exit.isWrite) exit.data = guest.read(exit.physAddr);
              else if (exit.len === 4) guest.write(exit.physAddr, exit.data);
              else guest.machine.memory.writeBytes(at, bytes(1).fill(exit.data));
            }
            return [guest.vcpu.regs.gpr[t0] >>> 0, guest.read(0x2000)];
          });
          expect(seen[1]).toEqual(seen[0]);
        }
      }
    },
  );
});

test("loads are extended, stores cut, and alignment is natural", () => {
  expect(loadedValue(1, true, 0, 0, 0xfe, "little")).toBe(-2);
  expect(loadedValue(1, false, 0, 0, 0xfe, "little")).toBe(0xfe);
  expect(loadedValue(2, true, 0, 0, 0x8000, "big")).toBe(-0x8000);
  expect(storeAccesses(6, 2, -1, "big")).toEqual([
    { reason: "mmio", physAddr: 6, len: 2, isWrite: true, data: 0xffff },
  ]);
  expect([isUnaligned(2, 4), isUnaligned(1, 2), isUnaligned(3, "left"), isUnaligned(3, 1)]).toEqual([
    true,
    true,
    false,
    false,
  ]);
});

test("an unaligned word access to a device is the guest's address error", () => {
  const guest = new TestGuest(createInterpreter);
  guest.trapExceptions();
  guest.mapPages(0, 0, 0, entryLo(0, true), 0);
  guest.assemble(0x4000_1000, (asm) => {
    asm.lui(t1, 0xa000);
    asm.sh(t0, 3, t1);
  });
  guest.start(0x4000_1000);
  expect(guest.runToTrap()).toBe(0x180);
  expect((guest.vcpu.cp0[13 * 8]! >>> 2) & 31).toBe(5);
  expect(guest.vcpu.cp0[8 * 8]! >>> 0).toBe(0xa000_0003);
});
