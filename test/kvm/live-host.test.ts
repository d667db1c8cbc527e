import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CAUSE, CP0, ENTRY_HI, ENTRY_LO, STATUS } from "../../src/isa/cp0.ts";
import { EXC_CODE } from "../../src/isa/exceptions.ts";
import { GPR } from "../../src/isa/registers.ts";
import { fromKseg0, toKseg0 } from "../../src/kvm/addresses.ts";
import { HOST_CALL } from "../../src/kvm/entry/host-code.ts";
import { RESUME_GUEST } from "../../src/kvm/entry/enter-exit.ts";
import { Assembler } from "../../src/uasm/assembler.ts";
import { TEST_HOSTS, TestHost } from "./host.ts";

const PROGRAM = 0x0040_0000;
const DATA = 0x1000_0000;

/** A guest that does `n` system calls and nothing else. */
function systemCalls(t: TestHost, n: number): void {
  t.program(PROGRAM, (asm) => {
    for (let i = 0; i < n; i++) asm.syscall(i);
  });
}

/** Runs host code `emit` as host kernel code in the middle of an exit. Returns the code of its SDBBP. */
function hostCode(t: TestHost, emit: (asm: Assembler) => void): number {
  const { machine, host } = t;
  const { cpu } = machine;
  const saved = Int32Array.from(cpu.gpr);
  const { pc } = cpu;
  const page = host.pages.alloc(4096);
  const asm = new Assembler({ level: "mips32r2", baseAddress: toKseg0(page) });
  emit(asm);
  asm.words().forEach((word, index) => machine.write32(page + 4 * index, word));
  cpu.setPc(toKseg0(page));
  const stop = machine.run();
  host.pages.release(page);
  const result = cpu.gpr[GPR.v0]!;
  cpu.gpr.set(saved);
  cpu.setPc(pc);
  if (stop.kind !== "host-call") throw new Error(`machine stopped: ${stop.kind}`);
  cpu.gpr[GPR.v0] = result;
  return stop.code;
}

