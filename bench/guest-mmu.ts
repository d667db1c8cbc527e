/** What the hypervisor's MMU costs: an ASID change of a guest, by the pages it has mapped, and a look-up in its TLB. */
import { createTranslator } from "../src/engine/index.ts";
import { GPR } from "../src/isa/registers.ts";
import { GUEST_TLB_SIZES, GuestTlb } from "../src/kvm/guest-tlb.ts";
import { entryLo, TestGuest } from "../src/kvm/testing.ts";
import { median } from "./statistics.ts";
import type { Row, Section } from "./table.ts";

const { t0, t1, t2, t3, t4 } = GPR;
const CODE = 0x4000_1000;
const PAGES = 0x0200_0000;
/** Pages of 16 MiB: one entry of the guest's TLB maps all host pages that are touched. */
const BIG_PAGES = 0x01ff_e000;
const COUNTS = [0, 1, 16, 64, 256, 1024];
/** Changes in one batch; batches with and without changes take turns, as their difference is small. */
const CHANGES = 200;
const BATCHES = 15;
const LOOKUPS = 1_000_000;

/** A guest that has mapped and used `pages` pages in each of two ASIDs. */
class Changer {
  private readonly guest: TestGuest;
  private readonly pages: number;

  constructor(pages: number, gvaRoots: number) {
    this.pages = pages;
    this.guest = new TestGuest(createTranslator, { guestBytes: 8 << 20, gvaRoots, checkInvariants: false });
    for (const asid of [1, 2]) this.guest.mapPages(asid, PAGES, asid, entryLo(0, true), 0, BIG_PAGES);
    this.run(4, 1 ^ 2, pages);
  }

  /**
   * Writes EntryHi `times` times (an even number), each time with the ASID of before ^ `flip`, and touches `touched` pages after each.
   * Returns nanoseconds and exits, both for one time.
   */
  private run(times: number, flip: number, touched: number): { readonly ns: number; readonly exits: number } {
    const { guest } = this;
    guest.assemble(CODE, (asm) => {
      const change = asm.label();
      const touch = asm.label();
      const next = asm.label();
      asm.addiu(t0, 0, 1 ^ flip);
      asm.loadConstant(t1, times);
      asm.bind(change);
      asm.mtc0(t0, 10, 0);
      asm.loadConstant(t2, touched);
      asm.loadConstant(t3, PAGES);
      asm.beqz(t2, next);
      asm.nop();
      asm.bind(touch);
      asm.lw(t4, 0, t3);
      asm.addiu(t2, t2, -1);
      asm.bnez(t2, touch);
      asm.addiu(t3, t3, 4096);
      asm.bind(next);
      asm.addiu(t1, t1, -1);
      asm.bnez(t1, change);
      asm.xori(t0, t0, flip);
      asm.wait();
    });
    guest.start(CODE);
    guest.vcpu.waiting = false;
    const { totalExits } = guest.vcpu.stats;
    const began = performance.now();
    const exit = guest.run(Infinity);
    const ns = ((performance.now() - began) * 1e6) / times;
    if (exit.reason !== "irq-window-open") throw new Error(`the guest ended with ${exit.reason}`);
    return { ns, exits: (guest.vcpu.stats.totalExits - totalExits) / times };
  }

  /**
   * What a change costs beyond a write of the ASID that was there already, the touches of pages after it included or
   * not.
   */
  cost(times: number, touched = this.pages): { readonly ns: number; readonly exits: number } {
    const ns: number[] = [];
    let exits = 0;
    for (let batch = 0; batch < BATCHES; batch++) {
      const same = this.run(times, 0, touched);
      const other = this.run(times, 1 ^ 2, touched);
      ns.push(other.ns - same.ns);
      exits = other.exits - same.exits;
    }
    return { ns: median(ns), exits: Math.round(exits) };
  }
}

/** The cost of an ASID change with 0 to 1,024 pages mapped on both sides of it, under many roots and under one. */
export function asidChangeCost(runs: number): Section {
  const rows = COUNTS.map((pages): Row => {
    const many = new Changer(pages, 8);
    const one = new Changer(pages, 1);
    const times = Math.max(4, 2 * Math.floor(CHANGES / (2 + pages / 8)));
    // The first ones warm the engine up.
    many.cost(CHANGES, 0);
    one.cost(times);
    const alone: number[] = [];
    const touched: number[] = [];
    for (let round = 0; round < runs; round++) {
      // With a root for each ASID the pages stay mapped, touched or not.
      alone.push(many.cost(CHANGES, 0).ns);
      touched.push(one.cost(times).ns);
    }
    return {
      name: `${pages} pages`,
      values: {
        "8 roots: ns": median(alone),
        "8 roots: exits": many.cost(times).exits,
        "1 root: ns": median(touched),
        "1 root: exits": one.cost(times).exits,
      },
      samples: { many: alone, one: touched },
    };
  });
  return {
    title: "An ASID change of a guest, beyond the exit that it takes; its pages are touched again",
    rows,
  };
}

/** Nanoseconds of a look-up in a full guest TLB that is found, and of one that is not. */
export function guestTlbLookups(runs: number): Section {
  const rows = GUEST_TLB_SIZES.map((size): Row => {
    const tlb = new GuestTlb(size);
    for (let index = 0; index < size; index++)
      tlb.write(index, { entryHi: PAGES + index * 0x2000 + 1, pageMask: 0, entryLo0: 0x46, entryLo1: 0x46 });
    const measure = (asid: number): number => {
      const began = performance.now();
      for (let n = 0, at = 0; n < LOOKUPS; n++, at = (at + 37) % size)
        if (tlb.lookup(PAGES + at * 0x2000, asid) >= 0 !== (asid === 1))
          throw new Error("found what is not there");
      return ((performance.now() - began) * 1e6) / LOOKUPS;
    };
    measure(1);
    const found: number[] = [];
    const missed: number[] = [];
    for (let round = 0; round < runs; round++) {
      found.push(measure(1));
      missed.push(measure(2));
    }
    return {
      name: `${size} entries`,
      values: { "ns found": median(found), "ns missed": median(missed) },
      samples: { found, missed },
    };
  });
  return { title: "A look-up in the guest's TLB", rows };
}
