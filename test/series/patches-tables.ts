/** Patches 14 to 19: GVA tables, the refill handler that walks them, and invalidating host TLB entries. */
import assert from "node:assert/strict";
import { CP0, STATUS } from "../../src/isa/cp0.ts";
import { decode } from "../../src/isa/decode.ts";
import { GPR } from "../../src/isa/registers.ts";
import { buildVcpuCode } from "../../src/kvm/entry/code-block.ts";
import { buildHostCode } from "../../src/kvm/entry/host-code.ts";
import { NETLOGIC_SCRATCH, selectScratch, type ScratchBank } from "../../src/kvm/entry/scratch.ts";
import { OutOfHostMemoryError } from "../../src/kvm/host-pages.ts";
import type { TestGuest } from "../../src/kvm/testing.ts";
import { CPU_MODELS, tlbSizeOf } from "../../src/machine/cpu-models.ts";
import {
  CODE,
  emitLoad,
  emitTlbwi,
  exitsOf,
  expectTrap,
  expectWait,
  hostLoad,
  hostTlb,
  mapPair,
  newGuest,
  parkAgain,
  parkInExit,
  runCode,
  spy,
  startCode,
} from "./lab.ts";
import type { Host, Patch } from "./patch.ts";

const { t1, t2, k0, k1 } = GPR;
/** On each of the ten hosts. */
const CYCLES = 100;
/** An address of guest useg that both page sizes can map. */
const USEG = 0x0010_0000;
const KSEG2 = 0x6000_0000;

function tablesComeAndGo(host: Host): void {
  const guest = newGuest(host);
  const { kvm, vm, ram } = guest;
  const { pages } = kvm.host;
  guest.assemble(CODE, (asm) => asm.wait());
  vm.destroy();
  const before = pages.allocated;
  for (let cycle = 0; cycle < CYCLES; cycle++) {
    const next = kvm.createVm();
    next.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0, memorySize: 1 << 20, hostPhysAddr: ram });
    const vcpu = next.createVcpu();
    vcpu.regs.pc = CODE;
    vcpu.cp0[CP0.Status] = 0;
    assert.equal(vcpu.run(100).reason, "irq-window-open");
    assert.notEqual(vcpu.regs.kernelMm.pgd, vcpu.regs.userMm.pgd, "a root for each mode");
    next.destroy();
    assert.equal(pages.allocated, before, `host pages after ${cycle + 1} cycles`);
  }
  // Room for the vcpu structure, its commpage and the first root, but not for the second.
  const held: number[] = [];
  while (pages.free > 3) held.push(pages.alloc(pages.pageSize));
  const full = pages.allocated;
  const last = kvm.createVm();
  assert.throws(() => last.createVcpu(), OutOfHostMemoryError, "no second root");
  assert.equal(pages.allocated, full, "the first root was given back");
  assert.equal(held.length > 0, true);
}

function tablesAreLive(host: Host): void {
  const guest = newGuest(host);
  const { kvm, vcpu } = guest;
  const { vmmMm } = kvm.host;
  const data = 0x4004_0000;
  const processOnly = 0x0800_0000;
  guest.write(0x4_0000, 0x600d_da7a);
  const { tables } = vcpu.mmu;
  const cache = tables.newCache();
  cache.topUp();
  const page = { write: true, young: true, dirty: true };
  tables.writePte(tables.walk(vmmMm.pgd, cache, processOnly), tables.format.make(guest.ram + 0x5_0000, page));
  guest.write(0x5_0000, 0x1234_5678);
  runCode(guest, (asm) => emitLoad(asm, t1, data));
  parkInExit(guest);
  assert.equal(hostLoad(guest, data), 0x600d_da7a, "in an exit a guest address gives guest data");
  assert.equal(hostLoad(guest, processOnly), null, "and an address of the VMM's faults");
  parkAgain(guest);
  vcpu.put();
  assert.equal(hostLoad(guest, processOnly), 0x1234_5678, "outside it is the other way round");
  assert.equal(hostLoad(guest, data), null);
}

