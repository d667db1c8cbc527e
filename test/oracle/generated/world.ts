import { createInterpreter } from "../../../src/engine/index.ts";
import { CP0, ENTRY_LO, STATUS } from "../../../src/isa/cp0.ts";
import { GPR } from "../../../src/isa/registers.ts";
import type { Gpa, Gva } from "../../../src/kvm/addresses.ts";
import { commpageAddress } from "../../../src/kvm/guest-map.ts";
import { Kvm } from "../../../src/kvm/index.ts";
import type { HostKernel } from "../../../src/kvm/host-kernel.ts";
import type { Vcpu } from "../../../src/kvm/vcpu.ts";
import { legalPageMask, type TlbEntry } from "../../../src/machine/tlb.ts";
import { Machine } from "../../../src/machine/machine.ts";
import { Assembler } from "../../../src/uasm/assembler.ts";
import type { Configuration } from "./configurations.ts";
import { CAPTURED_BYTES, GUEST_BYTES, HYPERVISOR_BYTES } from "./layout.ts";

/** Bytes from one guest page to the next: they may be 4K or 16K. */
const GUEST_PAGE_STEP = 0x4000;
const GUEST_PAGES: Gpa = 0x1_0000;
const KSEG0 = 0x4000_0000;
const GUEST_ASID = 0x5a;
/** More exits than the guest has while its tables are filled. */
const MAX_EXITS = 1000;

/** Pairs of pages that the guest maps by its TLB, by the address of the even page; `null` is V = 0. */
const MAPPED = {
  /** Code of scenarios in guest user mode, and routines on a page of their own. */
  userCode: [0x0040_0000, "rw", "rw"],
  routines: [0x0500_0000, "rw", "rw"],
  both: [0x0123_0000, "rw", "rw"],
  neighbour: [0x0124_0000, "rw", "rw"],
  evenOnly: [0x1000_0000, "rw", null],
  oddOnly: [0x1008_0000, null, "rw"],
  readOnlyEven: [0x2abc_0000, "r", "rw"],
  readOnlyOdd: [0x2abd_0000, "rw", "r"],
  lastUser: [0x3fff_8000, "rw", "rw"],
  firstKernel: [0x6000_0000, "rw", "rw"],
  lastKernel: [0x7fff_8000, "rw", "r"],
} as const;

/** Addresses of pairs that scenarios use. */
export const AT = {
  ...(Object.fromEntries(Object.entries(MAPPED).map(([name, [gva]]) => [name, gva])) as {
    readonly [Name in keyof typeof MAPPED]: Gva;
  }),
  /** Guest KSeg0: a pair of code, and pairs of data for a sweep. */
  kernelCode: KSEG0 + 0x8000,
  direct: KSEG0 + 0xc_0000,
  sweep: Array.from({ length: 12 }, (_, index) => KSEG0 + 0x6_0000 + index * 0x8000),
  /** A pair that its table lacks, and a slot of the root without a table. */
  noPte: 0x0125_0000,
  noTable: 0x3000_0000,
  /** PTEs that the hypervisor does not write today; the handlers must do with every bit what the hardware says. */
  globalPair: 0x2c00_0000,
  uncached: 0x2c01_0000,
  old: 0x2c02_0000,
  clean: 0x2c03_0000,
  noRead: 0x2c04_0000,
  readInhibit: 0x2c05_0000,
  executeInhibit: 0x2c06_0000,
} as const;

/** The word that guest memory holds at `gpa` before anything runs. */
function filling(gpa: Gpa): number {
  return Math.imul(gpa ^ 0x3c6e_f372, 0x9e37_79b1) >>> 0;
}

/**
 * A machine with a hypervisor whose guest has used its pages, so that the hypervisor has built its tables; to
 * these come pairs with PTEs of other kinds. Nothing here knows how a table is laid out.
 */
export class World {
  readonly configuration: Configuration;
  readonly machine: Machine;
  readonly host: HostKernel;
  readonly vcpu: Vcpu;

