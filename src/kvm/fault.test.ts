import { describe, expect, test } from "vitest";
import { createInterpreter } from "../engine/index.ts";
import { CP0, STATUS } from "../isa/cp0.ts";
import { EXC_CODE } from "../isa/exceptions.ts";
import { encode } from "../isa/encode.ts";
import { GPR } from "../isa/registers.ts";
import type { Assembler } from "../uasm/assembler.ts";
import { EVA_MAP, TE_MAP } from "./guest-map.ts";
import type { HostPageSize } from "./page-format.ts";
import type { RefillMode } from "./shadow-mmu.ts";
import { entryLo, TestGuest, type TestGuestOptions } from "./testing.ts";

const CODE = 0x4000_1000;
const { t0, t1, t2, t3, k0, k1 } = GPR;

/** A guest with its exceptions trapped and `emit` at CODE, ending in WAIT. */
function guestWith(emit: (asm: Assembler) => void, options: TestGuestOptions = {}): TestGuest {
  const guest = new TestGuest(createInterpreter, options);
  guest.trapExceptions();
  guest.assemble(CODE, (asm) => {
    emit(asm);
    asm.wait();
  });
  guest.start(CODE);
  return guest;
}

/** Emits TLBWI of entry `index`. */
function emitTlbwi(
  asm: Assembler,
  index: number,
  entryHi: number,
  lo0: number,
  lo1: number,
  pageMask = 0,
): void {
  const registers: [cp0: number, value: number][] = [
    [CP0.Index, index],
    [CP0.EntryHi, entryHi],
    [CP0.EntryLo0, lo0],
    [CP0.EntryLo1, lo1],
    [CP0.PageMask, pageMask],
  ];
  for (const [cp0, value] of registers) {
    asm.loadConstant(k0, value);
    asm.mtc0(k0, cp0 >>> 3, cp0 & 7);
  }
  asm.tlbwi();
}

const causes = (guest: TestGuest): Record<string, number> => ({ ...guest.vcpu.stats.exits });

describe("KSeg0 (patch 22)", () => {
  test.each([4096, 16384] as HostPageSize[])(
    "the first touch maps the pair: its buddy needs no exit (%d)",
    (pageSize) => {
      const guest = guestWith(
        (asm) => {
          asm.lui(t0, 0x4004);
          asm.lw(t1, 0, t0);
          asm.lw(t2, pageSize, t0);
          asm.sw(t2, pageSize, t0);
        },
        { pageSize },
      );
      guest.write(0x4_0000, 0x1234_5678);
      guest.write(0x4_0000 + pageSize, 0x2345_6789);
      guest.runToWait();
      expect(guest.vcpu.regs.gpr[t1]).toBe(0x1234_5678);
      expect(guest.vcpu.regs.gpr[t2]).toBe(0x2345_6789);
      // One for the code, one for the data.
      expect(causes(guest)).toMatchObject({ tlbmiss_ld: 2 });
      const { format } = guest.vcpu.mmu.tables;
      for (const gva of [0x4004_0000, 0x4004_0000 + pageSize]) {
        const pte = guest.vcpu.mmu.lookup(gva, false);
        expect(format.hpa(pte)).toBe(guest.ram + (gva & 0x1fff_ffff));
        expect(format.hardwareWritable(pte)).toBe(true);
      }
    },
  );

  test("beyond the memslots it is a device, and a read-only slot keeps its stores", () => {
    const guest = guestWith((asm) => {
      asm.lui(t0, 0x4100);
      asm.lw(t1, 8, t0);
      asm.lui(t0, 0x4080);
      asm.lw(t2, 4, t0);
      asm.sw(t2, 8, t0);
    });
    const rom = {
      slot: 1,
      guestPhysAddr: 0x80_0000,
      memorySize: 0x2000,
      hostPhysAddr: guest.ram,
      readonly: true,
    };
    guest.vm.setUserMemoryRegion(rom);
    guest.write(4, 77);
    expect(guest.run()).toMatchObject({ reason: "mmio", physAddr: 0x100_0008, len: 4, isWrite: false });
    expect(guest.run()).toMatchObject({ reason: "mmio", physAddr: 0x80_0008, isWrite: true, data: 77 });
    guest.runToWait();
    expect(guest.read(8)).not.toBe(77);
  });
});

