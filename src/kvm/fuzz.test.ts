import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createInterpreter } from "../engine/index.ts";
import { CP0, STATUS } from "../isa/cp0.ts";
import { encodingOf } from "../isa/operands.ts";
import { INSTRUCTIONS } from "../isa/decode.ts";
import type { RefillMode } from "./shadow-mmu.ts";
import { entryLo, TestGuest } from "./testing.ts";

const CODE = 0x4000_1000;
const USER_CODE = 0x2000_0000;

/** Words of any instruction of the table, with any operands; and any word at all. */
const anyWord = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(fc.constantFrom(...INSTRUCTIONS), fc.integer()) },
  { weight: 1, arbitrary: fc.tuple(fc.constant(null), fc.integer()) },
);
const toWord = ([row, bits]: [(typeof INSTRUCTIONS)[number] | null, number]): number => {
  if (row === null) return bits;
  const { mask, match } = encodingOf(row);
  return (bits & ~mask) | match;
};

/** Addresses of every kind, for registers to hold. */
const address = fc.constantFrom(
  ...[0, 0x6ff8, 0x7000, 0x7028, 0x7180, 0x8000, 0x0010_0000, 0x0010_1ffc, 0x2000_0000, 0x3fff_fffc],
  ...[0x4000_0000, 0x4000_1000, 0x4004_0004, 0x5fc0_0000, 0x6000_0000, 0x7fff_fffc],
  ...[0x8000_0000, 0xa000_03f8, 0xbfff_ffff, 0xc000_0000, 0xffff_ffff, 0x1234_5678],
);

/** Where the commpage lies depends on the host's page size, and what is there is not for the guest to write. */
const farFromCommpage = address.filter((value) => value >= 0x0010_0000);

/** True if no word of `one` can be an access relative to $zero, or a sum that ends near 0. */
function hasNoLowAccess({ words }: Program): boolean {
  return words.every((word) => word >>> 31 === 0 || ((word >>> 21) & 31) !== 0);
}

interface Program {
  readonly words: readonly number[];
  readonly registers: readonly number[];
  readonly user: boolean;
  readonly pageSize: 4096 | 16384;
  readonly refill: RefillMode;
}

const programWith = (addresses: fc.Arbitrary<number>): fc.Arbitrary<Program> =>
  fc.record({
    words: fc.array(anyWord.map(toWord), { minLength: 1, maxLength: 40 }),
    registers: fc.array(addresses, { minLength: 31, maxLength: 31 }),
    user: fc.boolean(),
    pageSize: fc.constantFrom(4096 as const, 16384 as const),
    refill: fc.constantFrom<RefillMode>("fast", "slow"),
  });

function load(guest: TestGuest, { words, registers, user }: Program): void {
  words.forEach((word, index) => {
    guest.write(0x1000 + 4 * index, word);
    guest.write(0x2_0000 + 4 * index, word);
  });
  guest.vcpu.regs.gpr.set(registers, 1);
  const mask = 0x6000;
  guest.mapPages(0, USER_CODE, 0, entryLo(0x2_0000, true, true), entryLo(0x3_0000, true, true), mask);
  guest.mapPages(1, 0x0010_0000, 0, entryLo(0x4_0000, true), entryLo(0x5_0000, false), mask);
  guest.mapPages(2, 0x6000_0000, 0, entryLo(0x2_0000, false), entryLo(0x1800_0000, true), mask);
  guest.start(user ? USER_CODE : CODE, (user ? STATUS.UM : 0) | STATUS.IE | 0xff00);
}

/** Runs for a while as a VMM does; stops at what a guest cannot go on from. */
function runSome(guest: TestGuest, exits: number): string {
  for (let i = 0; i < exits; i++) {
    const exit = guest.vcpu.run(500);
    switch (exit.reason) {
      case "mmio":
        if (!exit.isWrite) exit.data = (exit.physAddr * 2654435761) >>> 0;
        break;
      case "irq-window-open":
        guest.machine.timeline.retire(1000);
        guest.vcpu.interrupt(i % 2 === 0 ? 2 : -2);
        break;
      case "intr":
        break;
      case "debug":
        throw new Error("nobody debugs this guest");
      case "internal-error":
        return exit.message;
    }
  }
  return "";
}

describe("any guest code", () => {
  test("throws nothing and breaks no invariant", () => {
    fc.assert(
      fc.property(programWith(address), (one) => {
        const guest = new TestGuest(createInterpreter, { pageSize: one.pageSize, refill: one.refill });
        guest.trapExceptions();
        load(guest, one);
        runSome(guest, 12);
        guest.vm.destroy();
      }),
      { numRuns: 60, seed: 1 },
    );
  }, 60_000);

  test("does the same with either refill, any host page size, and without fast exits", () => {
    fc.assert(
      fc.property(programWith(farFromCommpage).filter(hasNoLowAccess), (one) => {
        const results = (
          [
            ["fast", 4096, true],
            ["slow", 4096, true],
            ["fast", 16384, true],
            ["fast", 4096, false],
          ] as const
        ).map(([refill, pageSize, fastExits]) => {
          const guest = new TestGuest(createInterpreter, {
            pageSize,
            refill,
            fastExits,
            dyntrans: false,
            checkInvariants: false,
          });
          guest.trapExceptions();
          load(guest, one);
          // Where the commpage lies depends on the page size, and the register array is not for the guest to write.
          const error = runSome(guest, 12);
          const { regs, cp0 } = guest.vcpu;
          return [
            error,
            Array.from(guest.vcpu.getRegs().gpr),
            cp0[CP0.EPC],
            regs.hi,
            guest.machine.timeline.now(),
          ];
        });
        expect(results[1]).toEqual(results[0]);
        expect(results[2]).toEqual(results[0]);
        expect(results[3]).toEqual(results[0]);
      }),
      { numRuns: 30, seed: 1 },
    );
  }, 60_000);
});