  constructor(configuration: Configuration) {
    this.configuration = configuration;
    const { model, endian, pageSize } = configuration;
    this.machine = new Machine(
      { model, endian, ramBytes: CAPTURED_BYTES, guestTime: "user", hostCalls: true },
      createInterpreter,
    );
    const kvm = new Kvm(this.machine, { pageSize, end: HYPERVISOR_BYTES });
    this.host = kvm.host;
    let exits = 0;
    const kvm_exit = (): void => {
      if (++exits > MAX_EXITS) throw new Error(`more than ${MAX_EXITS} exits: the guest makes no progress`);
    };
    const vm = kvm.createVm({ checkInvariants: true, dyntrans: true, tracer: { kvm_exit } });
    vm.setUserMemoryRegion({
      slot: 0,
      guestPhysAddr: 0,
      memorySize: GUEST_BYTES,
      hostPhysAddr: HYPERVISOR_BYTES,
    });
    this.vcpu = vm.createVcpu();
    for (let gpa = 0; gpa < GUEST_BYTES; gpa += 4) this.write(gpa, filling(gpa));
    this.mapPages();
    this.usePages();
    this.addPairs();
    for (const user of [true, false]) this.vcpu.mmu.beforeEntry(user, GUEST_ASID);
  }

  /** Where the guest's kernel has its commpage. */
  get commpage(): Gva {
    return commpageAddress(this.vcpu.map, this.vcpu.pageSize);
  }

  // --- guest memory ---

  private write(gpa: Gpa, word: number): void {
    this.machine.write32(HYPERVISOR_BYTES + gpa, word);
  }

  /** Host physical address of `gva` in a mode's table; throws where it maps nothing. */
  private hpa(gva: Gva, user: boolean): number {
    const { pageSize } = this.configuration;
    const pte = this.vcpu.mmu.lookup(gva, user);
    if (pte === 0) throw new Error(`no PTE for ${gva.toString(16)}`);
    return this.host.target.format.hpa(pte) + (gva % pageSize);
  }

  /** The word at `gva`, unsigned. */
  word(gva: Gva, user: boolean): number {
    return this.machine.memory.read32(this.hpa(gva & ~3, user));
  }

  /** Assembles code at `gva`. */
  assemble<T>(gva: Gva, user: boolean, emit: (asm: Assembler) => T): T {
    const asm = new Assembler({ level: "mips32r2", baseAddress: gva });
    const result = emit(asm);
    const hpa = this.hpa(gva, user);
    asm.words().forEach((word, index) => this.machine.write32(hpa + 4 * index, word));
    return result;
  }

  // --- what the guest maps and uses ---

  /** Address of the odd page of the pair at `gva`. */
  odd(gva: Gva): Gva {
    return gva + this.configuration.pageSize;
  }

  private mapPages(): void {
    const { pageSize } = this.configuration;
    let gpa = GUEST_PAGES;
    const lo = (access: "rw" | "r" | null): number => {
      const page = gpa;
      gpa += GUEST_PAGE_STEP;
      if (access === null) return 0;
      return (page >>> 6) | (3 << ENTRY_LO.C_SHIFT) | ENTRY_LO.V | (access === "rw" ? ENTRY_LO.D : 0);
    };
    this.vcpu.cp0[CP0.EntryHi] = GUEST_ASID;
    Object.values(MAPPED).forEach(([gva, even, odd], index) => {
      const entry = { entryLo0: lo(even), entryLo1: lo(odd) };
      const pageMask = legalPageMask(pageSize * 2 - 1);
      this.vcpu.guestTlb.write(index, { entryHi: gva | GUEST_ASID, pageMask, ...entry });
    });
  }

  /** Lets the guest load from all its pages, in both modes: the hypervisor serves the faults and fills tables. */
  private usePages(): void {
    const loadAll = (asm: Assembler, pages: readonly Gva[]): void => {
      for (const gva of pages) {
        asm.loadConstant(GPR.t0, gva);
        asm.lw(GPR.t1, 0, GPR.t0);
      }
    };
    const pages = Object.values(MAPPED).flatMap(([gva, even, odd]) => [
      ...(even === null ? [] : [gva]),
      ...(odd === null ? [] : [this.odd(gva)]),
    ]);
    const direct = [AT.kernelCode, AT.direct, ...AT.sweep];
    const inDirect = (gpa: Gpa, emit: (asm: Assembler) => void): void => {
      const asm = new Assembler({ level: "mips32r2", baseAddress: KSEG0 + gpa });
      emit(asm);
      asm.words().forEach((word, index) => this.write(gpa + 4 * index, word));
    };
    const start: Gpa = 0x4000;
    inDirect(start, (asm) => {
      loadAll(asm, [...pages, ...direct]);
      asm.lw(GPR.t1, this.commpage, GPR.zero);
      asm.wait();
    });
    inDirect(0x180, (asm) => asm.wait());
    this.runToWait(KSEG0 + start, 0);
    const code = AT.userCode;
    inDirect(GUEST_PAGES, (asm) => {
      loadAll(
        asm,
        pages.filter((gva) => gva < KSEG0),
      );
      asm.syscall();
    });
    this.runToWait(code, STATUS.UM);
    // Whoever runs astray meets a BREAK.
    for (const [gva, user] of [
      [code, true],
      [AT.kernelCode, false],
    ] as const)
      this.assemble(gva, user, (asm) => {
        while (asm.length < this.configuration.pageSize / 4) asm.break();
      });
  }

