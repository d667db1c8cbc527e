/** Patches 1 to 5: what the host's kernel shares with the hypervisor. */
import assert from "node:assert/strict";
import { decode } from "../../src/isa/decode.ts";
import { rowOf } from "../../src/isa/instructions.ts";
import { GPR } from "../../src/isa/registers.ts";
import { toKseg0 } from "../../src/kvm/addresses.ts";
import { section } from "../../src/kvm/entry/code-block.ts";
import { emitGetPgde, emitGetPtep, emitTlbWrite, emitUpdateEntries } from "../../src/kvm/entry/refill.ts";
import { InterruptNumberError } from "../../src/kvm/errors.ts";
import { TE_MAP } from "../../src/kvm/guest-map.ts";
import { GvaTables } from "../../src/kvm/gva-table.ts";
import { PteFormat, tableGeometry64 } from "../../src/kvm/page-format.ts";
import { TableLevels } from "../../src/kvm/table-levels.ts";
import { Vcpu } from "../../src/kvm/vcpu.ts";
import { Vm } from "../../src/kvm/vm.ts";
import { Assembler } from "../../src/uasm/assembler.ts";
import { hostTlb, hostWords, newGuest, parkInExit, wordsAt } from "./lab.ts";
import type { Host, Patch } from "./patch.ts";

function allocatesRoots(host: Host): void {
  const { kvm, machine } = newGuest(host);
  const { pages, pgd, invalidPteTable, target } = kvm.host;
  const { pgdEntries } = target.geometry;
  const half = pgdEntries / 2;
  assert.equal(pgdEntries, host.pageSize === 4096 ? 1024 : 64, "slots of a root");
  // The host's kernel has tables of its own in its half.
  const own = [half, half + 5, pgdEntries - 1];
  for (const slot of own) machine.memory.write32(pgd + 4 * slot, toKseg0(pages.allocZeroed(host.pageSize)));
  const root = kvm.host.gvaTables(TE_MAP).allocPgd();
  for (let slot = 0; slot < half; slot++)
    assert.equal(machine.memory.read32(root + 4 * slot), toKseg0(invalidPteTable), `guest slot ${slot}`);
  for (let slot = half; slot < pgdEntries; slot++)
    assert.equal(
      machine.memory.read32(root + 4 * slot),
      machine.memory.read32(pgd + 4 * slot),
      `host slot ${slot}`,
    );
  assert.notEqual(
    machine.memory.read32(root + 4 * own[1]!),
    toKseg0(invalidPteTable),
    "a table of the host's",
  );
}

function sharesInvalidTable(host: Host): void {
  const guest = newGuest(host);
  const { kvm, machine, vcpu } = guest;
  const { geometry } = kvm.host.target;
  const invalid = toKseg0(kvm.host.invalidPteTable);
  const zeros = hostWords(guest, invalid, (geometry.ptesPerTable << geometry.pteShift) / 4);
  assert.ok(
    zeros.every((word) => word === 0),
    "the invalid table holds zeros only",
  );
  const { tables } = vcpu.mmu;
  const cache = tables.newCache();
  cache.topUp();
  const root = tables.allocPgd();
  tables.walk(root, cache, 0x1234_5000);
  const used = 0x1234_5000 >>> geometry.pgdShift;
  for (let slot = 0; slot < geometry.pgdEntries; slot++)
    assert.equal(machine.memory.read32(root + 4 * slot) === invalid, slot !== used, `slot ${slot}`);
}

