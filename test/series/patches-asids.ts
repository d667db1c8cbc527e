/** Patches 6 to 13: whose address space is live, and when it changes. */
import assert from "node:assert/strict";
import { CP0, STATUS } from "../../src/isa/cp0.ts";
import { GPR } from "../../src/isa/registers.ts";
import { HostMm } from "../../src/kvm/host-mm.ts";
import { CPU_MODELS } from "../../src/machine/cpu-models.ts";
import type { Assembler } from "../../src/uasm/assembler.ts";
import {
  CODE,
  evaWhereItExists,
  exitsOf,
  mapPair,
  newGuest,
  parkAgain,
  parkInExit,
  spy,
  startCode,
} from "./lab.ts";
import type { Host, Patch } from "./patch.ts";

function asidFollowsMode(host: Host): void {
  const guest = newGuest(host);
  const { vcpu, kvm } = guest;
  const { asids } = kvm.host;
  parkInExit(guest);
  const { kernelMm, userMm } = vcpu.regs;
  assert.equal(kvm.host.liveAsid, asids.asid(kernelMm), "the kernel's ASID is live in an exit of its");
  // Another vcpu takes the CPU away, and the guest's mode changes meanwhile.
  const other = guest.vm.createVcpu(1);
  parkInExit(guest, other);
  const loop = 0x2000_0000;
  guest.assemble(0x4002_0000, (asm) => {
    asm.b(0x4002_0000);
    asm.nop();
  });
  mapPair(guest, 0, loop, 0, 0x2_0000);
  vcpu.cp0[CP0.Status] = STATUS.UM;
  vcpu.regs.pc = loop;
  assert.equal(vcpu.run(20).reason, "intr");
  assert.ok(vcpu.inGuest, "the guest is in the middle of its loop");
  assert.ok(asids.isCurrent(userMm), "user mode has a context of the current version");
  assert.equal(kvm.host.liveAsid, asids.asid(userMm), "EntryHi.ASID is user mode's");
  assert.notEqual(kvm.host.liveAsid, asids.asid(kernelMm));
  assert.equal(kvm.host.livePgd, userMm.pgd, "and so is the root");
}

function loadAndPutPair(host: Host): void {
  const guest = newGuest(host, { cpus: 2 });
  const { kvm, machine, vcpu } = guest;
  const other = guest.vm.createVcpu(1);
  const calls: string[] = [];
  for (const each of [vcpu, other]) {
    spy(each, "load", (cpu) => calls.push(`load ${each.id} on ${cpu}`));
    spy(each, "put", () => calls.push(`put ${each.id}`));
  }
  const expectCalls = (expected: readonly string[], why: string): void => {
    assert.deepEqual(calls.splice(0), expected, why);
  };
  parkInExit(guest);
  parkAgain(guest);
  expectCalls(["load 0 on 0"], "one load, and no put while one vcpu has the CPU");
  parkInExit(guest, other);
  expectCalls(["put 0", "load 1 on 0"], "the other's load puts the first");
  parkAgain(guest);
  parkAgain(guest);
  expectCalls(["put 1", "load 0 on 0"], "and the other way round, once each");
  parkAgain(guest, vcpu, 1);
  expectCalls(["put 0", "load 0 on 1"], "a vcpu that migrates is loaded with the new CPU");
  assert.equal(machine.cpu.number, 1, "where it executes");
  const { asids } = kvm.host;
  assert.ok(asids.isCurrent(vcpu.regs.kernelMm, 1), "its ASID there is current");
  assert.equal(kvm.host.liveAsid, vcpu.regs.kernelMm.context(1) & 0xff, "and is the one that is live");
  parkAgain(guest, other, 0);
  expectCalls(["load 1 on 0"], "each has a CPU");
  parkAgain(guest, vcpu, 0);
  expectCalls(["put 1", "put 0", "load 0 on 0"], "what was loaded there and where it was is put");
}

/** The FPU's part: what a vcpu has in the host's FPU is saved when it is put, whoever is loaded then. */
function fpuIsSavedInPut(host: Host): void {
  const guest = newGuest(host, { fpu: true });
  const { vcpu } = guest;
  const other = guest.vm.createVcpu(1);
  const values = new Map([
    [vcpu, 0x1234_5678],
    [other, 0x0765_4321],
  ]);
  const whereLoaded: [boolean, number][] = [];
  spy(other, "load", () => whereLoaded.push([vcpu.fpu!.isLive, vcpu.fpu!.word(2)]));
  const run = (each: typeof vcpu, emit: (asm: Assembler) => void): void => {
    guest.assemble(CODE, (asm) => {
      emit(asm);
      asm.wait();
    });
    each.regs.pc = CODE;
    each.cp0[CP0.Status] = STATUS.CU1;
    each.waiting = false;
    assert.equal(each.run(1000).reason, "irq-window-open");
  };
  for (const [each, value] of values)
    run(each, (asm) => {
      asm.loadConstant(GPR.t0, value);
      asm.mtc1(GPR.t0, 2);
    });
  assert.deepEqual(whereLoaded, [[false, 0x1234_5678]], "put saved the FPU before the other was loaded");
  for (const [each, value] of values) {
    run(each, (asm) => asm.mfc1(GPR.v0, 2));
    assert.equal(each.regs.gpr[GPR.v0], value, "each finds its own");
  }
}

