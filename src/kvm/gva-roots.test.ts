import { describe, expect, test } from "vitest";
import { createInterpreter } from "../engine/index.ts";
import { CP0, ENTRY_HI, ENTRY_LO, STATUS } from "../isa/cp0.ts";
import { GPR } from "../isa/registers.ts";
import type { Assembler } from "../uasm/assembler.ts";
import type { Gva } from "./addresses.ts";
import { checkInvariants } from "./invariants.ts";
import { entryLo, TestGuest, type TestGuestOptions } from "./testing.ts";

const { t0, t1, t2, t3, t4 } = GPR;
const CODE = 0x4000_1000;
const USEG = 0x0100_0000;
const KSEG2 = 0x6000_0000;
/** PageMask of pages of 16 MiB: one entry maps thousands of host pages. */
const BIG_PAGES = 0x01ff_e000;

/** A guest with all invariants checked after each exit. */
function newGuest(options: TestGuestOptions = {}): TestGuest {
  const guest = new TestGuest(createInterpreter, { guestBytes: 8 << 20, ...options });
  guest.trapExceptions();
  return guest;
}

/** Runs guest kernel code up to a WAIT behind it. Returns the exits that it took, that one included. */
function run(guest: TestGuest, emit: (asm: Assembler) => void): number {
  const { totalExits } = guest.vcpu.stats;
  guest.assemble(CODE, (asm) => {
    emit(asm);
    asm.wait();
  });
  guest.start(CODE);
  guest.vcpu.waiting = false;
  guest.runToWait();
  return guest.vcpu.stats.totalExits - totalExits;
}

function emitAsid(asm: Assembler, asid: number): void {
  asm.addiu(t0, 0, asid);
  asm.mtc0(t0, 10, 0);
}

function emitLoad(asm: Assembler, rt: number, gva: Gva): void {
  asm.loadConstant(GPR.t9, gva);
  asm.lw(rt, 0, GPR.t9);
}

/** Maps one page for each ASID from 1 at the same address, with the ASID as its contents. */
function mapForEach(guest: TestGuest, asids: number, gva = USEG): void {
  for (let asid = 1; asid <= asids; asid++) {
    guest.mapPages(asid, gva, asid, entryLo(asid << 14, true), 0);
    guest.write(asid << 14, asid);
  }
}

/** Loads from `gva` in each of `asids` in turn, and returns what was found there. */
function visit(guest: TestGuest, asids: readonly number[], gva = USEG): number[] {
  return asids.map((asid) => {
    run(guest, (asm) => {
      emitAsid(asm, asid);
      emitLoad(asm, t1, gva);
    });
    return guest.vcpu.regs.gpr[t1]!;
  });
}

/** Has the guest kernel write guest TLB entry `index`. */
function tlbwi(guest: TestGuest, index: number, entryHi: number, lo0: number, back: number): void {
  run(guest, (asm) => {
    for (const [cp0, value] of [
      [CP0.Index, index],
      [CP0.EntryLo0, lo0],
      [CP0.EntryLo1, lo0 & 1],
      [CP0.EntryHi, entryHi],
    ] as const) {
      asm.loadConstant(t0, value);
      asm.mtc0(t0, cp0 >>> 3, cp0 & 7);
    }
    asm.tlbwi();
    emitAsid(asm, back);
  });
}

const pteIn = (guest: TestGuest, asid: number, gva: Gva): number => {
  const { mmu } = guest.vcpu;
  const root = mmu.roots(false).find(({ guestAsid }) => guestAsid === asid);
  return root === undefined ? 0 : mmu.tables.lookup(root.pgd, gva);
};

