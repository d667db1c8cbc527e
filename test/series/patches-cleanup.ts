/** Patches 25 to 30: what the GVA tables made possible, and what they made needless. */
import assert from "node:assert/strict";
import { CP0 } from "../../src/isa/cp0.ts";
import { decode } from "../../src/isa/decode.ts";
import { GPR } from "../../src/isa/registers.ts";
import { ASID_MASK } from "../../src/kvm/asid.ts";
import { readGuestWord } from "../../src/kvm/guest-memory.ts";
import { HostMm } from "../../src/kvm/host-mm.ts";
import type { TestGuest } from "../../src/kvm/testing.ts";
import {
  CODE,
  emitLoad,
  expectTrap,
  expectWait,
  hostTlb,
  mapPair,
  newGuest,
  runCode,
  spy,
  startCode,
} from "./lab.ts";
import type { Host, Patch } from "./patch.ts";

const { t0, t1, t2 } = GPR;
const KSEG2 = 0x6000_0000;
/** No guest TLB entry of the tests maps it. */
const UNMAPPED = 0x0040_0000;
/** PWCtl.PWEn. */
const WALKER_ON = 0x8000_0000;

function createVmIsQuiet(host: Host): void {
  const guest = newGuest(host);
  const { kvm, machine } = guest;
  runCode(guest, (asm) => asm.nop());
  // WAIT left it in guest context.
  guest.vcpu.releaseCpu();
  const done: string[] = [];
  for (const operation of ["writeCp0", "tlbp", "tlbwi", "tlbwr"] as const)
    spy(machine.ops, operation as "tlbwi", () => done.push(operation));
  const before = { tlb: hostTlb(guest), instructions: machine.instructions, pages: kvm.host.pages.allocated };
  const vms = [kvm.createVm(), kvm.createVm()];
  for (const vm of vms) vm.destroy();
  kvm.createVm().destroy();
  assert.deepEqual(done, [], "operations on the CPU");
  const after = { tlb: hostTlb(guest), instructions: machine.instructions, pages: kvm.host.pages.allocated };
  assert.deepEqual(after, before, "the CPU is as it was");
}

function patchesInstructions(host: Host): void {
  const guest = newGuest(host);
  const { vcpu } = guest;
  const mfc0 = (at: number): void => {
    guest.assemble(at, (asm) => {
      asm.mfc0(t1, 15, 0);
      asm.wait();
    });
  };
  mfc0(CODE);
  mfc0(0x4006_0000);
  mapPair(guest, 0, KSEG2, 0, 0x6_0000);
  for (const [pc, gpa] of [
    [CODE, CODE & 0x1fff_ffff],
    [KSEG2, 0x6_0000],
  ] as const) {
    guest.start(pc);
    vcpu.waiting = false;
    vcpu.regs.gpr[t1] = 0;
    expectWait(guest);
    assert.equal(vcpu.regs.gpr[t1], 0x19300, "MFC0 was emulated");
    assert.equal(decode(guest.read(gpa))?.mnemonic, "lw", "and replaced");
  }
  assert.equal(readGuestWord(vcpu, UNMAPPED), null, "what the guest has not mapped cannot be read");
}

function cacheMakesCodeSeen(host: Host): void {
  const guest = newGuest(host);
  const routine = 0x4006_0000;
  guest.assemble(routine, (asm) => {
    asm.addiu(t1, 0, 1);
    asm.jr(GPR.ra);
    asm.nop();
  });
  runCode(guest, (asm) => {
    asm.loadConstant(t0, routine);
    asm.jalr(GPR.ra, t0);
    asm.nop();
    asm.loadConstant(t2, 0x2409_0002);
    asm.sw(t2, 0, t0);
    asm.cache(0x10, 0, t0);
    asm.jalr(GPR.ra, t0);
    asm.nop();
  });
  assert.equal(guest.vcpu.regs.gpr[t1], 2, "the new instruction runs");
}

