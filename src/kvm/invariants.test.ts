import { describe, expect, test } from "vitest";
import { createInterpreter } from "../engine/index.ts";
import { CP0 } from "../isa/cp0.ts";
import { GPR } from "../isa/registers.ts";
import { toKseg0 } from "./addresses.ts";
import { InvariantError } from "./errors.ts";
import type { GvaRoot } from "./gva-roots.ts";
import { checkEntry, checkInvariants } from "./invariants.ts";
import type { RefillMode } from "./shadow-mmu.ts";
import { entryLo, TestGuest } from "./testing.ts";

const { t0, t1 } = GPR;

/** A guest that stands behind an exit, with a mapped page in GVA table and host TLB. */
function stopped(refill: RefillMode = "fast", cpus = 1): TestGuest {
  const guest = new TestGuest(createInterpreter, { refill, cpus, checkInvariants: false });
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

function broken(number: number, refill: RefillMode | "two roots", harm: (guest: TestGuest) => void): void {
  const guest = refill === "two roots" ? stoppedWithTwoRoots() : stopped(refill);
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

/** A guest behind an exit that has mapped pages in two guest ASIDs, of which the second is the current one. */
function stoppedWithTwoRoots(): TestGuest {
  const guest = new TestGuest(createInterpreter, { checkInvariants: false });
  for (const asid of [1, 2]) guest.mapPages(asid, 0x0010_0000, asid, entryLo(asid << 14, true), 0);
  guest.assemble(0x4000_1000, (asm) => {
    for (const asid of [1, 2]) {
      asm.addiu(t0, 0, asid);
      asm.mtc0(t0, 10, 0);
      asm.lui(t0, 0x10);
      asm.lw(t1, 0, t0);
    }
    asm.wait();
  });
  guest.start(0x4000_1000);
  guest.runToWait();
  checkInvariants(guest.vcpu, "exit-kernel");
  return guest;
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
  test("2: a CPU in guest context that counts as running the VMM", () =>
    broken(2, "fast", ({ kvm }) => kvm.host.resumeVmm()));
  test("3: a host TLB entry whose PTE is gone", () =>
    broken(3, "fast", (guest) => guest.vcpu.mmu.tables.clearPte(pte(guest, 0x0010_0000))));
  test("3: one on the CPU that the guest has left", () => {
    const guest = stopped("fast", 2);
    const { vcpu, machine } = guest;
    vcpu.waiting = false;
    expect(vcpu.run(1, 1).reason).toBe("intr");
    vcpu.settle();
    checkInvariants(vcpu, "exit-kernel");
    expect(machine.cpu.tlb.probe(0x0010_0000, vcpu.mmu.host.liveAsid)).toBe(-1);
    vcpu.mmu.tables.clearPte(pte(guest, 0x0010_0000));
    expect(() => checkInvariants(vcpu, "exit-kernel")).toThrow(/^invariant 3:/);
  });
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

describe("in roots that are not in use the checker finds", () => {
  const root = ({ vcpu }: TestGuest, asid: number): GvaRoot =>
    vcpu.mmu.roots(false).find(({ guestAsid }) => guestAsid === asid)!;
  const slot = ({ kvm }: TestGuest, gva: number): number => 4 * (gva >>> kvm.host.target.geometry.pgdShift);

  test("1: the ASID that another root has", () =>
    broken(1, "two roots", (guest) => {
      guest.vcpu.regs.kernelMm.setContext(root(guest, 1).context(0), 0);
    }));
  test("3: a host TLB entry whose PTE is gone", () =>
    broken(3, "two roots", (guest) => {
      const { tables, host } = guest.vcpu.mmu;
      const { pgd } = root(guest, 1);
      const lo = tables.format.toEntryLo(tables.lookup(pgd, 0x0010_0000));
      host.tlb.write(0x0010_0000, host.asids.asid(root(guest, 1)), lo, 0);
      checkInvariants(guest.vcpu, "exit-kernel");
      tables.clearPte(tables.walk(pgd, null, 0x0010_0000));
    }));
  test("3: a global host TLB entry", () =>
    broken(3, "two roots", ({ kvm, machine, vcpu }) => {
      const asid = kvm.host.asids.asid(vcpu.regs.kernelMm);
      const index = machine.cpu.tlb.probe(0x0010_0000, asid);
      const entry = machine.cpu.tlb.read(index);
      machine.cpu.tlb.write(index, {
        ...entry,
        entryLo0: entry.entryLo0 | 1,
        entryLo1: entry.entryLo1 | 1,
      });
    }));
  test("4: a PTE that the guest has in another ASID only", () =>
    broken(4, "two roots", (guest) => {
      guest.mapPages(1, 0, 3, 0, 0);
      checkEntry(guest.vcpu);
    }));
  test("6: a write to the host's half", () =>
    broken(6, "two roots", (guest) =>
      guest.machine.memory.write32(root(guest, 0).pgd + 4 * 700, 0x8000_1000),
    ));
  test("7: a table of another root", () =>
    broken(7, "two roots", (guest) => {
      const { memory } = guest.machine;
      const at = slot(guest, 0x0010_0000);
      memory.write32(root(guest, 2).pgd + at, memory.read32(root(guest, 1).pgd + at));
    }));
  test("7: a shared table that is missing, or another's", () => {
    const put = (gva: number, table: (guest: TestGuest) => number) => (guest: TestGuest) =>
      guest.machine.memory.write32(root(guest, 1).pgd + slot(guest, gva), toKseg0(table(guest)));
    broken(
      7,
      "two roots",
      put(0x4000_0000, ({ kvm }) => kvm.host.invalidPteTable),
    );
    broken(
      7,
      "two roots",
      put(0x5000_0000, ({ kvm }) => kvm.host.pages.allocZeroed(4096)),
    );
  });
});

test("checking changes no counter", () => {
  const { vcpu } = stopped();
  const before = JSON.stringify(vcpu.stats);
  checkInvariants(vcpu, "exit-kernel");
  expect(JSON.stringify(vcpu.stats)).toBe(before);
});
