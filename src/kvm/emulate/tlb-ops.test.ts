import { describe, expect, test } from "vitest";
import { createInterpreter } from "../../engine/index.ts";
import { CP0, ENTRY_HI } from "../../isa/cp0.ts";
import { GPR } from "../../isa/registers.ts";
import type { Assembler } from "../../uasm/assembler.ts";
import { Assembler as LaterAssembler } from "../../uasm/assembler.ts";
import { GUEST_TLB_SIZES } from "../guest-tlb.ts";
import { entryLo, TestGuest } from "../testing.ts";

const { t0, t1, t2, t3 } = GPR;
const CODE = 0x4000_1000;
const USEG = 0x0100_0000;

function newGuest(guestTlb: number): TestGuest {
  const guest = new TestGuest(createInterpreter, { guestTlb });
  guest.trapExceptions();
  return guest;
}

/** Runs guest kernel code, with instructions of all releases, up to a WAIT behind it. */
function run(guest: TestGuest, emit: (asm: Assembler) => void): Int32Array {
  const asm = new LaterAssembler({ level: "mips32r5", baseAddress: CODE });
  emit(asm);
  asm.wait();
  asm.words().forEach((word, index) => guest.write((CODE & 0x1fff_ffff) + 4 * index, word));
  guest.start(CODE);
  guest.vcpu.waiting = false;
  guest.runToWait();
  return guest.vcpu.regs.gpr;
}

function emitMtc0(asm: Assembler, index: number, value: number): void {
  asm.loadConstant(t0, value);
  asm.mtc0(t0, index >>> 3, index & 7);
}

function emitMfc0(asm: Assembler, rt: number, index: number): void {
  asm.mfc0(rt, index >>> 3, index & 7);
}

function emitLoad(asm: Assembler, rt: number, gva: number): void {
  asm.loadConstant(GPR.t9, gva);
  asm.lw(rt, 0, GPR.t9);
}

describe.each(GUEST_TLB_SIZES)("a guest TLB of %i entries", (size) => {
  test("is announced as the PRA says", () => {
    const { cp0 } = newGuest(size).vcpu;
    const [config1, config3, config4] = [cp0[CP0.Config1]!, cp0[CP0.Config3]!, cp0[CP0.Config4]!];
    expect(config3 < 0, "Config4 exists").toBe(true);
    const extension = ((config4 >>> 14) & 3) === 1 ? config4 & 0xff : 0;
    expect(((config1 >>> 25) & 0x3f) + 1 + 64 * extension).toBe(size);
    expect((config4 >>> 29) & 3, "EHINV and TLBINV").toBe(size > 64 ? 2 : 0);
  });

  test("has an Index and a Wired of its size, for the guest and for the VMM", () => {
    const guest = newGuest(size);
    const gpr = run(guest, (asm) => {
      emitMtc0(asm, CP0.Index, -1);
      emitMtc0(asm, CP0.Wired, -1);
      emitMfc0(asm, t1, CP0.Index);
      emitMfc0(asm, t2, CP0.Wired);
      emitMfc0(asm, t3, CP0.Random);
    });
    expect([gpr[t1], gpr[t2], gpr[t3]]).toEqual([size - 1, size - 1, size - 1]);
    const { vcpu } = guest;
    for (const index of [CP0.Index, CP0.Wired]) {
      const id = vcpu.getRegList().find((one) => (one & 0xffff_ffffn) === ((1n << 16n) | BigInt(index)))!;
      vcpu.setOneReg(id, 0x7fff_ffffn);
      expect(vcpu.cp0[index]).toBe(size - 1);
    }
  });

  test("has Random at its last entry when Wired is written, and falls from there", () => {
    const guest = newGuest(size);
    const gpr = run(guest, (asm) => {
      for (let i = 0; i < 5; i++) asm.nop();
      asm.addiu(t0, 0, 3);
      asm.mtc0(t0, CP0.Wired >>> 3, 0);
      asm.mfc0(t1, CP0.Random >>> 3, 0);
      asm.mtc0(t0, CP0.Wired >>> 3, 0);
      for (let i = 0; i < 4; i++) asm.nop();
      asm.mfc0(t2, CP0.Random >>> 3, 0);
    });
    expect([gpr[t1], gpr[t2]]).toEqual([size - 2, size - 6]);
  });

  test("is written by TLBWR at Random: above Wired, one lower with each instruction", () => {
    const guest = newGuest(size);
    const wired = size / 2 - 1;
    const { guestTlb } = guest.vcpu;
    const written: number[] = [];
    const write = guestTlb.write.bind(guestTlb);
    guestTlb.write = (index, entry) => {
      written.push(index);
      write(index, entry);
    };
    const gpr = run(guest, (asm) => {
      const loop = asm.label();
      emitMtc0(asm, CP0.Wired, wired);
      asm.loadConstant(t1, USEG);
      asm.addiu(t2, 0, size);
      asm.bind(loop);
      asm.mtc0(t1, 10, 0);
      emitMfc0(asm, t3, CP0.Random);
      asm.tlbwr();
      asm.addiu(t2, t2, -1);
      asm.bnez(t2, loop);
      asm.addiu(t1, t1, 0x2000);
    });
    expect(gpr[t3]).toBeGreaterThanOrEqual(wired);
    const range = size - wired;
    const steps = written.slice(1).map((at, n) => (written[n]! - at + range) % range);
    expect(new Set(steps)).toEqual(new Set([6]));
    expect(Math.min(...written)).toBeGreaterThanOrEqual(wired);
    expect(new Set(written).size).toBeGreaterThan(range / 7);
    expect(written.at(-1)).toBe(((gpr[t3]! - wired - 1 + range) % range) + wired);
  });

  test("is read entry by entry by TLBR", () => {
    const guest = newGuest(size);
    const last = size - 1;
    guest.mapPages(last, USEG, 7, entryLo(0x2_0000, true), entryLo(0x3_0000, false));
    const gpr = run(guest, (asm) => {
      emitMtc0(asm, CP0.Index, last);
      asm.tlbr();
      emitMfc0(asm, t1, CP0.EntryHi);
      emitMfc0(asm, t2, CP0.EntryLo1);
      emitMtc0(asm, CP0.Index, last - 1);
      asm.tlbr();
      emitMfc0(asm, t3, CP0.EntryHi);
    });
    expect([gpr[t1], gpr[t2]]).toEqual([USEG | 7, entryLo(0x3_0000, false)]);
    expect(gpr[t3], "an entry without contents").toBe(size > 64 ? ENTRY_HI.EHINV : 0);
  });
});

