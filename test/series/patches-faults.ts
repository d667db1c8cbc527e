/** Patches 20 to 24: what fills and empties GVA tables. */
import assert from "node:assert/strict";
import { CP0, STATUS } from "../../src/isa/cp0.ts";
import { GPR } from "../../src/isa/registers.ts";
import { toKseg0, type Gva } from "../../src/kvm/addresses.ts";
import { HostSlotError } from "../../src/kvm/gva-table.ts";
import type { TestGuest } from "../../src/kvm/testing.ts";
import {
  emitLoad,
  emitTlbwi,
  exitsOf,
  expectTrap,
  hostWords,
  mapPair,
  newGuest,
  runCode,
  slotOf,
  spy,
  startCode,
} from "./lab.ts";
import type { Host, Patch } from "./patch.ts";

const { t1, t2, t3 } = GPR;
const USEG = 0x0010_0000;
const USER_CODE = 0x2000_0000;
const KSEG0 = 0x4004_0000;
const KSEG2 = 0x6000_0000;

const present = (guest: TestGuest, gva: Gva, user: boolean): boolean =>
  guest.vcpu.mmu.tables.format.present(guest.vcpu.mmu.lookup(gva, user));

/** Has the guest kernel change its ASID to each of `asids`. */
function changeAsid(guest: TestGuest, ...asids: number[]): void {
  runCode(guest, (asm) => {
    for (const asid of asids) {
      asm.addiu(GPR.t0, 0, asid);
      asm.mtc0(GPR.t0, 10, 0);
    }
  });
}

/** Runs the user program, which loads from USEG and makes a system call. */
function runUser(guest: TestGuest): void {
  guest.start(USER_CODE, STATUS.UM);
  guest.vcpu.waiting = false;
  assert.equal(expectTrap(guest), 0x180);
  assert.equal((guest.vcpu.cp0[CP0.Cause]! >>> 2) & 31, 8, "the program's system call");
}

function asidChanges(host: Host): void {
  const guest = newGuest(host);
  const { vcpu, kvm } = guest;
  const invalid = toKseg0(kvm.host.invalidPteTable);
  guest.assemble(0x4006_0000, (asm) => {
    emitLoad(asm, t1, USEG);
    asm.syscall();
  });
  mapPair(guest, 0, USEG, 1, 0x2_0000);
  mapPair(guest, 1, KSEG2, 1, 0x3_0000);
  mapPair(guest, 2, USER_CODE, 1, 0x6_0000);
  guest.write(0x2_0000, 42);
  changeAsid(guest, 1);
  runUser(guest);
  runCode(guest, (asm) => {
    for (const gva of [USEG, KSEG2, KSEG0, USER_CODE]) emitLoad(asm, t1, gva);
  });
  for (const gva of [USEG, KSEG2, KSEG0, USER_CODE])
    assert.ok(present(guest, gva, false), "the kernel's PTEs");
  for (const gva of [USEG, USER_CODE]) assert.ok(present(guest, gva, true), "user mode's PTEs");
  const { kernelMm } = vcpu.regs;
  assert.notEqual(slotOf(guest, kernelMm.pgd, KSEG2), invalid);
  changeAsid(guest, 2);
  for (const gva of [USEG, KSEG2, USER_CODE])
    assert.ok(!present(guest, gva, false), `the kernel's PTE of ${gva.toString(16)} went at once`);
  assert.ok(present(guest, KSEG0, false), "KSeg0 depends on no ASID and stays");
  for (const gva of [KSEG2, USER_CODE])
    assert.equal(slotOf(guest, kernelMm.pgd, gva), invalid, "a table without PTEs was freed");
  assert.ok(present(guest, USEG, true), "user mode's table waits");
  // Back again before user mode: nothing of the user's was lost, so that it runs without an exit but its own.
  changeAsid(guest, 1);
  const { tlbmiss_ld: misses = 0 } = vcpu.stats.exits;
  const filled = vcpu.stats.gvaPtesFilled;
  for (const gva of [USEG, USER_CODE]) assert.ok(present(guest, gva, true), "1 → 2 → 1 flushes nothing");
  runUser(guest);
  assert.equal(vcpu.regs.gpr[t1], 42);
  for (const gva of [USEG, USER_CODE]) assert.ok(present(guest, gva, true), "nor does the entry");
  // The trap handler's page was there already.
  assert.deepEqual([vcpu.stats.exits.tlbmiss_ld, vcpu.stats.gvaPtesFilled], [misses, filled]);
  // Another ASID, another page behind the same address.
  changeAsid(guest, 2);
  mapPair(guest, 3, USER_CODE, 2, 0x6_0000);
  mapPair(guest, 4, USEG, 2, 0x4_0000);
  guest.write(0x4_0000, 43);
  runUser(guest);
  assert.equal(vcpu.regs.gpr[t1], 43, "user mode's table was flushed before it ran with another ASID");
}