describe("mapped segments (patches 17, 21 and 23)", () => {
  const GVA = 0x0010_0000;

  test.each(["fast", "slow"] as RefillMode[])(
    "a miss, an invalid and a clean page are the guest's own (%s)",
    (refill) => {
      const access = (gva: number, store: boolean): [offset: number, code: number, guest: TestGuest] => {
        const guest = guestWith(
          (asm) => {
            asm.loadConstant(t0, gva + 0x124);
            if (store) asm.sw(t1, 0, t0);
            else asm.lw(t1, 0, t0);
          },
          { refill },
        );
        guest.vcpu.cp0[CP0.EntryHi] = 5;
        guest.vcpu.cp0[CP0.Context] = 0x0080_0000 | 0x7f_fff0;
        guest.mapPages(7, GVA, 5, entryLo(0x2_0000, false), 0);
        const offset = guest.runToTrap();
        return [offset, (guest.vcpu.cp0[CP0.Cause]! >>> 2) & 31, guest];
      };
      for (const [gva, store, offset, code] of [
        [0x0020_0000, false, 0x000, 2],
        [0x0020_0000, true, 0x000, 3],
        [GVA + 0x1000, false, 0x180, 2],
        [GVA + 0x1000, true, 0x180, 3],
        [GVA, true, 0x180, 1],
        [0x6020_0000, false, 0x000, 2],
      ] as const) {
        const [at, cause, guest] = access(gva, store);
        expect([at, cause]).toEqual([offset, code]);
        const { cp0 } = guest.vcpu;
        expect(cp0[CP0.BadVAddr]! >>> 0).toBe(gva + 0x124);
        expect(cp0[CP0.EntryHi]! >>> 0).toBe(((gva & 0xffff_e000) | 5) >>> 0);
        // Hardware leaves PTEBase alone and sets BadVPN2 (PRA, Context): 4K guests depend on it.
        expect(cp0[CP0.Context]! >>> 0).toBe(0x0080_0000 | ((gva >>> 9) & 0x7f_fff0));
        expect(cp0[CP0.Status]! & STATUS.EXL).toBe(STATUS.EXL);
      }
    },
  );

  test("a page that the guest made clean raises one Mod; made dirty, it raises nothing more", () => {
    const guest = guestWith((asm) => {
      asm.loadConstant(t0, GVA);
      asm.lw(t1, 0, t0);
      asm.sw(t1, 4, t0);
    });
    guest.mapPages(0, GVA, 0, entryLo(0x2_0000, false), 0);
    expect(guest.runToTrap()).toBe(0x180);
    const { mmu, stats } = guest.vcpu;
    const { format } = mmu.tables;
    expect(format.valid(mmu.lookup(GVA, false))).toBe(true);
    expect(format.hardwareWritable(mmu.lookup(GVA, false))).toBe(false);
    expect(stats.exits.tlbmod).toBe(1);
    guest.assemble(CODE, (asm) => {
      emitTlbwi(asm, 0, GVA, entryLo(0x2_0000, true), 0);
      asm.loadConstant(t0, GVA);
      asm.sw(t0, 4, t0);
      asm.wait();
    });
    guest.start(CODE);
    guest.runToWait();
    expect(guest.read(0x2_0004)).toBe(GVA);
    expect(stats.exits.tlbmod).toBe(1);
  });

  test.each(["24Kc", "24Kc-kscratch", "24Kc-rixi"])(
    "more pages than the host TLB has: the second pass has no exit, and k0 and k1 stay (%s)",
    (model) => {
      const pages = 60;
      const guest = guestWith(
        (asm) => {
          const loop = asm.label();
          asm.loadConstant(k0, 0x1111_2222);
          asm.loadConstant(k1, 0x3333_4444);
          asm.loadConstant(t0, GVA);
          asm.loadConstant(t1, pages);
          asm.bind(loop);
          asm.lw(t2, 0, t0);
          asm.addu(t3, t3, t2);
          asm.addiu(t1, t1, -1);
          asm.bnez(t1, loop);
          asm.addiu(t0, t0, 0x1000);
        },
        { model },
      );
      for (let i = 0; i < pages / 2; i++)
        guest.mapPages(
          i,
          GVA + 0x2000 * i,
          0,
          entryLo(0x2_0000 + 0x2000 * i, true),
          entryLo(0x2_1000 + 0x2000 * i, true),
        );
      for (let i = 0; i < pages; i++) guest.write(0x2_0000 + 0x1000 * i, i);
      guest.runToWait();
      const first = guest.vcpu.stats.totalExits;
      const refills = guest.machine.cpu.refills;
      guest.start(CODE);
      guest.vcpu.waiting = false;
      guest.runToWait();
      // The WAIT itself is the only exit of the second pass.
      expect(guest.vcpu.stats.totalExits - first).toBe(1);
      expect(guest.machine.cpu.refills - refills).toBeGreaterThanOrEqual(pages / 2 - 16);
      const { gpr } = guest.vcpu.regs;
      expect([gpr[k0], gpr[k1]]).toEqual([0x1111_2222, 0x3333_4444]);
      expect(gpr[t3]).toBe(2 * ((pages * (pages - 1)) / 2));
    },
  );

  test("replacing an entry drops both halves of what was derived from it, in both modes (patches 19 and 21)", () => {
    const guest = guestWith((asm) => {
      asm.loadConstant(t0, GVA);
      asm.lw(t1, 0, t0);
      asm.lw(t1, 0x1000, t0);
      emitTlbwi(asm, 3, GVA, entryLo(0x4_0000, true), entryLo(0x4_1000, true));
      asm.lw(t2, 0, t0);
      asm.lw(t3, 0x1000, t0);
    });
    guest.mapPages(3, GVA, 0, entryLo(0x2_0000, true), entryLo(0x2_1000, true));
    guest.write(0x4_0000, 1234);
    guest.write(0x4_1000, 5678);
    guest.runToWait();
    expect(guest.vcpu.regs.gpr[t2]).toBe(1234);
    expect(guest.vcpu.regs.gpr[t3]).toBe(5678);
    expect(guest.vcpu.stats.gvaPtesInvalidated).toBe(2);
  });

  test("an entry for an address that no guest has changes nothing of the host's", () => {
    const guest = guestWith((asm) => {
      emitTlbwi(asm, 1, 0x8000_0000, entryLo(0, true), entryLo(0x1000, true));
      emitTlbwi(asm, 1, 0xc000_0000, entryLo(0, true), entryLo(0x1000, true));
      emitTlbwi(asm, 1, 0x0000_0000, 0, 0);
    });
    guest.runToWait();
    expect(guest.vcpu.stats.gvaPtesInvalidated).toBe(0);
  });

  test.each(["fast", "slow"] as RefillMode[])(
    "a large guest page is filled in pieces and goes as a whole (%s)",
    (refill) => {
      const guest = guestWith(
        (asm) => {
          emitTlbwi(asm, 9, 0x0040_0000, entryLo(0x4_0000, true), entryLo(0x8_0000, false), 0x1_e000);
          asm.lui(t0, 0x40);
          asm.lw(t1, 0x7ffc, t0);
          asm.lui(t0, 0x41);
          asm.lw(t2, 0x0004, t0);
          emitTlbwi(asm, 9, 0x0080_0000, 0, 0);
          asm.lui(t0, 0x40);
          asm.lw(t3, 0x7ffc, t0);
        },
        { refill },
      );
      guest.write(0x4_7ffc, 11);
      guest.write(0x8_0004, 22);
      // The last load misses: the large page is gone, every piece of it.
      expect(guest.runToTrap()).toBe(0);
      expect([guest.vcpu.regs.gpr[t1], guest.vcpu.regs.gpr[t2], guest.vcpu.regs.gpr[t3]]).toEqual([
        11, 22, 0,
      ]);
    },
  );

  test("a page smaller than the host's is refused with a reason", () => {
    const guest = guestWith((asm) => emitTlbwi(asm, 0, GVA, entryLo(0, true), 0), { pageSize: 16384 });
    const exit = guest.run();
    expect(exit).toMatchObject({ reason: "internal-error" });
    if (exit.reason === "internal-error") expect(exit.message).toMatch(/4096 bytes.*16384/);
  });

  test("a mapped page may be a device", () => {
    const guest = guestWith((asm) => {
      asm.loadConstant(t0, GVA);
      asm.sw(t0, 0x44, t0);
    });
    guest.mapPages(0, GVA, 0, entryLo(0x1800_0000, true), 0);
    expect(guest.run()).toMatchObject({ reason: "mmio", physAddr: 0x1800_0044, isWrite: true, data: GVA });
  });
});

