import { describe, expect, test } from "vitest";
import { createInterpreter } from "../engine/index.ts";
import { CAUSE, CP0 } from "../isa/cp0.ts";
import { OneRegError } from "./errors.ts";
import { TestGuest } from "./testing.ts";

const STATUS_ID = 0x7020_0000_0001_0060n;
const id = (size: 2 | 3, set: number, number: number): bigint =>
  0x7000_0000_0000_0000n | (BigInt(size) << 52n) | (BigInt(set) << 16n) | BigInt(number);

describe("ONE_REG", () => {
  const vcpu = () => new TestGuest(createInterpreter, { guestTlb: 64 }).vcpu;

  test("the list holds 35 general, 32 CP0 and 3 timer registers, each once, and all can be read and written back", () => {
    const guest = vcpu();
    const list = guest.getRegList();
    expect(list.length).toBe(35 + 32 + 3);
    expect(new Set(list).size).toBe(list.length);
    expect(list).toContain(STATUS_ID);
    const numbers = list.slice(35, 67).map((one) => Number(one & 0xffffn));
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    for (const one of list) {
      const value = guest.getOneReg(one);
      guest.setOneReg(one, value);
      expect(guest.getOneReg(one)).toBe(value);
    }
  });

  test("32-bit values are sign-extended, also those of 64-bit registers", () => {
    const guest = vcpu();
    guest.setOneReg(id(3, 0, 8), 0x1_8000_0000n);
    expect(guest.getOneReg(id(3, 0, 8))).toBe(0xffff_ffff_8000_0000n);
    guest.setOneReg(id(3, 0, 34), 0x8000_1000n);
    expect(guest.getOneReg(id(3, 0, 34))).toBe(0xffff_ffff_8000_1000n);
    guest.setOneReg(id(3, 0, 0), 5n);
    expect(guest.getOneReg(id(3, 0, 0))).toBe(0n);
  });

  test("EntryLo ids stand for the 64-bit layout, whose RI and XI the guest's CPU lacks", () => {
    const guest = vcpu();
    guest.setOneReg(id(3, 1, 0x10), 0xc000_0000_0000_1006n);
    expect(guest.getOneReg(id(3, 1, 0x10))).toBe(0x1006n);
  });

  test("EntryLo has the bits that the guest finds there, whatever a translated MTC0 left", () => {
    const guest = vcpu();
    guest.cp0[CP0.EntryLo1] = -1;
    expect(guest.getOneReg(id(3, 1, 0x18))).toBe(0x03ff_ffffn);
  });

  test("identification and what the guest's CPU lacks cannot be changed; KScratch can be announced", () => {
    const guest = vcpu();
    const config1 = id(2, 1, 8 * 16 + 1);
    const before = guest.getOneReg(config1);
    guest.setOneReg(config1, 0n);
    expect(guest.getOneReg(config1)).toBe(before);
    guest.setOneReg(id(2, 1, 8 * 16 + 4), 0x00fc_0000n);
    expect(guest.getOneReg(id(2, 1, 8 * 16 + 4))).toBe(0x00fc_0000n);
    guest.setOneReg(id(3, 1, 8 * 15 + 1), 0xffff_ffffn);
    expect(guest.cp0[CP0.EBase]! >>> 0).toBe(0x5fff_f3ff);
  });

  test("Cause carries the interrupt lines and stops Count", () => {
    const guest = vcpu();
    guest.setOneReg(id(2, 1, 8 * 13), BigInt(CAUSE.DC | 0x0400));
    expect(guest.interrupts.pending).toBe(false);
    guest.cp0[CP0.Status] = 0x0401;
    expect(guest.interrupts.deliverable).toBe(true);
    const count = guest.getOneReg(id(2, 1, 8 * 9));
    guest.machine.timeline.retire(1000);
    expect(guest.getOneReg(id(2, 1, 8 * 9))).toBe(count);
    expect(guest.getOneReg(id(3, 2, 2))).toBe(100_000_000n);
  });

  test("unknown registers are refused", () => {
    const guest = vcpu();
    for (const one of [0n, id(2, 0, 8), id(3, 0, 35), id(2, 1, 8 * 1), id(3, 3, 0)]) {
      expect(() => guest.getOneReg(one)).toThrow(OneRegError);
      expect(() => guest.setOneReg(one, 0n)).toThrow(OneRegError);
    }
  });

  test("GET_REGS and SET_REGS", () => {
    const guest = vcpu();
    const gpr = Array.from({ length: 32 }, (_, n) => BigInt(n) + 100n);
    guest.setRegs({ gpr, hi: 1n, lo: 0xffff_ffff_ffff_ffffn, pc: 0x4000_1000n });
    const regs = guest.getRegs();
    expect(regs.gpr).toEqual([0n, ...gpr.slice(1)]);
    expect([regs.hi, regs.lo, regs.pc]).toEqual([1n, 0xffff_ffff_ffff_ffffn, 0x4000_1000n]);
  });
});
