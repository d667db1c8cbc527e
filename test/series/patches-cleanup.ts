/** Patches 25 to 30: what the GVA tables made possible, and what they made needless. */
import assert from "node:assert/strict";
import { CP0 } from "../../src/isa/cp0.ts";
import { decode } from "../../src/isa/decode.ts";
import { EXC_CODE } from "../../src/isa/exceptions.ts";
import { GPR } from "../../src/isa/registers.ts";
import { ASID_MASK } from "../../src/kvm/asid.ts";
import { readGuestWord, writeGuestInstruction } from "../../src/kvm/guest-memory.ts";
import { HostMm } from "../../src/kvm/host-mm.ts";
import type { TestGuest } from "../../src/kvm/testing.ts";
import { TRACE_EXIT } from "../../src/kvm/trace.ts";
import type { Assembler } from "../../src/uasm/assembler.ts";
import {
  CODE,
  emitLoad,
  evaWhereItExists,
  expectTrap,
  expectWait,
  forgetAtExit,
  hostTlb,
  mapPair,
  newGuest,
  parkInExit,
  runCode,
  spy,
  startCode,
} from "./lab.ts";
import type { Host, Patch } from "./patch.ts";

const { t0, t1, t2 } = GPR;
const KSEG2 = 0x6000_0000;
/** No guest TLB entry of the tests maps it. */
const UNMAPPED = 0x0040_0000;
const FAULT_IS_A_VALUE = "what faults for the hypervisor is filled, and does not stop it";
/** PWCtl.PWEn. */
const WALKER_ON = 0x8000_0000;

function createVmIsQuiet(host: Host): void {
  const guest = newGuest(host);
  const { kvm, machine } = guest;
  runCode(guest, (asm) => asm.nop());
  // WAIT left it in guest context.
  guest.vcpu.put();
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
  // What the hypervisor needs of the guest's memory is gone when it looks.
  const forget = forgetAtExit(EXC_CODE.CpU);
  const guest = newGuest(host, { ...evaWhereItExists(host), tracer: forget.tracer });
  const { vcpu, machine, kvm } = guest;
  forget.attach(guest);
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
    assert.doesNotThrow(() => expectWait(guest), FAULT_IS_A_VALUE);
    assert.equal(vcpu.regs.gpr[t1], 0x19300, "MFC0 was emulated");
    assert.equal(decode(guest.read(gpa))?.mnemonic, "lw", "and replaced");
  }

  parkInExit(guest);
  const time = machine.timeline.now();
  assert.equal(readGuestWord(vcpu, CODE), guest.read(CODE & 0x1fff_ffff), "the guest's word");
  for (const address of [UNMAPPED, KSEG2 + 0x10_0000, 0x8000_0000]) {
    let word: number | null = 0;
    assert.doesNotThrow(() => (word = readGuestWord(vcpu, address)), FAULT_IS_A_VALUE);
    assert.equal(word, null, "what the guest has not mapped cannot be read");
    assert.ok(!writeGuestInstruction(vcpu, address, 0), "or written");
  }
  // The live table is what counts, not what it was derived from.
  const { pages, tlb, asids } = kvm.host;
  const elsewhere = pages.allocZeroed(host.pageSize);
  machine.memory.write32(elsewhere + (CODE & (host.pageSize - 1)), 0x1234_5678);
  const { tables } = vcpu.mmu;
  const { kernelMm } = vcpu.regs;
  const pte = tables.walk(kernelMm.pgd, null, CODE);
  tables.writePte(pte, tables.format.make(elsewhere, { write: true, young: true, dirty: true }));
  tlb.invalidate(CODE, asids.asid(kernelMm));
  assert.equal(readGuestWord(vcpu, CODE), 0x1234_5678, "what the live address space has there");
  assert.ok(writeGuestInstruction(vcpu, CODE, 0x42));
  assert.equal(machine.memory.read32(elsewhere + (CODE & (host.pageSize - 1))), 0x42);
  assert.equal(kvm.host.liveAsid, asids.asid(kernelMm), "the guest's address space is still live");
  assert.equal(machine.timeline.now(), time, "no guest time passed");
}

function cacheMakesCodeSeen(host: Host): void {
  const log: { name: "cache" | "cachee"; op: number; va: number }[] = [];
  const forget = forgetAtExit(TRACE_EXIT.CACHE);
  const options = { ...evaWhereItExists(host), tracer: forget.tracer };
  const guest = newGuest(host, options, ({ cpu, ops }) => {
    // Not the guest's own, which trap. CACHEE is CACHE in another mode.
    spy(ops, "cache", (op, va, mode) => {
      if (cpu.isKernel) log.push({ name: mode === undefined ? "cache" : "cachee", op, va });
    });
  });
  forget.attach(guest);
  const routine = 0x4006_0000;
  guest.assemble(routine, (asm) => {
    asm.addiu(t1, 0, 1);
    asm.jr(GPR.ra);
    asm.nop();
  });
  const changeRoutine = (asm: Assembler): void => {
    asm.loadConstant(t0, routine);
    asm.jalr(GPR.ra, t0);
    asm.nop();
    asm.loadConstant(t2, 0x2409_0002);
    asm.sw(t2, 0, t0);
    asm.cache(0x10, 0, t0);
    asm.jalr(GPR.ra, t0);
    asm.nop();
  };
  assert.doesNotThrow(() => runCode(guest, changeRoutine), FAULT_IS_A_VALUE);
  assert.equal(guest.vcpu.regs.gpr[t1], 2, "the new instruction runs");
  const name = options.eva ? "cachee" : "cache";
  const done = (op: number) =>
    log.some((entry) => entry.name === name && entry.op === op && entry.va === routine);
  assert.ok(
    done(0x15) && done(0x10),
    `${name} wrote the line back and had it fetched anew, where the guest sees it`,
  );
  assert.ok(
    log.every((entry) => entry.name === name),
    "and none was executed on another view of the address",
  );

  startCode(guest, (asm) => {
    asm.loadConstant(t0, UNMAPPED);
    asm.cache(0x15, 0, t0);
  });
  let vector = -1;
  assert.doesNotThrow(() => (vector = expectTrap(guest)), FAULT_IS_A_VALUE);
  assert.equal(vector, 0, "the guest takes a TLB refill");
  assert.equal(guest.vcpu.cp0[CP0.BadVAddr], UNMAPPED);
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
  const given: number[] = [vmmMm.context(0)];
  const start = asids.wraps;
  for (let round = 0; asids.wraps === start; round++) {
    assert.ok(round <= ASID_MASK, "a version ends");
    const process = processes[round % 2]!;
    process.dropContexts();
    asids.check(process);
    given.push(process.context(0));
    for (const vcpu of vcpus)
      for (const user of [false, true]) {
        const mm = vcpu.mmu.mmOf(user);
        mm.dropContexts();
        vcpu.mmu.beforeEntry(user, vcpu.mmu.guestAsidOf(user));
        given.push(mm.context(0));
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
  },
  { number: 27, kind: "behaviour", title: "Fix CACHE emulation for EVA", test: cacheMakesCodeSeen },
  { number: 28, kind: "behaviour", title: "Drop kvm_local_flush_tlb_all()", test: wrapKeepsWired },
  {
    number: 29,
    kind: "behaviour",
    title: "Drop redundant TLB flushes on exceptions",
    test: injectionLeavesTlb,
  },
  { number: 30, kind: "restructuring", title: "Drop kvm_get_new_mmu_context()", test: oneCounter },
];