/** Words of all generated code for this host with the scratch registers of `bank`. */
function codeWith(guest: TestGuest, bank: ScratchBank): number[] {
  const { kvm, vcpu } = guest;
  const { code, pgdCurrent } = kvm.host;
  const target = { ...kvm.host.target, scratch: selectScratch(bank) };
  const addresses = {
    guestEbase: vcpu.code.block,
    hostEbase: code.ebase,
    setPgd: code.setPgd,
    handleExit: code.handleExit,
    pgdCurrent,
  };
  const sections = [
    ...buildHostCode(target, code.ebase, pgdCurrent).sections,
    ...buildVcpuCode(target, addresses, "fast").sections,
  ];
  return sections.flatMap(({ lines }) => lines.map(({ word }) => word));
}

function netlogicScratch(host: Host): void {
  const guest = newGuest(host);
  const usual = codeWith(guest, { register: 31, selects: 0b11_1100 });
  const netlogic = codeWith(guest, NETLOGIC_SCRATCH);
  assert.equal(netlogic.length, usual.length);
  const rdOf = (word: number): number => (word >>> 11) & 31;
  // Selects 2, 3 and 4 of register 31 are 0, 1 and 2 of register 22; saving and restoring included.
  let accesses = 0;
  usual.forEach((word, index) => {
    const other = netlogic[index]!;
    const moves = ["mfc0", "mtc0"].includes(decode(word)?.mnemonic ?? "");
    if (!moves || rdOf(word) !== 31) return assert.equal(other, word, `word ${index}`);
    accesses++;
    assert.equal(rdOf(other), 22, `register of word ${index}`);
    assert.equal(other & 7, (word & 7) - 2, `select of word ${index}`);
    return assert.equal(other & ~0xf807, word & ~0xf807);
  });
  assert.ok(accesses >= 20, `${accesses} accesses to scratch registers`);
}

/** Words of the refill handler on each model, by what it has: a pgd register, RI and XI. */
const REFILL_WORDS: Readonly<Record<string, number>> = {
  "24Kc": 27,
  "24Kf": 27,
  "34Kc": 27,
  "34Kf": 27,
  "24Kc-kscratch": 26,
  "24Kc-rixi": 28,
  P5600: 28,
};

function fastRefill(host: Host): void {
  const { pageSize } = host;
  // Half as many pairs again as the host TLB has entries.
  const pages = 3 * tlbSizeOf(CPU_MODELS[host.model]!);
  const guest = newGuest(host, { guestBytes: (1 << 20) + pages * pageSize });
  const { machine, vcpu } = guest;
  const first = 0x4004_0000;
  const handler = vcpu.code.sections.find(({ name }) => name === "tlb_refill")!.lines;
  const pass = (): void => {
    runCode(guest, (asm) => {
      const loop = asm.label();
      asm.loadConstant(k0, 0x1111_2222);
      asm.loadConstant(k1, 0x3333_4444);
      asm.loadConstant(GPR.t0, first);
      asm.loadConstant(t1, pages);
      asm.loadConstant(GPR.t3, pageSize);
      asm.bind(loop);
      asm.lw(t2, 0, GPR.t0);
      asm.addiu(t1, t1, -1);
      asm.bnez(t1, loop);
      asm.addu(GPR.t0, GPR.t0, GPR.t3);
    });
    const { gpr } = vcpu.regs;
    assert.deepEqual([gpr[k0], gpr[k1]], [0x1111_2222, 0x3333_4444], "k0 and k1 are the guest's");
  };
  pass();
  const exits = exitsOf(guest);
  const { refills } = machine.cpu;
  pass();
  assert.equal(exitsOf(guest) - exits, 1, "exits of the second pass: its WAIT and nothing else");
  assert.ok(machine.cpu.refills - refills >= pages / 2 - machine.cpu.tlb.entries, "host TLB misses");
  assert.equal(handler.length, REFILL_WORDS[host.model], "words of the handler");
}