describe("a fetch from where the guest has no memory", () => {
  const NOWHERE = 0x5800_0000;
  const GVA = 0x0010_0000;
  const jump = (asm: Assembler): void => {
    asm.loadConstant(t0, NOWHERE);
    asm.jr(t0);
    asm.nop();
  };

  test("is a bus error of the guest's, as on a bare machine", () => {
    const guest = guestWith(jump);
    expect(guest.runToTrap()).toBe(0x180);
    const { cp0 } = guest.vcpu;
    expect((cp0[CP0.Cause]! >>> 2) & 31).toBe(EXC_CODE.IBE);
    expect(cp0[CP0.EPC]! >>> 0).toBe(NOWHERE);
  });

  test("in user mode too", () => {
    const guest = guestWith(() => {});
    guest.mapPages(0, GVA, 0, entryLo(0x1800_0000, true), 0);
    guest.start(GVA, STATUS.UM);
    expect(guest.runToTrap()).toBe(0x180);
    expect((guest.vcpu.cp0[CP0.Cause]! >>> 2) & 31).toBe(EXC_CODE.IBE);
    expect(guest.vcpu.cp0[CP0.EPC]! >>> 0).toBe(GVA);
  });

  test("ends the VM with a report if there is no memory for its handler either", () => {
    const guest = guestWith(jump);
    guest.start(CODE, STATUS.BEV);
    const exit = guest.run();
    expect(exit).toMatchObject({ reason: "internal-error" });
    if (exit.reason === "internal-error") expect(exit.message).toMatch(/executes from 18000000/);
  });
});

