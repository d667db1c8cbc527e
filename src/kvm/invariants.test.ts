import { describe, expect, test } from "vitest";
import { createInterpreter } from "../engine/index.ts";
import { CP0 } from "../isa/cp0.ts";
import { GPR } from "../isa/registers.ts";
import { InvariantError } from "./errors.ts";
import { checkEntry, checkInvariants } from "./invariants.ts";
import type { RefillMode } from "./shadow-mmu.ts";
import { entryLo, TestGuest } from "./testing.ts";

const { t0, t1 } = GPR;

/** A guest that stands behind an exit, with a mapped page in GVA table and host TLB. */
function stopped(refill: RefillMode = "fast"): TestGuest {
  const guest = new TestGuest(createInterpreter, { refill, checkInvariants: false });
  guest.assemble(0x4000_1000, (asm) => {
    asm.lui(t0, 0x10);
    asm.lw(t1, 0, t0);
    asm.lw(t1, 0x1000, t0);
    asm.wait();
  });
  guest.mapPages(0, 0x0010_0000, 0, entryLo(0x2_0000, true), entryLo(0x2_1000, false));
  guest.start(0x4000_1000);
  guest.runToWait();
  checkInvariants(guest.vcpu, "exit-kernel");
  return guest;
}

function broken(number: number, refill: RefillMode, harm: (guest: TestGuest) => void): void {
  const guest = stopped(refill);
  harm(guest);
  const error = ((): unknown => {
    try {
      checkEntry(guest.vcpu);
      checkInvariants(guest.vcpu, "exit-kernel");
      return null;
    } catch (thrown) {
      return thrown;
    }
  })();
  expect(error).toBeInstanceOf(InvariantError);
  expect((error as InvariantError).invariant).toBe(number);
}

describe("the checker finds", () => {
  const pte = (guest: TestGuest, gva: number): number => {
    const { mmu } = guest.vcpu;
    return mmu.tables.walk(mmu.mmOf(false).pgd, null, gva);
  };

  test("1: a stale ASID", () => broken(1, "fast", ({ vcpu }) => vcpu.regs.kernelMm.dropContexts()));
  test("2: a guest's vectors in the host", () =>
    broken(2, "fast", ({ machine, vcpu }) => (machine.cpu.cp0[CP0.EBase] = vcpu.code.block)));
  test("2: HWREna, Status", () => {
    broken(2, "fast", ({ machine }) => (machine.cpu.cp0[CP0.HWREna] = 0));
    broken(2, "fast", ({ machine }) => (machine.cpu.cp0[CP0.Status] = 0));
  });
  test("2: another root or ASID than the mode's", () => {
    broken(2, "fast", ({ kvm, vcpu }) => kvm.host.publishPgd(vcpu.regs.userMm.pgd));
    broken(2, "fast", ({ machine }) => machine.ops.writeCp0(CP0.EntryHi, 77));
  });
  test("3: a host TLB entry whose PTE is gone", () =>
    broken(3, "fast", (guest) => guest.vcpu.mmu.tables.clearPte(pte(guest, 0x0010_0000))));
  test("3: a host TLB entry without a guest mapping, with no tables", () =>
    broken(3, "slow", (guest) => guest.mapPages(0, 0, 0, 0, 0)));
  test("3: a writable one of a page that the guest made clean, with no tables", () =>
    broken(3, "slow", (guest) =>
      guest.mapPages(0, 0x0010_0000, 0, entryLo(0x2_0000, false), entryLo(0x2_1000, false)),
    ));
  test("4: a PTE without a guest mapping", () => broken(4, "fast", (guest) => guest.mapPages(0, 0, 0, 0, 0)));
  test("4: a PTE of another page", () =>
    broken(4, "fast", ({ vcpu }) => {
      const guest = vcpu.mmu.tables;
      const at = guest.walk(vcpu.mmu.mmOf(false).pgd, null, 0x0010_0000);
      guest.writePte(at, guest.format.make(0, { write: true, young: true, dirty: true }));
    }));
  test("5: a PTE that lets stores through to a clean page", () =>
    broken(5, "fast", (guest) => {
      const { tables } = guest.vcpu.mmu;
      tables.writePte(
        pte(guest, 0x0010_1000),
        tables.format.make(guest.ram + 0x2_1000, { write: true, young: true, dirty: true }),
      );
    }));
  test("6: a write to the host's half of a root", () =>
    broken(6, "fast", ({ machine, vcpu }) =>
      machine.memory.write32(vcpu.regs.userMm.pgd + 4 * 700, 0x8000_1000),
    ));
});

test("checking changes no counter", () => {
  const { vcpu } = stopped();
  const before = JSON.stringify(vcpu.stats);
  checkInvariants(vcpu, "exit-kernel");
  expect(JSON.stringify(vcpu.stats)).toBe(before);
});