/** A guest that has used a page of ASID 1, one of ASID 2 and a global one in both; its ASID is 2. */
function withPages(): TestGuest {
  const guest = newGuest(128);
  guest.mapPages(100, USEG, 1, entryLo(0x1_0000, true), 0);
  guest.mapPages(101, USEG, 2, entryLo(0x2_0000, true), 0);
  guest.mapPages(102, USEG + 0x2000, 0, entryLo(0x3_0000, true, true), 1);
  for (const n of [1, 2, 3]) guest.write(n << 16, n);
  const gpr = run(guest, (asm) => {
    for (const asid of [1, 2]) {
      emitMtc0(asm, CP0.EntryHi, asid);
      emitLoad(asm, t1, USEG);
      emitLoad(asm, t2, USEG + 0x2000);
    }
  });
  expect([gpr[t1], gpr[t2]]).toEqual([2, 3]);
  return guest;
}

/** Offset of the vector of the exception that a load raises in `asid`, or what it loads. */
function load(guest: TestGuest, asid: number, gva: number): number | "refill" {
  guest.assemble(CODE, (asm) => {
    emitMtc0(asm, CP0.EntryHi, asid);
    emitLoad(asm, t1, gva);
    asm.wait();
  });
  guest.start(CODE);
  guest.vcpu.waiting = false;
  const exit = guest.run();
  if (exit.reason === "mmio") return "refill";
  expect(exit.reason).toBe("irq-window-open");
  return guest.vcpu.regs.gpr[t1]!;
}

describe("a guest with TLBINV", () => {
  test("invalidates an entry by TLBWI with EHINV, and what was derived from it", () => {
    const guest = withPages();
    run(guest, (asm) => {
      emitMtc0(asm, CP0.Index, 101);
      emitMtc0(asm, CP0.EntryHi, USEG | ENTRY_HI.EHINV | 1);
      asm.tlbwi();
    });
    expect([load(guest, 2, USEG), load(guest, 1, USEG), load(guest, 2, USEG + 0x2000)]).toEqual([
      "refill",
      1,
      3,
    ]);
  });

  test("writes an entry by TLBWR whatever EHINV says", () => {
    const guest = withPages();
    guest.write(0x4_0000, 4);
    run(guest, (asm) => {
      emitMtc0(asm, CP0.EntryLo0, entryLo(0x4_0000, true));
      emitMtc0(asm, CP0.EntryHi, (USEG + 0x4000) | ENTRY_HI.EHINV | 2);
      asm.tlbwr();
    });
    expect(load(guest, 2, USEG + 0x4000)).toBe(4);
  });

  test("loses the entries of its ASID by TLBINV, and none that are global or another's", () => {
    const guest = withPages();
    run(guest, (asm) => asm.tlbinv());
    expect([load(guest, 2, USEG), load(guest, 1, USEG), load(guest, 2, USEG + 0x2000)]).toEqual([
      "refill",
      1,
      3,
    ]);
    expect([100, 101, 102].map((index) => guest.vcpu.guestTlb.isUsed(index))).toEqual([true, false, true]);
  });

  test("loses all entries by TLBINVF, in all address spaces", () => {
    const guest = withPages();
    run(guest, (asm) => asm.tlbinvf());
    for (const asid of [1, 2])
      for (const gva of [USEG, USEG + 0x2000]) expect(load(guest, asid, gva)).toBe("refill");
    expect(guest.vcpu.mmu.roots(false).length).toBeGreaterThan(2);
  });

  test("keeps EHINV through a TLB exception", () => {
    const guest = withPages();
    run(guest, (asm) => emitMtc0(asm, CP0.EntryHi, ENTRY_HI.EHINV | 2));
    expect(guest.vcpu.cp0[CP0.EntryHi]! & ENTRY_HI.EHINV).toBe(ENTRY_HI.EHINV);
    load(guest, 2 | ENTRY_HI.EHINV, USEG + 0x8000);
    expect(guest.vcpu.cp0[CP0.EntryHi]).toBe((USEG + 0x8000) | ENTRY_HI.EHINV | 2);
  });
});