/** The same with three levels, as 64-bit hosts have them: no CPU here walks them. */
function fillsMiddleLevel(host: Host): void {
  const { kvm, machine } = newGuest(host);
  const { pages } = kvm.host;
  const geometry = tableGeometry64(host.pageSize);
  const { entries, shift } = geometry.pmd!;
  const before = pages.allocated;
  const invalidPte = pages.allocZeroed(host.pageSize);
  const invalidPmd = TableLevels.allocPmd(pages, geometry, invalidPte);
  const levels = new TableLevels(pages, geometry, invalidPte, invalidPmd);
  const format = new PteFormat(geometry, true);
  const tables = new GvaTables(pages, geometry, format, TE_MAP, 0, invalidPte, invalidPmd);
  const root = tables.allocPgd();
  const cache = tables.newCache();
  cache.topUp(2);
  const gva = 0x1234_5000;
  const pte = tables.walk(root, cache, gva);
  const pmd = levels.read(root, Math.floor(gva / 2 ** geometry.pgdShift));
  for (let slot = 0; slot < geometry.pgdEntries; slot++)
    if (slot !== Math.floor(gva / 2 ** geometry.pgdShift))
      assert.equal(levels.read(root, slot), invalidPmd, `slot ${slot} of the root`);
  const used = (gva >>> shift) % entries;
  for (let slot = 0; slot < entries; slot++) {
    assert.equal(levels.read(invalidPmd, slot), invalidPte, `slot ${slot} of the invalid pmd`);
    const table = slot === used ? pte - (pte % host.pageSize) : invalidPte;
    assert.equal(levels.read(pmd, slot), table, `slot ${slot} of a pmd`);
  }
  cache.release();
  tables.freePgd(root);
  pages.release(invalidPmd);
  pages.release(invalidPte);
  assert.equal(pages.allocated, before, "all memory came back");
  assert.equal(machine.instructions, 0, "and no CPU had a part in it");
}

function sharesInvalidTables(host: Host): void {
  sharesInvalidTable(host);
  fillsMiddleLevel(host);
}

function oneAssembler(host: Host): void {
  let seen: unknown;
  const { target } = newGuest(host).kvm.host;
  const { lines } = section("test", 0x8000_0000, target.level, 4, (asm) => {
    seen = asm;
    asm.addiu(GPR.t0, GPR.t1, -7);
  });
  assert.ok(seen instanceof Assembler, "the hypervisor's assembler is the one that others import");
  assert.equal(decode(lines[0]!.word), rowOf("addiu"), "decoder and assembler have one table");
}

function exportsEmitters(host: Host): void {
  const guest = newGuest(host);
  const { target, code, pgdCurrent } = guest.kvm.host;
  const k = [GPR.k0, GPR.k1] as const;
  const groups = [
    wordsAt(guest, code.ebase, (asm) => emitGetPgde(asm, target, ...k, pgdCurrent)),
    wordsAt(guest, code.ebase, (asm) => emitGetPtep(asm, target, ...k)),
    wordsAt(guest, code.ebase, (asm) => emitUpdateEntries(asm, target, ...k)),
    wordsAt(guest, code.ebase, (asm) => emitTlbWrite(asm)),
  ];
  const walk = groups.flat();
  assert.deepEqual(hostWords(guest, code.ebase, walk.length), walk, "the host's handler");
  // Three words keep k1 and k0.
  assert.deepEqual(hostWords(guest, guest.vcpu.code.block + 12, walk.length), walk, "the guest's handler");
}

function hasNoNmi(host: Host): void {
  const guest = newGuest(host);
  const names = [Vcpu.prototype, Vm.prototype].flatMap((prototype) => Object.getOwnPropertyNames(prototype));
  assert.ok(names.includes("interrupt"), "the VMM's interface is what is looked at");
  assert.deepEqual(
    names.filter((name) => /nmi/i.test(name)),
    [],
    "the VMM is offered no NMI",
  );
  parkInExit(guest);
  const { kernelMm, userMm } = guest.vcpu.regs;
  const before = [kernelMm.context(0), userMm.context(0), hostTlb(guest)];
  for (const irq of [0, 1, 5, 0x9a, -0x9a])
    assert.throws(() => guest.vcpu.interrupt(irq), InterruptNumberError, `interrupt ${irq}`);
  assert.deepEqual(
    [kernelMm.context(0), userMm.context(0), hostTlb(guest)],
    before,
    "no context was taken away",
  );
}

export const GROUNDWORK: readonly Patch[] = [
  { number: 1, kind: "restructuring", title: "MIPS: Move pgd_alloc() out of header", test: allocatesRoots },
  {
    number: 2,
    kind: "restructuring",
    title: "MIPS: Export pgd/pmd symbols for KVM",
    test: sharesInvalidTables,
  },
  { number: 3, kind: "restructuring", title: "MIPS: uasm: Add include guards", test: oneAssembler },
  {
    number: 4,
    kind: "restructuring",
    title: "MIPS: Export some tlbex internals for KVM",
    test: exportsEmitters,
  },
  { number: 5, kind: "behaviour", title: "Drop partial KVM_NMI", test: hasNoNmi },
];