describe.each(["fast", "slow"] as const)("roots by guest ASID, refill %s", (refill) => {
  test("each ASID sees its own page, whatever the number of roots", () => {
    for (const gvaRoots of [1, 2, 3, 8]) {
      const guest = newGuest({ refill, gvaRoots });
      mapForEach(guest, 5);
      const order = [1, 2, 3, 4, 5, 1, 1, 5, 2, 3, 2, 1];
      expect(visit(guest, order)).toEqual(order);
    }
  });

  test("an ASID that has used its pages finds them again without an exit but for the change itself", () => {
    const guest = newGuest({ refill });
    mapForEach(guest, 3);
    visit(guest, [1, 2, 3]);
    // MTC0 and WAIT.
    for (const asid of [1, 2, 3, 2])
      expect(
        run(guest, (asm) => {
          emitAsid(asm, asid);
          emitLoad(asm, t1, USEG);
        }),
      ).toBe(2);
  });

  test("host ASIDs run over while roots are parked", () => {
    const guest = newGuest({ refill });
    const { asids } = guest.kvm.host;
    mapForEach(guest, 6);
    visit(guest, [1, 2, 3]);
    const { wraps } = asids;
    while (asids.wraps === wraps) asids.getNew(guest.kvm.host.vmmMm);
    expect(visit(guest, [1, 2, 3, 1])).toEqual([1, 2, 3, 1]);
    // And once more in the middle of a round of changes.
    while ((asids.lastGiven() & 0xff) < 0xfe) asids.getNew(guest.kvm.host.vmmMm);
    expect(visit(guest, [4, 1, 5, 2, 6, 3])).toEqual([4, 1, 5, 2, 6, 3]);
    expect(asids.wraps).toBe(wraps + 2);
  });

  test("memory that goes away is gone in all roots", () => {
    const guest = newGuest({ refill });
    mapForEach(guest, 3);
    visit(guest, [1, 2, 3]);
    // The pages of the second MiB take the place of those of the first.
    for (const asid of [1, 2, 3]) guest.write((1 << 20) + (asid << 14), 10 * asid);
    const first = { slot: 0, guestPhysAddr: 0, memorySize: 1 << 20, hostPhysAddr: guest.ram + (1 << 20) };
    guest.vm.setUserMemoryRegion(first);
    for (const asid of [2, 1, 3]) {
      guest.assemble(CODE + (1 << 20), (asm) => {
        emitAsid(asm, asid);
        emitLoad(asm, t1, USEG);
        asm.wait();
      });
      guest.start(CODE);
      guest.vcpu.waiting = false;
      guest.runToWait();
      expect(guest.vcpu.regs.gpr[t1]).toBe(10 * asid);
    }
  });
});

describe("a guest TLB entry that goes", () => {
  test("takes what is derived from it out of its ASID's root, and no other", () => {
    const guest = newGuest();
    mapForEach(guest, 3);
    visit(guest, [1, 2, 3]);
    guest.write(0x8_0000, 77);
    tlbwi(guest, 2, USEG | 2, entryLo(0x8_0000, true), 3);
    expect([1, 2, 3].map((asid) => pteIn(guest, asid, USEG) !== 0)).toEqual([true, false, true]);
    expect(visit(guest, [1, 2, 3])).toEqual([1, 77, 3]);
  });

  test("goes in all roots if it was global", () => {
    const guest = newGuest();
    const global = (gpa: number): number => entryLo(gpa, true, true);
    guest.mapPages(0, KSEG2, 0, global(0x8_0000), 1);
    guest.write(0x8_0000, 77);
    guest.write(0x9_0000, 88);
    expect(visit(guest, [1, 2, 3], KSEG2)).toEqual([77, 77, 77]);
    tlbwi(guest, 0, KSEG2, global(0x9_0000), 3);
    expect([1, 2, 3].map((asid) => pteIn(guest, asid, KSEG2))).toEqual([0, 0, 0]);
    expect(visit(guest, [2, 3, 1], KSEG2)).toEqual([88, 88, 88]);
  });

  test("leaves direct segments alone that it seems to cover", () => {
    const guest = newGuest();
    guest.mapPages(0, CODE & 0xffff_e000, 1, entryLo(0x2_0000, true), 0);
    visit(guest, [1, 2], 0x4000_0000);
    tlbwi(guest, 0, USEG | 1, 0, 1);
    expect(pteIn(guest, 1, CODE)).not.toBe(0);
    expect(pteIn(guest, 2, CODE)).toBe(pteIn(guest, 1, CODE));
  });

  test("leaves the commpage in the kernel's tables, of small pages and of large ones", () => {
    const guest = newGuest({ dyntrans: true });
    const { commpage } = guest;
    guest.mapPages(0, 0, 1, entryLo(0, true), entryLo(0, true), BIG_PAGES);
    const readPrid = (asm: Assembler): void => {
      asm.lw(t2, commpage + 4 * CP0.PRId, 0);
    };
    run(guest, (asm) => {
      emitAsid(asm, 1);
      readPrid(asm);
      asm.lw(t1, commpage - 4096, 0);
    });
    tlbwi(guest, 0, USEG | 1, 0, 1);
    expect(run(guest, readPrid)).toBe(1);
    expect(guest.vcpu.regs.gpr[t2]).toBe(0x19300);
    expect(pteIn(guest, 1, commpage - 4096)).toBe(0);
  });
});

