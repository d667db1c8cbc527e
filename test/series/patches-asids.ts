/** Patches 6 to 13: whose address space is live, and when it changes. */
import assert from "node:assert/strict";
import { CP0, STATUS } from "../../src/isa/cp0.ts";
import { GPR } from "../../src/isa/registers.ts";
import { CODE, mapPair, newGuest, parkAgain, parkInExit, spy, startCode } from "./lab.ts";
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
  const guest = newGuest(host);
  const other = guest.vm.createVcpu(1);
  const puts: number[] = [];
  for (const vcpu of [guest.vcpu, other]) spy(vcpu, "releaseCpu", () => puts.push(vcpu.id));
  parkInExit(guest);
  parkAgain(guest);
  assert.deepEqual(puts, [], "no put while one vcpu has the CPU");
  parkInExit(guest, other);
  assert.deepEqual(puts, [0], "the other's load puts the first");
  parkAgain(guest);
  parkAgain(guest);
  assert.deepEqual(puts, [0, 1], "and the other way round, once each");
}

function genericCodeLeavesAsids(host: Host): void {
  const guest = newGuest(host);
  const { kvm, vcpu, vm, machine } = guest;
  parkInExit(guest);
  const asid = kvm.host.liveAsid;
  assert.equal(asid, kvm.host.asids.asid(vcpu.regs.kernelMm), "the guest's ASID is live in an exit");
  const release = vcpu.releaseCpu.bind(vcpu);
  let puts = 0;
  vcpu.releaseCpu = () => puts++;
  let writes = 0;
  spy(machine.ops, "writeCp0", (index) => (writes += index === CP0.EntryHi ? 1 : 0));
  // Creating a vcpu takes the CPU away from whoever has it.
  vm.createVcpu(1);
  assert.equal(puts, 1, "the implementation was asked to put the vcpu");
  assert.equal(writes, 0, "EntryHi was not written");
  assert.equal(kvm.host.liveAsid, asid, "EntryHi is untouched");
  vcpu.releaseCpu = release;
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
    kernelMm.setContext(kernelMm.context() + 9);
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
  vcpu.releaseCpu();
  assert.equal(writes, 0, "the put that follows writes nothing");
  // While the guest has the CPU the process's context may become stale: by another CPU's count after a
  // migration, here by a wrap of the one there is.
  parkInExit(guest);
  const { wraps } = asids;
  while (asids.wraps === wraps) asids.getNew(vcpu.regs.kernelMm);
  assert.ok(!asids.isCurrent(vmmMm));
  exitToVmm();
  assert.ok(asids.isCurrent(vmmMm), "the process has a context of the new version");
  assert.equal(kvm.host.liveAsid, asids.asid(vmmMm));
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
    test: loadAndPutPair,
    notYet: "there is one host CPU to load on and no FPU to save in put; shown: loads and puts pair",
  },
  {
    number: 8,
    kind: "restructuring",
    title: "Move preempt/ASID handling to implementation",
    test: genericCodeLeavesAsids,
  },
  { number: 9, kind: "restructuring", title: "Remove duplicated ASIDs", test: oneAsid },
  { number: 10, kind: "behaviour", title: "Add vcpu_run()/vcpu_reenter()", test: reentersOncePerResume },
  { number: 11, kind: "behaviour", title: "Restore host asid on return to host", test: restoresProcessAsid },
  {
    number: 12,
    kind: "behaviour",
    title: "active_mm = init_mm in guest context",
    test: null,
    notYet: "there is one host CPU, and no cache IPI that a process's mm could receive during guest context",
  },
  { number: 13, kind: "restructuring", title: "Wire up vcpu uninit", test: uninitRunsOnce },
];