function vcpuLoadAndPut(host: Host): void {
  loadAndPutPair(host);
  if (CPU_MODELS[host.model]!.fpu !== null) fpuIsSavedInPut(host);
}

function genericCodeLeavesAsids(host: Host): void {
  const guest = newGuest(host);
  const { kvm, vcpu, vm, machine } = guest;
  parkInExit(guest);
  const asid = kvm.host.liveAsid;
  assert.equal(asid, kvm.host.asids.asid(vcpu.regs.kernelMm), "the guest's ASID is live in an exit");
  const release = vcpu.put.bind(vcpu);
  let puts = 0;
  vcpu.put = () => {
    puts++;
    return null;
  };
  let writes = 0;
  spy(machine.ops, "writeCp0", (index) => (writes += index === CP0.EntryHi ? 1 : 0));
  // Creating a vcpu takes the CPU away from whoever has it.
  vm.createVcpu(1);
  assert.equal(puts, 1, "the implementation was asked to put the vcpu");
  assert.equal(writes, 0, "EntryHi was not written");
  assert.equal(kvm.host.liveAsid, asid, "EntryHi is untouched");
  vcpu.put = release;
  release();
  assert.equal(kvm.host.liveAsid, kvm.host.asids.asid(kvm.host.vmmMm), "the implementation restores it");
}

function oneAsid(host: Host): void {
  const guest = newGuest(host);
  const { vcpu, kvm } = guest;
  parkInExit(guest);
  const { kernelMm } = vcpu.regs;
  const first = kvm.host.liveAsid;
  for (const more of [9, 18]) {
    kernelMm.setContext(kernelMm.context(0) + 9, 0);
    parkAgain(guest);
    assert.equal(kvm.host.liveAsid, first + more, "the ASID at entry is the context word's");
  }
}

function reentersOncePerResume(host: Host): void {
  let enters = 0;
  let reenters = 0;
  let outs = 0;
  const tracer = {
    kvm_enter: () => enters++,
    kvm_reenter: () => reenters++,
    kvm_out: () => outs++,
  };
  const guest = newGuest(host, { tracer });
  const { vcpu } = guest;
  let checks = 0;
  spy(vcpu.mmu, "beforeEntry", () => checks++);
  startCode(guest, (asm) => {
    for (let i = 0; i < 7; i++) asm.di(0);
    asm.lui(GPR.t0, 0xa000);
    asm.sw(0, 0, GPR.t0);
    asm.wait();
  });
  assert.equal(guest.run().reason, "mmio");
  // One exit mapped the page of code, seven were DI, and the store went to the VMM.
  assert.equal(vcpu.stats.totalExits, 9);
  assert.deepEqual([enters, reenters, outs], [1, 8, 1]);
  assert.equal(checks, 9, "the checks ran for each entry and each resume, not for the return");
  assert.equal(guest.run().reason, "irq-window-open");
  assert.deepEqual([enters, reenters, outs, checks], [2, 8, 2, 10]);
}

function restoresProcessAsid(host: Host): void {
  const guest = newGuest(host);
  const { vcpu, kvm, machine } = guest;
  const { vmmMm, asids } = kvm.host;
  const exitToVmm = (): void => {
    startCode(guest, (asm) => {
      asm.lui(GPR.t0, 0xa000);
      asm.sw(0, 0, GPR.t0);
    });
    assert.equal(guest.run().reason, "mmio");
  };
  const process = asids.asid(vmmMm);
  exitToVmm();
  assert.notEqual(asids.asid(vcpu.regs.kernelMm), process);
  assert.equal(kvm.host.liveAsid, process, "EntryHi.ASID is the process's on return");
  assert.equal(kvm.host.livePgd, vmmMm.pgd, "and so is the root");
  let writes = 0;
  spy(machine.ops, "writeCp0", (index) => (writes += index === CP0.EntryHi ? 1 : 0));
  vcpu.put();
  assert.equal(writes, 0, "the put that follows writes nothing");
  // While the guest has the CPU the process's context may become stale: by a wrap of the CPU's ASIDs.
  parkInExit(guest);
  const { wraps } = asids;
  while (asids.wraps === wraps) asids.getNew(vcpu.regs.kernelMm);
  assert.ok(!asids.isCurrent(vmmMm));
  exitToVmm();
  assert.ok(asids.isCurrent(vmmMm), "the process has a context of the new version");
  assert.equal(kvm.host.liveAsid, asids.asid(vmmMm));
}