function wrapKeepsWired(host: Host): void {
  const guest = newGuest(host);
  const { kvm, machine, vcpu } = guest;
  const { asids } = kvm.host;
  runCode(guest, (asm) => emitLoad(asm, t1, 0x4004_0000));
  const wired = {
    entryHi: 0x7f00_0000,
    pageMask: kvm.host.target.geometry.pageMask,
    entryLo0: 1,
    entryLo1: 1,
  };
  machine.cpu.tlb.write(0, wired);
  machine.ops.writeCp0(CP0.Wired, 1);
  let writes = 0;
  let walking = 0;
  spy(machine.ops, "tlbwi", () => {
    writes++;
    if ((machine.ops.readCp0(CP0.PWCtl) & WALKER_ON) !== 0) walking++;
  });
  const { wraps } = asids;
  while (asids.wraps === wraps) asids.getNew(vcpu.regs.userMm);
  const { entries } = machine.cpu.tlb;
  assert.equal(writes, entries - 1, "all entries but the wired one were dropped, by one flush");
  assert.deepEqual(machine.cpu.tlb.read(0), wired, "the wired entry is as it was");
  assert.equal(walking, 0, "the hardware walker stood still");
  const kernel = asids.asid(vcpu.regs.kernelMm);
  assert.equal(machine.cpu.tlb.probe(0x4004_0000, kernel), -1);
  runCode(guest, (asm) => emitLoad(asm, t1, 0x4004_0000));
  assert.deepEqual(machine.cpu.tlb.read(0), wired, "still");
}

function injectionLeavesTlb(host: Host): void {
  let guest: TestGuest | null = null;
  let before: unknown = null;
  let after: unknown = null;
  const guestAt = 0x4000_0000;
  const tracer = {
    kvm_exit: (_pc: number, reason: number) => {
      if (guest !== null && reason === 2 && guest.vcpu.regs.badVAddr === UNMAPPED) before = hostTlb(guest);
    },
    kvm_reenter: (pc: number) => {
      if (guest !== null && before !== null && pc === guestAt) after ??= hostTlb(guest);
    },
  };
  guest = newGuest(host, { tracer });
  runCode(guest, (asm) => {
    for (let page = 0; page < 8; page++) emitLoad(asm, t1, 0x4004_0000 + page * 2 * host.pageSize);
  });
  startCode(guest, (asm) => emitLoad(asm, t1, UNMAPPED));
  assert.equal(expectTrap(guest), 0, "the guest takes a TLB refill");
  assert.ok(before !== null && after !== null);
  assert.deepEqual(after, before, "giving the guest its exception changed no host TLB entry");
}

function oneCounter(host: Host): void {
  const guest = newGuest(host);
  const { kvm, vm, machine } = guest;
  const { asids, pages, vmmMm } = kvm.host;
  const page = pages.allocZeroed(host.pageSize);
  const processes = [0, 1].map((n) => new HostMm(machine.memory, page + 8 * n));
  const vcpus = [guest.vcpu, vm.createVcpu(1)];
  const given: number[] = [vmmMm.context()];
  const start = asids.wraps;
  for (let round = 0; asids.wraps === start; round++) {
    assert.ok(round <= ASID_MASK, "a version ends");
    const process = processes[round % 2]!;
    process.dropContexts();
    asids.check(process);
    given.push(process.context());
    for (const vcpu of vcpus)
      for (const user of [false, true]) {
        const mm = vcpu.mmu.mmOf(user);
        mm.dropContexts();
        vcpu.mmu.beforeEntry(user, vcpu.mmu.guestAsidOf(user));
        given.push(mm.context());
      }
  }
  assert.equal(new Set(given).size, given.length, "no context word was given out twice");
  given.forEach((context, index) => {
    if (index > 0)
      assert.equal(context, given[index - 1]! + 1, "guests and processes take turns at one counter");
  });
  assert.ok(given.length > ASID_MASK, "a whole version was used up");
}

export const CLEANUP: readonly Patch[] = [
  { number: 25, kind: "restructuring", title: "Drop vm_init()", test: createVmIsQuiet },
  {
    number: 26,
    kind: "behaviour",
    title: "Use uaccess for guest instructions",
    test: patchesInstructions,
    notYet:
      "no host runs with EVA segments, and guest instructions are reached through host physical memory instead of user accesses; shown: MFC0 in KSeg0 and KSeg2 is emulated and replaced",
  },
  {
    number: 27,
    kind: "behaviour",
    title: "Fix CACHE emulation for EVA",
    test: cacheMakesCodeSeen,
    notYet:
      "no host runs with EVA segments, and no cache operation is executed for the guest; shown: new code is seen after CACHE",
  },
  { number: 28, kind: "behaviour", title: "Drop kvm_local_flush_tlb_all()", test: wrapKeepsWired },
  {
    number: 29,
    kind: "behaviour",
    title: "Drop redundant TLB flushes on exceptions",
    test: injectionLeavesTlb,
  },
  { number: 30, kind: "restructuring", title: "Drop kvm_get_new_mmu_context()", test: oneCounter },
];