test("an address in no segment of the guest's map ends the VM with a report", () => {
  const guest = guestWith((asm) => {
    asm.lui(t0, 0xc000);
    asm.lw(t1, 0, t0);
  });
  const exit = guest.run();
  expect(exit).toMatchObject({ reason: "internal-error" });
  if (exit.reason === "internal-error") expect(exit.message).toMatch(/c0000000, which lies in no segment/);
});

describe("the guest's ASID (patch 20)", () => {
  const USEG = 0x0010_0000;

  test("a change flushes the kernel's mapped ranges and keeps KSeg0", () => {
    const guest = guestWith(
      (asm) => {
        asm.loadConstant(t0, USEG);
        asm.lw(t1, 0, t0);
        asm.loadConstant(t0, 0x6000_0000);
        asm.lw(t1, 0, t0);
        asm.lui(t0, 0x4004);
        asm.lw(t1, 0, t0);
        asm.addiu(t0, 0, 2);
        asm.mtc0(t0, 10, 0);
      },
      { dyntrans: true },
    );
    guest.vcpu.cp0[CP0.EntryHi] = 1;
    guest.mapPages(0, USEG, 1, entryLo(0x2_0000, true), 0);
    guest.mapPages(1, 0x6000_0000, 1, entryLo(0x3_0000, true, true), entryLo(0x3_1000, true, true));
    guest.runToWait();
    const { mmu, stats } = guest.vcpu;
    // From 0 to 1 at the start, then to 2.
    expect(stats.asidChanges).toBe(2);
    expect(mmu.lookup(USEG, false)).toBe(0);
    expect(mmu.lookup(0x6000_0000, false)).toBe(0);
    expect(mmu.lookup(0x4004_0000, false)).not.toBe(0);
    // The commpage belongs to no ASID: it is there again.
    expect(mmu.lookup(guest.commpage, false)).not.toBe(0);
  });

  test("the user table is flushed before user mode is entered with another ASID, and only then", () => {
    const user = new TestGuest(createInterpreter);
    user.trapExceptions();
    user.assemble(0x4002_0000, (asm) => {
      asm.lw(t1, 0x800, 0);
      asm.syscall();
    });
    // User code at GVA 20000000, its data at GVA 0; both in ASID 1.
    user.mapPages(0, 0x2000_0000, 1, entryLo(0x2_0000, false), 0);
    user.mapPages(1, 0, 1, entryLo(0x3_0000, true), entryLo(0x3_1000, true));
    user.write(0x3_0800, 42);
    const enterUser = (): void => {
      user.start(0x2000_0000, STATUS.UM);
      expect(user.runToTrap()).toBe(0x180);
      expect((user.vcpu.cp0[CP0.Cause]! >>> 2) & 31).toBe(8);
    };
    user.vcpu.cp0[CP0.EntryHi] = 1;
    enterUser();
    expect(user.vcpu.regs.gpr[t1]).toBe(42);
    const { stats, mmu } = user.vcpu;
    const setAsid = (asid: number): void => {
      user.assemble(CODE, (asm) => {
        asm.addiu(t0, 0, asid);
        asm.mtc0(t0, 10, 0);
        asm.wait();
      });
      user.start(CODE, 0);
      user.runToWait();
      user.vcpu.waiting = false;
    };
    const filled = stats.gvaPtesFilled;
    setAsid(2);
    setAsid(1);
    expect(mmu.lookup(0x2000_0000, true)).not.toBe(0);
    enterUser();
    // There and back again before user mode: nothing of the user's was lost.
    const kernelOnly = stats.gvaPtesFilled - filled;
    expect(mmu.lookup(0x2000_0000, true)).not.toBe(0);
    setAsid(2);
    user.mapPages(2, 0x2000_0000, 2, entryLo(0x2_0000, false), 0);
    user.mapPages(3, 0, 2, entryLo(0x4_0000, true), 0);
    user.write(0x4_0800, 43);
    enterUser();
    expect(user.vcpu.regs.gpr[t1]).toBe(43);
    expect(stats.gvaPtesFilled - filled).toBeGreaterThan(kernelOnly);
    // From 0 to 1 at the start, to 2, back, and to 2 again.
    expect(stats.asidChanges).toBe(4);
  });
});

