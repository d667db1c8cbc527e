import { describe, expect, test } from "vitest";
import { CP0, cp0Operands, CAUSE, STATUS } from "../isa/cp0.ts";
import { encode } from "../isa/encode.ts";
import { EXC_CODE } from "../isa/exceptions.ts";
import { GPR } from "../isa/registers.ts";
import { CODE, TestMachine, UNEXPECTED } from "./testing.ts";

const { zero, v0, v1, a0, a1, a2, t0, ra } = GPR;
const PAGE_END = CODE + 0xffc;

describe("delay slots", () => {
  test("lie on the next page, branch taken and not", () => {
    for (const taken of [true, false]) {
      const m = new TestMachine();
      m.load(PAGE_END, (a) => {
        const target = a.label();
        a.beq(zero, taken ? zero : t0, target);
        a.addiu(v0, v0, 1);
        a.sdbbp(1);
        a.bind(target);
        a.sdbbp(2);
      });
      m.machine.cpu.gpr[t0] = 1;
      m.machine.cpu.setPc(PAGE_END);
      expect(m.run()).toBe(taken ? 2 : 1);
      expect(m.gpr(v0)).toBe(1);
    }
  });

  test("on the next page of a branch back into the first page", () => {
    const m = new TestMachine();
    m.load(PAGE_END - 8, (a) => {
      const back = a.bind();
      a.sdbbp(7);
      a.nop();
      a.b(back);
      a.addiu(v0, v0, 1);
    });
    m.machine.cpu.setPc(PAGE_END);
    expect(m.run()).toBe(7);
    expect(m.gpr(v0)).toBe(1);
  });

  test("fault on the next page: EPC is the branch", () => {
    const m = new TestMachine();
    m.load(PAGE_END, (a) => {
      a.b(CODE);
      a.lw(v0, 1, zero);
    });
    m.machine.cpu.setPc(PAGE_END);
    expect(m.run()).toBe(UNEXPECTED);
    expect(m.cp0("EPC")).toBe(PAGE_END);
    expect(m.cp0("Cause") & CAUSE.BD).not.toBe(0);
    expect(m.excCode).toBe(EXC_CODE.AdEL);
  });

  test("cannot be fetched: EPC is the branch, BadVAddr the delay slot", () => {
    const m = new TestMachine();
    const frame = 0x2_0000;
    m.map(0, 0x40_0000, 0, frame, frame, 0x1e);
    // Only the even page is valid.
    m.setCp0("EntryLo1", 0);
    m.machine.ops.tlbwi();
    m.machine.write32(frame + 0xffc, encode("beq", { rs: 0, rt: 0, offset: -0x1000 }));
    m.machine.cpu.setPc(0x40_0ffc);
    expect(m.run()).toBe(UNEXPECTED);
    expect(m.cp0("EPC")).toBe(0x40_0ffc);
    expect(m.cp0("BadVAddr")).toBe(0x40_1000);
    expect(m.cp0("Cause") & CAUSE.BD).not.toBe(0);
    expect(m.excCode).toBe(EXC_CODE.TLBL);
  });

  test("a branch to its own delay slot executes it twice", () => {
    const m = new TestMachine().code((a) => {
      a.b(CODE + 4);
      a.addiu(v0, v0, 1);
      a.sdbbp(3);
    });
    expect(m.run()).toBe(3);
    expect(m.gpr(v0)).toBe(2);
    expect(m.machine.instructions).toBe(4);
  });

  test("a fault in it after a branch to its own delay slot is first in the slot, then not", () => {
    const m = new TestMachine().code((a) => {
      a.b(CODE + 4);
      a.lw(v0, 0, a0);
      a.sdbbp(3);
    });
    m.machine.cpu.gpr[a0] = 1;
    expect(m.run()).toBe(UNEXPECTED);
    expect(m.cp0("EPC")).toBe(CODE);
    // As a handler that repairs the pointer and emulates the branch.
    m.setCp0("Status", 0);
    m.machine.cpu.setPc(CODE + 4);
    expect(m.run()).toBe(UNEXPECTED);
    expect(m.cp0("EPC")).toBe(CODE + 4);
    expect(m.cp0("Cause") & CAUSE.BD).toBe(0);
  });

  test("of a likely branch is not executed if the branch is not taken, also at the end of a page", () => {
    for (const at of [CODE, PAGE_END]) {
      const m = new TestMachine();
      m.load(at, (a) => {
        a.bnel(zero, zero, at + 16);
        a.addiu(v0, v0, 1);
        a.sdbbp(4);
      });
      m.machine.cpu.setPc(at);
      expect(m.run()).toBe(4);
      expect(m.gpr(v0)).toBe(0);
    }
  });

  test("MTC0 Status in a delay slot goes on at the target", () => {
    const m = new TestMachine().code((a) => {
      const target = a.label();
      a.loadConstant(t0, STATUS.CU0);
      a.b(target);
      a.mtc0(t0, ...cp0Operands(CP0.Status));
      a.sdbbp(1);
      a.bind(target);
      a.sdbbp(2);
    });
    expect(m.run()).toBe(2);
  });
});