  private runToWait(pc: Gva, status: number): void {
    const { vcpu } = this;
    vcpu.waiting = false;
    vcpu.regs.pc = pc;
    vcpu.cp0[CP0.Status] = status;
    const exit = vcpu.run(1_000_000);
    if (exit.reason !== "irq-window-open") throw new Error(`the guest ended with ${JSON.stringify(exit)}`);
  }

  // --- PTEs of other kinds ---

  private addPairs(): void {
    const { format } = this.host.target;
    let gpa = 0xd_0000;
    const page = (flags = { write: true, young: true, dirty: true, cca: 3 }): number => {
      const pte = format.make(HYPERVISOR_BYTES + gpa, flags);
      gpa += GUEST_PAGE_STEP;
      return pte;
    };
    const all = { write: true, young: true, dirty: true, cca: 3 };
    this.addPair(AT.globalPair, page() | format.G, page() | format.G);
    this.addPair(AT.uncached, page({ ...all, cca: 2 }), page());
    this.addPair(AT.old, page({ ...all, young: false }), page());
    this.addPair(AT.clean, page({ ...all, dirty: false }), page({ ...all, write: false }));
    this.addPair(AT.noRead, format.mkyoung(format.mkold(page()) | format.noRead), page());
    if (!format.rixi) return;
    this.addPair(AT.readInhibit, page() | format.noRead, page());
    this.addPair(AT.executeInhibit, page(), page() | format.XI);
  }

  /** Links a pair into the user table. */
  private addPair(gva: Gva, even: number, odd: number): void {
    const { tables } = this.vcpu.mmu;
    const cache = tables.newCache();
    cache.topUp();
    const pte = tables.walk(this.vcpu.regs.userMm.pgd, cache, gva);
    tables.writePte(pte, even >>> 0);
    tables.writePte(pte + 4, odd >>> 0);
    cache.release();
  }

  // --- what should come of it ---

  /** ASID in which a mode's pages are in the host TLB. */
  asid(user: boolean): number {
    return this.host.asids.asid(this.vcpu.mmu.mmOf(user));
  }

  /** The host TLB entry for the pair around `gva` as the PTEs say, worked out without the generated code. */
  expectedEntry(gva: Gva, user: boolean): TlbEntry {
    const { format, geometry } = this.host.target;
    const even = (gva & ~(2 * geometry.pageSize - 1)) >>> 0;
    const [pte0, pte1] = [even, this.odd(even)].map((at) => this.vcpu.mmu.lookup(at, user)) as [
      number,
      number,
    ];
    const global = (pte0 & pte1 & format.G) === 0 ? 0 : ENTRY_LO.G;
    const lo = (pte: number): number => {
      if (pte === 0) return global;
      let word = (format.hpa(pte) / 64) | (((pte / (format.G * 8)) & 7) << ENTRY_LO.C_SHIFT) | global;
      if (format.hardwareWritable(pte)) word |= ENTRY_LO.D;
      if (format.valid(pte)) word |= ENTRY_LO.V;
      if (format.rixi && (pte & format.noRead) !== 0) word |= ENTRY_LO.RI;
      if ((pte & format.XI) !== 0) word |= ENTRY_LO.XI;
      return word >>> 0;
    };
    return {
      entryHi: (even | this.asid(user)) >>> 0,
      pageMask: geometry.pageMask,
      entryLo0: lo(pte0),
      entryLo1: lo(pte1),
    };
  }
}