describe("direct segments", () => {
  test("are filled once for all roots, those to come included", () => {
    const guest = newGuest();
    const data = 0x4070_0000;
    guest.write(0x70_0000, 5);
    // Before the table of that address exists there are two roots, afterwards a third is made.
    visit(guest, [1, 2], 0x4000_0000);
    expect(visit(guest, [1], data)).toEqual([5]);
    for (const asid of [2, 3, 1])
      expect(
        run(guest, (asm) => {
          emitAsid(asm, asid);
          emitLoad(asm, t1, data);
        }),
      ).toBe(2);
  });

  test("an invalid entry that another host ASID has for a good PTE costs one exit", () => {
    const guest = newGuest({ fastExits: false });
    const data = 0x4070_0000;
    visit(guest, [1, 2], data);
    const [one] = guest.vcpu.mmu.roots(false).filter(({ guestAsid }) => guestAsid === 1);
    const { asids, tlb } = guest.kvm.host;
    tlb.write(data, asids.asid(one!), 0, 0);
    const emit = (asm: Assembler): void => {
      emitAsid(asm, 1);
      emitLoad(asm, t1, data);
    };
    expect(run(guest, emit)).toBe(3);
    expect(run(guest, emit)).toBe(2);
  });

  test("a pair that changes is dropped from the host TLB in every ASID", () => {
    const guest = newGuest({ guestBytes: 1 << 20 });
    // The last page of memory: its buddy is beyond it, and comes later.
    const { vm, ram } = guest;
    vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0, memorySize: 0xf_f000, hostPhysAddr: ram });
    visit(guest, [1, 2], 0x400f_e000);
    vm.setUserMemoryRegion({
      slot: 1,
      guestPhysAddr: 0xf_f000,
      memorySize: 0x1000,
      hostPhysAddr: ram + 0xf_f000,
    });
    guest.write(0xf_f000, 9);
    expect(visit(guest, [1], 0x400f_f000)).toEqual([9]);
    const emit = (asm: Assembler): void => {
      emitAsid(asm, 2);
      emitLoad(asm, t1, 0x400f_f000);
    };
    expect(run(guest, emit)).toBe(2);
    expect(guest.vcpu.regs.gpr[t1]).toBe(9);
  });
});

describe("the set of roots", () => {
  test("is bounded; the one not used for longest goes, and its tables with it", () => {
    const guest = newGuest({ gvaRoots: 3 });
    mapForEach(guest, 6);
    visit(guest, [1, 2, 3]);
    const asidsOf = (): number[] => guest.vcpu.mmu.roots(false).map(({ guestAsid }) => guestAsid);
    expect(asidsOf()).toEqual([1, 2, 3]);
    visit(guest, [1, 4]);
    expect(asidsOf()).toEqual([3, 1, 4]);
    const { pages } = guest.kvm.host;
    const before = pages.allocated;
    for (let round = 0; round < 20; round++) visit(guest, [5, 6, 2]);
    expect(pages.allocated).toBeLessThanOrEqual(before + 1);
    guest.vm.destroy();
  });

  test("reuses what it has when the host has no pages left", () => {
    const guest = newGuest();
    const { pages } = guest.kvm.host;
    mapForEach(guest, 6);
    visit(guest, [1, 2]);
    const held: number[] = [];
    while (pages.free > 1) held.push(pages.alloc(pages.pageSize));
    const order = [3, 4, 5, 6, 1, 2, 3, 4];
    expect(visit(guest, order)).toEqual(order);
    for (const page of held) pages.release(page);
    expect(visit(guest, order)).toEqual(order);
  });

  test("serves user mode too, which gets a new root only when it is entered", () => {
    const guest = newGuest();
    const program = 0x2000_0000;
    guest.assemble(0x4006_0000, (asm) => {
      emitLoad(asm, t1, USEG);
      asm.syscall();
    });
    mapForEach(guest, 2);
    for (const asid of [1, 2]) guest.mapPages(10 + asid, program, asid, entryLo(0x6_0000, true), 0);
    const runUser = (asid: number): void => {
      run(guest, (asm) => emitAsid(asm, asid));
      guest.start(program, STATUS.UM);
      guest.vcpu.waiting = false;
      expect(guest.runToTrap()).toBe(0x180);
      expect(guest.vcpu.regs.gpr[t1]).toBe(asid);
    };
    for (const asid of [1, 2]) runUser(asid);
    const { gvaPtesFilled } = guest.vcpu.stats;
    for (const asid of [1, 2, 1, 1, 2]) runUser(asid);
    expect(guest.vcpu.stats.gvaPtesFilled).toBe(gvaPtesFilled);
    run(guest, (asm) => [3, 4, 2].forEach((asid) => emitAsid(asm, asid)));
    expect(guest.vcpu.mmu.guestAsidOf(true)).toBe(2);
    expect(guest.vcpu.mmu.roots(true).map(({ guestAsid }) => guestAsid)).toEqual([0, 1, 2]);
  });

  test("is filled for the ASID that the guest has, also by a kernel that made itself user mode", () => {
    for (const refill of ["fast", "slow"] as const) {
      const guest = newGuest({ refill, dyntrans: true });
      const program = 0x2000_0000;
      guest.assemble(0x4006_0000, (asm) => {
        emitLoad(asm, t1, USEG);
        asm.syscall();
      });
      mapForEach(guest, 2);
      guest.mapPages(10, program, 1, entryLo(0x6_0000, true), 0);
      run(guest, (asm) => emitAsid(asm, 1));
      guest.start(program, STATUS.UM);
      guest.vcpu.waiting = false;
      expect(guest.runToTrap()).toBe(0x180);
      const { commpage } = guest;
      const { mmu } = guest.vcpu;
      const [one] = mmu.roots(true).filter(({ guestAsid }) => guestAsid === 1);
      const pte = mmu.tables.lookup(one!.pgd, USEG);
      // From now on its host ASID belongs to others.
      mmu.mmOf(true).dropContexts();
      guest.kvm.host.tlb.flushAllNonWired();
      guest.assemble(CODE, (asm) => {
        emitAsid(asm, 2);
        emitLoad(asm, t2, 0x4000_0000);
        asm.loadConstant(t0, STATUS.UM);
        asm.sw(t0, commpage + 4 * CP0.Status, 0);
        emitLoad(asm, t1, USEG);
      });
      guest.start(CODE);
      expect(guest.runToTrap()).toBe(0x180);
      expect(mmu.tables.lookup(one!.pgd, USEG)).toBe(pte);
      const { asids } = guest.kvm.host;
      const { tlb } = guest.machine.cpu;
      const holders = new Set([mmu.mmOf(false), mmu.mmOf(true)].map((mm) => asids.asid(mm)));
      for (let index = 0; index < tlb.entries; index++) {
        const { entryHi, entryLo0 } = tlb.read(index);
        if ((entryHi & ENTRY_HI.VPN2) >>> 0 === USEG && (entryLo0 & ENTRY_LO.V) !== 0)
          expect(holders).toContain(entryHi & ENTRY_HI.ASID);
      }
    }
  });

  test("gives everything back", () => {
    const guest = newGuest();
    mapForEach(guest, 6);
    guest.vm.destroy();
    const empty = guest.kvm.host.pages.allocated;
    for (const gvaRoots of [1, 4]) {
      const vm = guest.kvm.createVm({ gvaRoots, checkInvariants: true });
      vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0, memorySize: 1 << 20, hostPhysAddr: guest.ram });
      const vcpu = vm.createVcpu();
      guest.assemble(CODE, (asm) => {
        for (let asid = 1; asid <= 6; asid++) {
          emitAsid(asm, asid);
          emitLoad(asm, t1, 0x4000_0000 + asid * 0x1_0000);
        }
        asm.wait();
      });
      vcpu.regs.pc = CODE;
      vcpu.cp0[CP0.Status] = 0;
      expect(vcpu.run(1000).reason).toBe("irq-window-open");
      expect(vcpu.mmu.roots(false).length).toBe(gvaRoots);
      vm.destroy();
      expect(guest.kvm.host.pages.allocated).toBe(empty);
    }
  });
});