describe("code that changes", () => {
  const addOne = encode("addiu", { rt: v0, rs: v0, imm: 1 });
  const addTen = encode("addiu", { rt: v0, rs: v0, imm: 10 });

  test("in the same page, behind and ahead of the store", () => {
    const m = new TestMachine().code((a) => {
      const again = a.bind();
      a.addiu(v0, v0, 1);
      a.sw(a1, 0, a0);
      a.sw(a1, 16, a0);
      a.addiu(v1, v1, 1);
      a.addiu(v0, v0, 1);
      a.bne(v1, a2, again);
      a.nop();
      a.sdbbp(1);
    });
    const { gpr } = m.machine.cpu;
    gpr[a0] = CODE | 0;
    gpr[a1] = addTen;
    gpr[a2] = 2;
    expect(m.run()).toBe(1);
    expect(gpr[v0]).toBe(1 + 10 + 10 + 10);
  });

  test("by bytes and halves, and by SWL and SWR", () => {
    for (const endian of ["little", "big"] as const)
      for (const how of ["bytes", "halves", "parts"] as const) {
        const m = new TestMachine({ endian });
        const place = CODE + 0x200;
        m.load(place, (a) => {
          a.addiu(v0, v0, 1);
          a.jr(ra);
          a.nop();
        });
        m.code((a) => {
          a.jal(place);
          a.nop();
          const big = endian === "big";
          if (how === "bytes")
            for (let n = 0; n < 4; n++) {
              a.srl(t0, a1, n * 8);
              a.sb(t0, big ? 3 - n : n, a0);
            }
          else if (how === "halves")
            for (let n = 0; n < 2; n++) {
              a.srl(t0, a1, n * 16);
              a.sh(t0, big ? 2 - n * 2 : n * 2, a0);
            }
          else {
            a.swl(a1, big ? 0 : 3, a0);
            a.swr(a1, big ? 3 : 0, a0);
          }
          a.jal(place);
          a.nop();
          a.sdbbp(1);
        });
        m.machine.cpu.gpr[a0] = place | 0;
        m.machine.cpu.gpr[a1] = addTen;
        expect(m.run()).toBe(1);
        expect(m.gpr(v0), `${endian} ${how}`).toBe(11);
      }
  });

  test("through another virtual page, and by SC", () => {
    for (const sc of [false, true]) {
      const m = new TestMachine();
      const frame = 0x2_0000;
      m.map(0, 0x40_0000, 0, frame, frame);
      m.load(0x8000_0000 + frame, (a) => {
        a.addiu(v0, v0, 1);
        a.jr(ra);
        a.nop();
      });
      m.code((a) => {
        a.loadConstant(a0, 0x40_0000);
        // The data page is written before it holds decoded code, and after.
        a.sw(a1, 0x100, a0);
        for (let n = 0; n < 2; n++) {
          a.loadConstant(t0, 0x8000_0000 + frame);
          a.jalr(ra, t0);
          a.nop();
          a.jalr(ra, a0);
          a.nop();
          if (sc) a.ll(t0, 0, a0);
          a.move(t0, a1);
          if (sc) a.sc(t0, 0, a0);
          else a.sw(t0, 0, a0);
        }
        a.sdbbp(1);
      });
      m.machine.cpu.gpr[a1] = addTen;
      expect(m.run()).toBe(1);
      expect(m.gpr(v0)).toBe(1 + 1 + 10 + 10);
    }
  });

  test("as the embedder writes it", () => {
    const m = new TestMachine().code((a) => {
      a.addiu(v0, v0, 1);
      a.sdbbp(1);
    });
    expect(m.run()).toBe(1);
    m.machine.write32(CODE & 0x1fff_ffff, addTen);
    m.machine.cpu.setPc(CODE);
    expect(m.run()).toBe(1);
    m.machine.writeBytes(CODE & 0x1fff_ffff, new Uint8Array(new Uint32Array([addOne]).buffer));
    m.machine.cpu.setPc(CODE);
    expect(m.run()).toBe(1);
    expect(m.gpr(v0)).toBe(12);
  });
});

test("more pages of code than can be held decoded, twice over, changed in between", () => {
  const pages = 4400;
  const m = new TestMachine({ ramBytes: 24 << 20 });
  const first = 0x8010_0000;
  const last = first + pages * 0x1000;
  for (let n = 0; n < pages; n++) {
    const at = first + n * 0x1000 + 0xff8;
    // Each crosses into the next page with a delay slot.
    const pa = at & 0x1fff_ffff;
    m.machine.write32(pa, encode("addiu", { rt: v0, rs: v0, imm: 1 }));
    m.machine.write32(pa + 4, encode("beq", { rs: 0, rt: 0, offset: 0xff8 }));
    m.machine.write32(pa + 8, encode("addiu", { rt: v1, rs: v1, imm: 1 }));
  }
  m.machine.write32((last + 0xff8) & 0x1fff_ffff, encode("sdbbp", { code: 5 }));
  for (const gain of [1, 3]) {
    m.machine.cpu.gpr.fill(0);
    for (let n = 0; n < pages; n += 97)
      m.machine.write32(
        (first + n * 0x1000 + 0xff8) & 0x1fff_ffff,
        encode("addiu", { rt: v0, rs: v0, imm: gain }),
      );
    m.machine.cpu.setPc(first + 0xff8);
    expect(m.run()).toBe(5);
    expect(m.gpr(v1)).toBe(pages);
    expect(m.gpr(v0)).toBe(pages + Math.ceil(pages / 97) * (gain - 1));
  }
});

test("SC of register zero stores zero", () => {
  const m = new TestMachine().code((a) => {
    a.addiu(zero, zero, 77);
    a.ll(v0, 0, a0);
    a.sc(zero, 0, a0);
    a.lw(v1, 0, a0);
    a.sdbbp(1);
  });
  m.machine.cpu.gpr[a0] = 0x8002_0000 | 0;
  m.machine.write32(0x2_0000, 0x1234);
  expect(m.run()).toBe(1);
  expect([m.gpr(v0), m.gpr(v1), m.gpr(zero)]).toEqual([0x1234, 0, 0]);
});