function indexZeroCounts(host: Host): void {
  const guest = newGuest(host);
  const { machine, vcpu, kvm } = guest;
  const { tlb } = machine.cpu;
  mapPair(guest, 3, USEG, 0, 0x2_0000);
  guest.write(0x2_0000, 11);
  guest.write(0x4_0000, 22);
  runCode(guest, (asm) => emitLoad(asm, t1, USEG));
  assert.equal(vcpu.regs.gpr[t1], 11);
  assert.equal(machine.ops.readCp0(CP0.Wired), 0);
  // The victim goes to index 0.
  const asid = kvm.host.asids.asid(vcpu.regs.kernelMm);
  const from = tlb.probe(USEG, asid);
  assert.ok(from >= 0, "the host TLB has the page");
  const entry = tlb.read(from);
  const displaced = tlb.read(0);
  if (from !== 0) {
    tlb.write(from, { ...entry, entryHi: kvm.host.tlb.uniqueEntryHi(2 * tlb.entries) });
    tlb.write(0, entry);
    tlb.write(from, { ...displaced, entryHi: kvm.host.tlb.uniqueEntryHi(2 * tlb.entries + 1) });
  }
  assert.equal(tlb.probe(USEG, asid), 0);
  parkInExit(guest);
  vcpu.mmu.dropRange(USEG, 2 * host.pageSize, 0);
  assert.equal(tlb.probe(USEG, asid), -1, "the translation at index 0 is gone");
  mapPair(guest, 3, USEG, 0, 0x4_0000);
  runCode(guest, (asm) => emitLoad(asm, t2, USEG));
  assert.equal(vcpu.regs.gpr[t2], 22, "the guest sees the new page");
}

function eitherAsid(host: Host): void {
  const guest = newGuest(host);
  const { vcpu, kvm } = guest;
  mapPair(guest, 3, USEG, 0, 0x2_0000);
  guest.write(0x2_0000, 11);
  guest.write(0x4_0000, 22);
  runCode(guest, (asm) => {
    emitLoad(asm, t1, USEG);
    emitTlbwi(guest, asm, 3, USEG, 0x4_0000);
    emitLoad(asm, t2, USEG);
  });
  assert.deepEqual([vcpu.regs.gpr[t1], vcpu.regs.gpr[t2]], [11, 22], "the kernel sees the new page at once");
  // A user program and its page; then the kernel remaps a page of its own.
  const program = 0x2000_0000;
  guest.assemble(0x4006_0000, (asm) => {
    emitLoad(asm, t1, USEG);
    asm.syscall();
  });
  mapPair(guest, 4, program, 0, 0x6_0000);
  mapPair(guest, 5, KSEG2, 0, 0x8_0000);
  guest.start(program, STATUS.UM);
  vcpu.waiting = false;
  assert.equal(expectTrap(guest), 0x180);
  const userEntries = (): unknown[] => {
    const asid = kvm.host.asids.asid(vcpu.regs.userMm);
    return hostTlb(guest).filter((entry) => entry !== null && (entry.entryHi & 0xff) === asid);
  };
  let before: unknown[] = [];
  let after: unknown[] | null = null;
  startCode(guest, (asm) => {
    // The user's program and page are in the host TLB again when the kernel's page goes.
    emitTlbwi(guest, asm, 5, KSEG2, 0xa_0000);
    asm.wait();
  });
  spy(vcpu.mmu, "dropRange", () => (before = userEntries()));
  spy(vcpu.mmu, "beforeEntry", () => {
    if (before.length > 0) after ??= userEntries();
  });
  expectWait(guest);
  assert.ok(before.length > 0, "user mode has entries in the host TLB");
  assert.ok(kvm.host.asids.isCurrent(vcpu.regs.userMm), "user mode keeps its ASID");
  assert.deepEqual(after, before, "and its entries");
}

export const TABLES: readonly Patch[] = [
  { number: 14, kind: "behaviour", title: "Allocate GVA→HPA page tables", test: tablesComeAndGo },
  { number: 15, kind: "behaviour", title: "Activate GVA page tables", test: tablesAreLive },
  { number: 16, kind: "behaviour", title: "Support NetLogic KScratch", test: netlogicScratch },
  { number: 17, kind: "behaviour", title: "Add fast path TLB refill handler", test: fastRefill },
  { number: 18, kind: "behaviour", title: "Fix off-by-one in TLB invalidate", test: indexZeroCounts },
  { number: 19, kind: "behaviour", title: "Generalise host TLB invalidate", test: eitherAsid },
];