/** The same where an exit ends on another CPU than it came up on. */
function restoresProcessAsidAfterMigration(host: Host): void {
  const guest = newGuest(host, { cpus: 2 });
  const { vcpu, kvm, machine } = guest;
  const { vmmMm, asids } = kvm.host;
  const onEach = (what: () => number): number[] =>
    machine.cpus.map(({ number }) => {
      machine.executeOn(number);
      return what();
    });
  machine.executeOn(1);
  const page = kvm.host.pages.allocZeroed(kvm.host.pages.pageSize);
  for (let n = 0; n < 5; n++) asids.getNew(new HostMm(machine.memory, page, 2));
  asids.getNew(vmmMm);
  kvm.host.activate(vmmMm);
  const expected = [0, 1].map((cpu) => asids.asid(vmmMm, cpu));
  assert.notEqual(expected[0], expected[1], "the process has another ASID on each CPU");
  parkInExit(guest);
  parkAgain(guest, vcpu, 1);
  assert.equal(kvm.host.liveAsid, asids.asid(vcpu.regs.kernelMm, 1), "the guest's is live where it is");
  machine.executeOn(0);
  assert.equal(kvm.host.liveAsid, expected[0], "and the process's on the CPU that it left");
  startCode(guest, (asm) => {
    asm.lui(GPR.t0, 0xa000);
    asm.sw(0, 0, GPR.t0);
  });
  assert.equal(guest.run().reason, "mmio");
  assert.deepEqual(
    onEach(() => kvm.host.liveAsid),
    expected,
    "on return each CPU has the process's ASID there",
  );
  assert.deepEqual(
    onEach(() => kvm.host.livePgd),
    [vmmMm.pgd, vmmMm.pgd],
    "and its root",
  );
}

function processIsInactiveInGuestContext(host: Host): void {
  const hits: number[] = [];
  const guest = newGuest(host, { cpus: 2, ...evaWhereItExists(host) }, ({ ops }) => {
    spy(ops, "cache", () => hits.push(ops.cpu.number));
  });
  const { vcpu, kvm, machine } = guest;
  const { vmmMm } = kvm.host;
  // A page of the process's, at an address that means something in the guest as well.
  const address = CODE;
  const { tables } = vcpu.mmu;
  const cache = tables.newCache();
  cache.topUp();
  const page = { write: true, young: true, dirty: true };
  tables.writePte(tables.walk(vmmMm.pgd, cache, address), tables.format.make(guest.ram + 0x5_0000, page));
  /** The CPUs that execute hit operations when CPU 1 has the process's caches flushed. */
  const flushed = (): number[] => {
    machine.executeOn(1);
    hits.length = 0;
    kvm.host.flushVmmCaches(address);
    assert.equal(machine.cpu.number, 1, "the caller goes on where it was");
    return [...new Set(hits)];
  };
  assert.deepEqual(flushed(), [0, 1], "the process runs on both CPUs");
  parkInExit(guest);
  assert.deepEqual(flushed(), [1], "while an exit is handled its caches are flushed elsewhere only");
  startCode(guest, (asm) => {
    asm.b(CODE);
    asm.nop();
  });
  assert.equal(vcpu.run(20).reason, "intr");
  const exits = exitsOf(guest);
  assert.deepEqual(flushed(), [1], "and so while guest code runs");
  assert.ok(vcpu.inGuest && exitsOf(guest) === exits, "which is not disturbed");
  startCode(guest, (asm) => {
    asm.lui(GPR.t0, 0xa000);
    asm.sw(0, 0, GPR.t0);
  });
  assert.equal(guest.run().reason, "mmio");
  assert.deepEqual(flushed(), [0, 1], "once the VMM is back the CPU counts again");
}

function uninitRunsOnce(host: Host): void {
  const guest = newGuest(host);
  const { vcpu, vm } = guest;
  parkInExit(guest);
  let calls = 0;
  spy(vcpu.mmu, "destroy", () => calls++);
  vm.destroy();
  assert.equal(calls, 1, "destroying the VM destroys its vcpu");
  vcpu.destroy();
  vm.destroy();
  assert.equal(calls, 1, "once only");
  assert.throws(() => vcpu.run(1));
  assert.equal(guest.read(CODE & 0x1fff_ffff) !== 0, true, "the guest's memory is the VMM's and stays");
}

export const ASIDS: readonly Patch[] = [
  { number: 6, kind: "restructuring", title: "Simplify ASID restoration", test: asidFollowsMode },
  {
    number: 7,
    kind: "restructuring",
    title: "Convert get/set_regs → vcpu_load/put",
    test: vcpuLoadAndPut,
  },
  {
    number: 8,
    kind: "restructuring",
    title: "Move preempt/ASID handling to implementation",
    test: genericCodeLeavesAsids,
  },
  { number: 9, kind: "restructuring", title: "Remove duplicated ASIDs", test: oneAsid },
  { number: 10, kind: "behaviour", title: "Add vcpu_run()/vcpu_reenter()", test: reentersOncePerResume },
  {
    number: 11,
    kind: "behaviour",
    title: "Restore host asid on return to host",
    test: (host) => {
      restoresProcessAsid(host);
      restoresProcessAsidAfterMigration(host);
    },
  },
  {
    number: 12,
    kind: "behaviour",
    title: "active_mm = init_mm in guest context",
    test: processIsInactiveInGuestContext,
  },
  { number: 13, kind: "restructuring", title: "Wire up vcpu uninit", test: uninitRunsOnce },
];