describe("without dynamic translation", () => {
  test.each([
    [TE_MAP, 0x7180],
    [TE_MAP, 0x4180],
    [EVA_MAP, 0xffff_8180],
  ])("the guest's registers are nowhere in its memory (%#)", (map, address) => {
    for (const pageSize of [4096, 16384] as const) {
      const code = map === TE_MAP ? CODE : CODE + 0x4000_0000;
      const guest = new TestGuest(createInterpreter, { model: "P5600", map, pageSize });
      guest.assemble(code, (asm) => {
        asm.mfc0(t0, 12, 0);
        asm.loadConstant(t3, address);
        asm.lw(t1, 0, t3);
        asm.sw(t0, 0, t3);
        asm.wait();
      });
      guest.assemble(map.ebase, (asm) => asm.wait());
      // Nothing is mapped there: a miss, as anywhere.
      guest.start(code);
      guest.runToWait();
      expect(guest.vcpu.cp0[CP0.BadVAddr]! >>> 0).toBe(address);
      // And with a page there, of the guest's own, that is what its kernel finds.
      const base = address & ~(2 * pageSize - 1);
      const halves = [entryLo(0x2_0000, true), entryLo(0x2_0000 + pageSize, true)] as const;
      guest.mapPages(0, base >>> 0, 0, ...halves, pageSize === 4096 ? 0 : 0x6000);
      const at = 0x2_0000 + ((address - base) >>> 0);
      guest.write(at, 77);
      guest.vcpu.waiting = false;
      guest.start(code, 0x0040_0000);
      guest.runToWait();
      expect(guest.vcpu.regs.gpr[t1]).toBe(77);
      expect(guest.read(at)).toBe(0x0040_0000);
      expect(guest.vcpu.status).toBe(0x0040_0000);
      expect(guest.read(code & 0xfffff), "the code is as the guest wrote it").toBe(
        encode("mfc0", { rt: t0, rdNumber: 12, sel: 0 }),
      );
    }
  });
});