function staleGoesOnTlbw(host: Host): void {
  const guest = newGuest(host);
  const { kvm, vm, machine, vcpu } = guest;
  const { pageSize } = host;
  guest.assemble(0x4006_0000, (asm) => {
    emitLoad(asm, t1, USEG);
    asm.syscall();
  });
  mapPair(guest, 0, USEG, 0, 0x2_0000);
  mapPair(guest, 1, KSEG2, 0, 0x3_0000);
  mapPair(guest, 2, USER_CODE, 0, 0x6_0000);
  runUser(guest);
  const both = [USEG, USEG + pageSize];
  runCode(guest, (asm) => {
    for (const gva of [...both, KSEG2, KSEG2 + pageSize]) emitLoad(asm, t1, gva);
  });
  for (const gva of both) assert.ok(present(guest, gva, true) && present(guest, gva, false));
  runCode(guest, (asm) => emitTlbwi(guest, asm, 0, USEG + 0x40_0000, null));
  for (const gva of both)
    assert.ok(!present(guest, gva, true) && !present(guest, gva, false), "both halves, in both tables");
  assert.ok(present(guest, USER_CODE, true) && present(guest, KSEG2, false), "nothing else");
  runCode(guest, (asm) => emitTlbwi(guest, asm, 1, KSEG2 + 0x40_0000, null));
  for (const gva of [KSEG2, KSEG2 + pageSize]) assert.ok(!present(guest, gva, false), "KSeg2 too");

  // A table of the host kernel's own, which every root made from now on shows in the host's half.
  const HOST_GVA = 0xc000_0000;
  const { geometry, format } = kvm.host.target;
  const table = kvm.host.pages.allocZeroed(pageSize);
  const pte = format.make(guest.ram, { write: true, young: true, dirty: true });
  for (let i = 0; i < pageSize / 4; i++) machine.memory.write32(table + 4 * i, pte);
  machine.memory.write32(kvm.host.pgd + 4 * (HOST_GVA >>> geometry.pgdShift), toKseg0(table));
  const second = vm.createVcpu(1);
  assert.equal(slotOf(guest, second.regs.kernelMm.pgd, HOST_GVA), toKseg0(table), "the host's half");
  startCode(guest, (asm) => {
    for (const gpa of [0x2_0000, 0x3_0000]) emitTlbwi(guest, asm, 5, HOST_GVA, gpa);
    emitTlbwi(guest, asm, 5, USEG, null);
    asm.wait();
  });
  second.regs.pc = guest.vcpu.regs.pc;
  second.cp0[CP0.Status] = 0;
  assert.equal(second.run(100_000).reason, "irq-window-open");
  const words = hostWords(guest, toKseg0(table), pageSize / 4);
  assert.ok(
    words.every((word) => word === pte),
    "no PTE of the host's was changed",
  );
  const { tables } = vcpu.mmu;
  assert.throws(() => tables.walk(second.regs.kernelMm.pgd, tables.newCache(), HOST_GVA), HostSlotError);
}

function kseg0Faults(host: Host): void {
  const guest = newGuest(host);
  const { vcpu, kvm } = guest;
  const { pageSize } = host;
  let direct = 0;
  spy(kvm.host.tlb, "write", () => direct++);
  runCode(guest, (asm) => asm.nop());
  guest.write(0x4_0000, 0x1234_5678);
  guest.write(0x4_0000 + pageSize, 0x2345_6789);
  const { tlbmiss_ld: before = 0 } = vcpu.stats.exits;
  runCode(guest, (asm) => {
    emitLoad(asm, t1, KSEG0);
    emitLoad(asm, t2, KSEG0 + pageSize);
    asm.sw(t1, 4, GPR.t9);
  });
  assert.deepEqual([vcpu.regs.gpr[t1], vcpu.regs.gpr[t2]], [0x1234_5678, 0x2345_6789]);
  assert.equal(guest.read(0x4_0004 + pageSize), 0x1234_5678);
  const { tlbmiss_ld: after = 0, tlbmiss_st: stores = 0, tlbmod = 0 } = vcpu.stats.exits;
  assert.deepEqual([after - before, stores, tlbmod], [1, 0, 0], "one exit, for the first page touched");
  const { format } = vcpu.mmu.tables;
  for (const gva of [KSEG0, KSEG0 + pageSize]) {
    const pte = vcpu.mmu.lookup(gva, false);
    assert.ok(format.present(pte) && format.young(pte) && format.dirty(pte), "the PTE is there");
    assert.equal(format.hpa(pte), guest.ram + (gva & 0x1fff_ffff));
  }
  assert.equal(direct, 0, "the hypervisor wrote no translation into the host TLB itself");
}