/** What an ASID change looks at: PTEs and slots read or written, host TLB entries written. */
function workOfChange(pages: number, gvaRoots: number): { ptes: number; tlb: number; exits: number } {
  const guest = newGuest({ gvaRoots, checkInvariants: false });
  const { mmu } = guest.vcpu;
  for (const asid of [1, 2]) guest.mapPages(asid, 0x0200_0000, asid, entryLo(0, true), 0, BIG_PAGES);
  const change = (asid: number, touch: number): number =>
    run(guest, (asm) => {
      const loop = asm.label();
      emitAsid(asm, asid);
      asm.loadConstant(t3, 0x0200_0000);
      asm.loadConstant(t4, touch);
      asm.bind(loop);
      asm.lw(t1, 0, t3);
      asm.addiu(t4, t4, -1);
      asm.bgtz(t4, loop);
      asm.addiu(t3, t3, 4096);
    });
  for (const asid of [1, 2, 1, 2]) change(asid, pages);
  let ptes = 0;
  for (const name of ["readPte", "writePte"] as const) {
    const original = mmu.tables[name].bind(mmu.tables) as (...args: number[]) => number;
    Reflect.set(mmu.tables, name, (...args: number[]) => {
      ptes++;
      return original(...args);
    });
  }
  const writes = guest.kvm.host.tlb.writes;
  const exits = change(1, pages);
  const work = { ptes, tlb: guest.kvm.host.tlb.writes - writes, exits };
  checkInvariants(guest.vcpu, "exit-kernel");
  return work;
}

describe("the work of an ASID change", () => {
  test("is the same for 1 page and for 1,024, however many are touched before and after", () => {
    const one = workOfChange(1, 8);
    expect(one).toMatchObject({ tlb: 0, exits: 2 });
    expect(workOfChange(1024, 8)).toEqual(one);
  });

  test("grows with the pages under one root", () => {
    // One exit fills the pairs of 64 KiB.
    expect(workOfChange(1024, 1).exits).toBe(2 + 64);
  });
});