describe("the commpage (patch 24)", () => {
  test.each([4096, 16384] as HostPageSize[])(
    "it and a page of the guest's next to it both work (%d)",
    (pageSize) => {
      const partner = pageSize === 4096 ? 0x6000 : 0;
      const guest = guestWith(
        (asm) => {
          asm.mfc0(t0, 15, 0);
          asm.lw(t1, partner + 0x10, 0);
          asm.lw(t2, pageSize === 4096 ? 0x7000 + 4 * CP0.PRId : 0x4000 + 4 * CP0.PRId, 0);
          asm.sw(t1, partner + 0x14, 0);
          asm.lw(t3, pageSize === 4096 ? 0x7000 + 4 * CP0.PRId : 0x4000 + 4 * CP0.PRId, 0);
        },
        { pageSize, dyntrans: true },
      );
      // The guest maps the pair around the commpage, the commpage's half too.
      const mask = pageSize === 4096 ? 0 : 0x6000;
      guest.mapPages(0, partner, 0, entryLo(0x2_0000, true), entryLo(0x3_0000, true), mask);
      guest.write(0x2_0010, 99);
      guest.runToWait();
      const { gpr } = guest.vcpu.regs;
      expect(gpr[t1]).toBe(99);
      expect(guest.read(0x2_0014)).toBe(99);
      expect([gpr[t0], gpr[t2], gpr[t3]]).toEqual([0x19300, 0x19300, 0x19300]);
    },
  );

  test("guest user mode sees its own page there", () => {
    const guest = new TestGuest(createInterpreter, { dyntrans: true });
    guest.trapExceptions();
    guest.assemble(0x4002_0000, (asm) => {
      asm.lw(t1, 0x7000 + 4 * CP0.PRId, 0);
      asm.sw(t1, 0x7004, 0);
      asm.syscall();
    });
    guest.mapPages(0, 0x2000_0000, 0, entryLo(0x2_0000, false), 0);
    guest.mapPages(1, 0x6000, 0, 0, entryLo(0x3_0000, true));
    guest.write(0x3_0000 + 4 * CP0.PRId, 5);
    guest.start(0x2000_0000, STATUS.UM);
    expect(guest.runToTrap()).toBe(0x180);
    expect(guest.vcpu.regs.gpr[t1]).toBe(5);
    expect(guest.read(0x3_0004)).toBe(5);
  });
});

describe("guest user mode", () => {
  test.each([
    ["a kernel address", (asm: Assembler) => (asm.lui(t0, 0x4000), asm.lw(t1, 0, t0)), 4, 0x4000_0000],
    ["a store to KSeg2", (asm: Assembler) => (asm.lui(t0, 0x6000), asm.sw(t1, 0, t0)), 5, 0x6000_0000],
    ["a device address", (asm: Assembler) => (asm.lui(t0, 0xa000), asm.lw(t1, 0, t0)), 4, 0xa000_0000],
    ["a word across words", (asm: Assembler) => asm.lw(t1, 2, 0), 4, 2],
    ["CP0", (asm: Assembler) => asm.mfc0(t1, 12, 0), 11, null],
    ["the FPU", (asm: Assembler) => asm.mfc1(t1, 0), 11, null],
    ["an overflow", (asm: Assembler) => (asm.lui(t0, 0x8000), asm.add(t0, t0, t0)), 12, null],
    ["a trap", (asm: Assembler) => asm.teq(0, 0), 13, null],
    ["RDHWR that is not enabled", (asm: Assembler) => asm.rdhwr(t1, 29), 10, null],
  ] as const)("%s is an exception of the guest's", (_name, emit, code, badVAddr) => {
    const guest = new TestGuest(createInterpreter);
    guest.trapExceptions();
    guest.assemble(0x4002_0000, emit);
    guest.mapPages(0, 0x2000_0000, 0, entryLo(0x2_0000, false), 0);
    guest.start(0x2000_0000, STATUS.UM);
    expect(guest.runToTrap()).toBe(0x180);
    const { cp0 } = guest.vcpu;
    expect((cp0[CP0.Cause]! >>> 2) & 31).toBe(code);
    if (badVAddr !== null) expect(cp0[CP0.BadVAddr]! >>> 0).toBe(badVAddr);
    if (code === 11) expect((cp0[CP0.Cause]! >>> 28) & 3).toBe(_name === "the FPU" ? 1 : 0);
    // What was executed is what came before it, two words of the handler, and the instruction itself if the
    // exception ends it. It takes a tick in any case.
    const before = (cp0[CP0.EPC]! - 0x2000_0000) / 4;
    expect(guest.machine.guestInstructions).toBe(before + 2 + (badVAddr === null ? 1 : 0));
    expect(guest.machine.timeline.now()).toBe(before + 3);
  });

  test("exceptions in a delay slot name the branch", () => {
    const guest = new TestGuest(createInterpreter);
    guest.trapExceptions();
    guest.assemble(0x4002_0000, (asm) => {
      asm.nop();
      asm.b(asm.address);
      asm.syscall();
    });
    guest.mapPages(0, 0x2000_0000, 0, entryLo(0x2_0000, false), 0);
    guest.start(0x2000_0000, STATUS.UM);
    guest.runToTrap();
    expect(guest.vcpu.cp0[CP0.EPC]! >>> 0).toBe(0x2000_0004);
    expect(guest.vcpu.cp0[CP0.Cause]! < 0).toBe(true);
  });
});