function mappedFaults(host: Host): void {
  const guest = newGuest(host);
  const { vcpu, kvm } = guest;
  const { format } = vcpu.mmu.tables;
  mapPair(guest, 0, USEG, 0, 0x2_0000, false);
  guest.write(0x2_0000, 77);
  const load = (): void => runCode(guest, (asm) => emitLoad(asm, t1, USEG));
  load();
  const pte = vcpu.mmu.lookup(USEG, false);
  assert.ok(format.valid(pte), "V is set");
  assert.ok(!format.hardwareWritable(pte), "D is not");
  kvm.host.tlb.flushAllNonWired();
  const exits = exitsOf(guest);
  load();
  assert.equal(vcpu.regs.gpr[t1], 77);
  assert.equal(
    exitsOf(guest) - exits,
    1,
    "evicted from the host TLB, it comes back without an exit but WAIT",
  );
  startCode(guest, (asm) => {
    asm.loadConstant(GPR.t0, USEG);
    asm.sw(0, 0, GPR.t0);
    asm.wait();
  });
  assert.equal(expectTrap(guest), 0x180, "the store is an exception of the guest's");
  assert.equal((vcpu.cp0[CP0.Cause]! >>> 2) & 31, 1, "Modified");
  assert.equal(vcpu.stats.exits.tlbmod, 1, "once");
  assert.equal(guest.read(0x2_0000), 77, "and nothing was stored");
}

function commpageFaults(host: Host): void {
  const guest = newGuest(host);
  const { vcpu, kvm, machine, vm } = guest;
  const { commpage } = guest;
  const wired = (): number => machine.ops.readCp0(CP0.Wired);
  assert.equal(commpage, host.pageSize === 4096 ? 0x7000 : 0x4000);
  assert.equal(wired(), 0, "a VM wires no host TLB entry");
  // The guest maps the pair around the commpage, its half too.
  const neighbour = commpage - host.pageSize;
  mapPair(guest, 0, neighbour, 0, 0x2_0000);
  guest.write(0x2_0010, 99);
  const prid = commpage + 4 * CP0.PRId;
  runCode(guest, (asm) => {
    asm.lw(t1, prid, 0);
    asm.lw(t2, neighbour + 0x10, 0);
    asm.sw(t2, neighbour + 0x14, 0);
    asm.lw(t3, prid, 0);
  });
  const { gpr } = vcpu.regs;
  assert.deepEqual([gpr[t1], gpr[t2], gpr[t3]], [0x19300, 99, 0x19300], "both work");
  assert.equal(guest.read(0x2_0014), 99);
  assert.equal(vcpu.stats.exits.tlbmiss_ld, 3, "one for the code and one for each of the two pages");
  const exits = exitsOf(guest);
  runCode(guest, (asm) => {
    asm.lw(t1, prid, 0);
    asm.lw(t2, neighbour + 0x10, 0);
  });
  assert.equal(exitsOf(guest) - exits, 1, "neither displaced the other: the WAIT is the only exit");
  assert.ok(present(guest, commpage, false) && present(guest, neighbour, false), "a PTE for each");
  assert.ok(!present(guest, commpage, true), "none for user mode");
  assert.equal(wired(), 0);
  vm.destroy();
  const next = kvm.createVm();
  next.createVcpu();
  assert.equal(wired(), 0);
  next.destroy();
  assert.equal(wired(), 0, "Wired is unchanged");
}

export const FAULTS: readonly Patch[] = [
  { number: 20, kind: "behaviour", title: "Invalidate GVA PTs on ASID changes", test: asidChanges },
  { number: 21, kind: "behaviour", title: "Invalidate stale GVA PTEs on TLBW", test: staleGoesOnTlbw },
  { number: 22, kind: "behaviour", title: "Convert KSeg0 faults", test: kseg0Faults },
  { number: 23, kind: "behaviour", title: "Convert TLB mapped faults", test: mappedFaults },
  { number: 24, kind: "behaviour", title: "Convert commpage faults", test: commpageFaults },
];