describe.each(TEST_HOSTS)("in guest context on %s with pages of %d bytes", (model, pageSize) => {
  test("ERET to the guest: guest EBase, no CP0, user mode, interrupts on, HWREna 0, ASID and root of one mm", () => {
    const t = new TestHost(model, { pageSize });
    const { cpu, ops } = t.machine;
    t.program(PROGRAM, (asm) => {
      for (let i = 0; i < 4; i++) {
        asm.nop();
        asm.syscall(i);
      }
    });
    t.host.prepareRun(t.code, t.vcpu);
    const check = (mm: typeof t.vcpu.userMm): void => {
      // One guest instruction, and nothing changes these registers but entry and exit.
      expect(t.machine.run(1).kind).toBe("budget");
      expect(cpu.pc >>> 0).toBeLessThan(0x8000_0000);
      expect(ops.readCp0(CP0.EBase) & 0x3fff_f000).toBe(fromKseg0(t.code.block));
      const status = ops.readCp0(CP0.Status);
      expect(status & (STATUS.CU0 | STATUS.UM | STATUS.EXL | STATUS.ERL | STATUS.IE | STATUS.BEV)).toBe(
        STATUS.UM | STATUS.IE,
      );
      expect(ops.readCp0(CP0.HWREna)).toBe(0);
      expect(ops.readCp0(CP0.EntryHi) & ENTRY_HI.ASID).toBe(t.host.asids.asid(mm));
      expect(t.host.livePgd).toBe(mm.pgd);
      expect(t.host.asids.isCurrent(mm)).toBe(true);
    };
    // Both modes see the program.
    t.cache.topUp();
    const pte = t.tables.lookup(t.vcpu.userMm.pgd, PROGRAM);
    t.tables.writePte(t.tables.walk(t.vcpu.kernelMm.pgd, t.cache, PROGRAM), pte);
    const modes: [status: number, mm: typeof t.vcpu.userMm][] = [
      [STATUS.UM | STATUS.IE, t.vcpu.userMm],
      [STATUS.UM | STATUS.EXL, t.vcpu.kernelMm],
      [STATUS.UM | STATUS.ERL, t.vcpu.kernelMm],
      [STATUS.UM | STATUS.SM, t.vcpu.userMm],
    ];
    for (const [status, mm] of modes) {
      t.vcpu.cp0[CP0.Status] = status;
      check(mm);
      const stop = t.machine.run();
      expect(stop).toEqual({ kind: "host-call", code: HOST_CALL.exit });
      t.vcpu.pc += 4;
      t.host.answerExit(RESUME_GUEST);
    }
  });

  test("the context word alone decides which ASID the next entry uses", () => {
    const t = new TestHost(model, { pageSize });
    systemCalls(t, 3);
    const asids: number[] = [];
    t.run(() => {
      asids.push(t.host.liveAsid);
      t.vcpu.pc += 4;
      t.vcpu.userMm.setContext(t.vcpu.userMm.context(0) + 9, 0);
      return asids.length < 3;
    });
    expect(asids).toEqual([asids[0], asids[0]! + 9, asids[0]! + 18]);
  });

  test("in an exit, a load of host code from a guest address gives guest data; what is not mapped faults", () => {
    const t = new TestHost(model, { pageSize });
    const frame = t.host.pages.allocZeroed(pageSize);
    t.machine.memory.write32(frame + 8, 0x600d_da7a);
    t.map(DATA, frame);
    // Mapped for the VMM only.
    t.map(DATA + 0x0800_0000, frame, true, t.host.vmmMm.pgd);
    systemCalls(t, 1);
    const load = (address: number) => (asm: Assembler) => {
      asm.loadConstant(GPR.t0, address);
      asm.lw(GPR.v0, 8, GPR.t0);
      asm.sdbbp(9);
    };
    t.run(() => {
      expect(hostCode(t, load(DATA))).toBe(9);
      expect(t.machine.cpu.gpr[GPR.v0]).toBe(0x600d_da7a);
      expect(hostCode(t, load(DATA + 0x0800_0000))).toBe(HOST_CALL.fault);
      expect(t.machine.ops.readCp0(CP0.BadVAddr) >>> 0).toBe(DATA + 0x0800_0008);
      t.machine.ops.writeCp0(CP0.Status, t.machine.ops.readCp0(CP0.Status) & ~STATUS.EXL);
      return false;
    });
    // Outside guest context it is the other way round.
    t.host.activate(t.host.vmmMm);
    expect(hostCode(t, load(DATA + 0x0800_0000))).toBe(9);
    expect(hostCode(t, load(DATA))).toBe(HOST_CALL.fault);
  });

  test("a host interrupt takes the CPU out of the guest, whichever vector is used", () => {
    for (const vectored of [false, true]) {
      const t = new TestHost(model, { pageSize });
      const { cpu, ops } = t.machine;
      if (vectored) {
        ops.writeCp0(CP0.Cause, CAUSE.IV);
        ops.writeCp0(CP0.EBase, ops.readCp0(CP0.EBase));
        // Vectored interrupt mode with the spacing of the block.
        const bev = ops.readCp0(CP0.Status);
        ops.writeCp0(CP0.Status, bev | STATUS.BEV);
        ops.writeCp0(CP0.IntCtl, 0x100);
        ops.writeCp0(CP0.Status, bev);
      }
      t.program(PROGRAM, (asm) => {
        const loop = asm.bind("loop");
        asm.b(loop);
        asm.addiu(GPR.t0, GPR.t0, 1);
      });
      t.machine.timeline.register("line", () => cpu.setInterruptLine(4, true));
      t.machine.timeline.schedule("line", 1000);
      const codes: number[] = [];
      t.run((code) => {
        codes.push(code);
        expect(ops.readCp0(CP0.Cause) & CAUSE.IP).toBe(1 << 12);
        cpu.setInterruptLine(4, false);
        if (codes.length === 1) t.machine.timeline.schedule("line", 2000);
        return codes.length < 2;
      });
      expect(codes).toEqual([EXC_CODE.Int, EXC_CODE.Int]);
      expect(t.vcpu.gpr[GPR.t0]).toBeGreaterThan(900);
    }
  });

  test("a PTE that became valid is not seen until the stale entry is invalidated, at index 0 too", () => {
    const t = new TestHost(model, { pageSize });
    const { cpu, ops } = t.machine;
    const frame = t.host.pages.allocZeroed(pageSize);
    t.machine.memory.write32(frame, 77);
    t.program(PROGRAM, (asm) => {
      asm.loadConstant(GPR.t0, DATA);
      asm.lw(GPR.t1, 0, GPR.t0);
      asm.syscall(0);
    });
    let misses = 0;
    t.run((code) => {
      if (code === EXC_CODE.Sys) return false;
      expect(code).toBe(EXC_CODE.TLBL);
      misses++;
      const asid = t.host.asids.asid(t.vcpu.userMm);
      if (misses === 1) {
        // Move the invalid pair that the handler wrote to index 0.
        const from = cpu.tlb.probe(DATA, asid);
        const entry = cpu.tlb.read(from);
        expect(entry.entryLo0 & ENTRY_LO.V).toBe(0);
        cpu.tlb.write(from, { ...entry, entryHi: t.host.tlb.uniqueEntryHi(from + cpu.tlb.entries) });
        cpu.tlb.write(0, entry);
        t.map(DATA, frame);
      }
      if (misses === 4) expect(t.host.tlb.invalidate(DATA, asid)).toBe(0);
      return misses < 8;
    });
    expect(misses).toBe(4);
    expect(t.vcpu.gpr[GPR.t1]).toBe(77);
    expect(ops.readCp0(CP0.Wired)).toBe(0);
  });

  test("a new context word hides every old translation, through ASID wraps, with a wired entry kept", () => {
    const t = new TestHost(model, { pageSize });
    const { cpu, ops, memory } = t.machine;
    const { asids, pages } = t.host;
    const wired = { entryHi: 0x7f00_0000, pageMask: t.tables.geometry.pageMask, entryLo0: 1, entryLo1: 1 };
    cpu.tlb.write(0, wired);
    ops.writeCp0(CP0.Wired, 1);
    const frames = Array.from({ length: 7 }, (_, i) => {
      const frame = pages.allocZeroed(pageSize);
      memory.write32(frame, 100 + i);
      return frame;
    });
    t.program(PROGRAM, (asm) => {
      asm.loadConstant(GPR.t0, DATA);
      const loop = asm.bind("loop");
      asm.lw(GPR.t1, 0, GPR.t0);
      asm.syscall(0);
      asm.b(loop);
      asm.nop();
    });
    t.map(DATA, frames[0]!);
    const wraps = asids.wraps;
    let round = 0;
    t.run((code) => {
      expect(code).toBe(EXC_CODE.Sys);
      expect(t.vcpu.gpr[GPR.t1]).toBe(100 + (round % frames.length));
      t.vcpu.pc += 4;
      round++;
      // The table changes under a live entry; only the address space number is renewed.
      t.map(DATA, frames[round % frames.length]!);
      asids.getNew(t.vcpu.userMm);
      return round < 600;
    });
    expect(asids.wraps - wraps).toBe(2);
    expect(cpu.tlb.read(0)).toEqual(wired);
  });

  test("a store to a page that is not hardware-writable raises Modified once the entry is there", () => {
    const t = new TestHost(model, { pageSize });
    t.map(DATA, t.host.pages.allocZeroed(pageSize), false);
    t.program(PROGRAM, (asm) => {
      asm.loadConstant(GPR.t0, DATA);
      asm.sw(GPR.t0, 0, GPR.t0);
      asm.syscall(0);
    });
    const codes: number[] = [];
    t.run((code) => {
      codes.push(code);
      return false;
    });
    expect(codes).toEqual([EXC_CODE.Mod]);
    expect(t.vcpu.badVAddr).toBe(DATA);
  });

  test("the TLB entry is the pair of PTEs as the format converts them", () => {
    const t = new TestHost(model, { pageSize });
    const { cpu, memory } = t.machine;
    const { format } = t.tables;
    t.program(PROGRAM, (asm) => {
      asm.lw(GPR.t1, 0, GPR.t0);
      asm.syscall(0);
    });
    const writable = cpu.cp0Specs.get(CP0.EntryLo0)!.writable;
    const frameMask = pageSize === 16384 ? ~0xc0 : -1;
    const asid = t.host.asids.asid(t.vcpu.userMm);
    const flags = fc.record({ young: fc.boolean(), write: fc.boolean(), dirty: fc.boolean() });
    // Not the vcpu structure: an exit stores there after the guest has loaded.
    const frame = fc.nat({ max: 200 }).filter((n) => n !== Math.floor(t.vcpu.hpa / pageSize));
    const half = fc.option(fc.tuple(frame, flags), { freq: 8 });
    const gva = fc.nat({ max: 0x3fff_ffff }).map((at) => at - (at % 4));
    fc.assert(
      fc.property(gva, half, half, (at, even, odd) => {
        fc.pre(at < PROGRAM - 0x10000 || at > PROGRAM + 0x10000);
        const ptes = [even, odd].map((one) => (one === null ? 0 : format.make(one[0] * pageSize, one[1])));
        t.cache.topUp();
        const where = t.tables.walk(t.vcpu.userMm.pgd, t.cache, at & ~pageSize);
        ptes.forEach((pte, index) => t.tables.writePte(where + (index << t.tables.geometry.pteShift), pte));
        t.host.tlb.flushAllNonWired();
        t.vcpu.pc = PROGRAM;
        t.vcpu.gpr[GPR.t0] = at;
        const refills = cpu.refills;
        const codes: number[] = [];
        t.run((code) => {
          codes.push(code);
          return false;
        });
        expect(cpu.refills).toBeGreaterThan(refills);
        const index = cpu.tlb.probe(at, asid);
        expect(index).toBeGreaterThanOrEqual(0);
        const entry = cpu.tlb.read(index);
        expect([entry.entryLo0, entry.entryLo1]).toEqual(
          ptes.map((pte) => (format.toEntryLo(pte) & writable & frameMask) >>> 0),
        );
        expect(entry.pageMask).toBe(t.tables.geometry.pageMask);
        const valid = format.valid(ptes[(at & pageSize) === 0 ? 0 : 1]!);
        expect(codes).toEqual([valid ? EXC_CODE.Sys : EXC_CODE.TLBL]);
        if (valid) {
          const pa = format.hpa(ptes[(at & pageSize) === 0 ? 0 : 1]!) + (at % pageSize);
          expect(t.vcpu.gpr[GPR.t1]! >>> 0).toBe(memory.read32(pa));
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe("other hosts and options", () => {
  test("with slow refill every miss exits, and the hypervisor writes the entry itself", () => {
    const results = (["fast", "slow"] as const).map((refill) => {
      const t = new TestHost("24Kc", { pageSize: 4096 }, refill);
      const pages = 100;
      t.program(PROGRAM, (asm) => {
        asm.loadConstant(GPR.t0, DATA);
        asm.loadConstant(GPR.t1, pages);
        const loop = asm.bind("loop");
        asm.lw(GPR.t2, 0, GPR.t0);
        asm.addu(GPR.v0, GPR.v0, GPR.t2);
        asm.addiu(GPR.t1, GPR.t1, -1);
        asm.bnez(GPR.t1, loop);
        asm.addiu(GPR.t0, GPR.t0, 4096);
        asm.syscall(0);
      });
      for (let page = 0; page < pages; page++) {
        const frame = t.host.pages.allocZeroed(4096);
        t.machine.memory.write32(frame, page * page);
        t.map(DATA + page * 4096, frame);
      }
      const before = t.machine.cpu.refills;
      t.run((code) => {
        if (code === EXC_CODE.Sys) return false;
        const gva = t.vcpu.badVAddr & ~8191;
        const [lo0, lo1] = [gva, gva + 4096].map((at) =>
          t.tables.format.toEntryLo(t.tables.lookup(t.vcpu.userMm.pgd, at)),
        );
        t.host.tlb.write(gva, t.host.asids.asid(t.vcpu.userMm), lo0!, lo1!);
        return true;
      });
      const refills = t.machine.cpu.refills - before;
      return { sum: t.vcpu.gpr[GPR.v0], exits: t.exits, refills };
    });
    const [fast, slow] = results as [(typeof results)[0], (typeof results)[0]];
    const sum = Array.from({ length: 100 }, (_, page) => page * page).reduce((a, b) => a + b);
    expect(fast.sum).toBe(sum);
    expect(slow.sum).toBe(sum);
    expect(fast.exits).toBe(1);
    expect(fast.refills).toBeGreaterThanOrEqual(51);
    expect(slow.exits).toBe(slow.refills + 1);
  });

  test("a big-endian host walks the same tables", () => {
    const t = new TestHost("24Kc-rixi", { pageSize: 4096 }, "fast", "big");
    const frame = t.host.pages.allocZeroed(4096);
    t.machine.writeBytes(frame, Uint8Array.of(0x11, 0x22, 0x33, 0x44));
    t.map(DATA, frame);
    t.program(PROGRAM, (asm) => {
      asm.loadConstant(GPR.t0, DATA);
      asm.lw(GPR.t1, 0, GPR.t0);
      asm.lbu(GPR.t2, 0, GPR.t0);
      asm.syscall(0);
    });
    t.run((code) => code !== EXC_CODE.Sys);
    expect(t.exits).toBe(1);
    expect(t.vcpu.gpr[GPR.t1]).toBe(0x1122_3344);
    expect(t.vcpu.gpr[GPR.t2]).toBe(0x11);
  });

  test("a host with BadInstr hands over what BadInstr and BadInstrP hold", () => {
    const t = new TestHost("24Kc-rixi", { pageSize: 4096 });
    const { cpu, ops } = t.machine;
    t.program(PROGRAM, (asm) => {
      const end = asm.label("end");
      asm.b(end);
      asm.mfc0(GPR.t0, 12, 0);
      asm.bind(end);
      asm.nop();
    });
    cpu.cp0[CP0.BadInstr] = 0x1234_5678;
    cpu.cp0[CP0.BadInstrP] = 0x1fed_cba9;
    t.run((code) => {
      expect(code).toBe(EXC_CODE.CpU);
      expect(t.vcpu.cause & CAUSE.BD).not.toBe(0);
      expect(t.vcpu.badInstr).toBe(ops.readCp0(CP0.BadInstr) >>> 0);
      expect(t.vcpu.badInstrP).toBe(ops.readCp0(CP0.BadInstrP) >>> 0);
      expect(t.vcpu.badInstr).not.toBe(0);
      expect(t.vcpu.badInstrP).not.toBe(0);
      return false;
    });
  });

  test("a vcpu that returned to the VMM is entered again, through the block of another build too", () => {
    const t = new TestHost("24Kc-kscratch", { pageSize: 4096 });
    systemCalls(t, 8);
    const result = t.run(() => {
      t.vcpu.pc += 4;
      return t.exits < 4;
    });
    expect(result).toBe(-4);
    const code = t.host.buildVcpuCode("slow");
    expect(code.block).not.toBe(t.code.block);
    t.host.prepareRun(code, t.vcpu);
    expect(t.machine.run(1000)).toEqual({ kind: "host-call", code: HOST_CALL.exit });
    expect(t.vcpu.pc).toBe(PROGRAM + 16);
  });

  // Host instructions, ERET included: [first entry, refill, stub and exit to the handler], exit to exit, return; and
  // the guest's system call.
  test.each([
    ["24Kc-kscratch", [91, 26, 75], 153, 25],
    ["24Kc", [88, 27, 72], 149, 25],
  ] as const)("entry, refill and exit on %s cost what their listings show", (model, first, next, back) => {
    const t = new TestHost(model, { pageSize: 4096 });
    systemCalls(t, 3);
    const { cpu } = t.machine;
    const counts: number[] = [];
    let last = cpu.instructions;
    t.run(() => {
      counts.push(cpu.instructions - last);
      last = cpu.instructions;
      t.vcpu.pc += 4;
      return counts.length < 3;
    });
    counts.push(cpu.instructions - last);
    expect(counts).toEqual([first[0] + first[1] + first[2], next, next, back]);
  });
});
