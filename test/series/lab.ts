import assert from "node:assert/strict";
import { createInterpreter } from "../../src/engine/index.ts";
import { CP0, STATUS } from "../../src/isa/cp0.ts";
import { GPR } from "../../src/isa/registers.ts";
import { fromKseg0, toKseg0, type Gpa, type Gva, type Hpa, type HostVa } from "../../src/kvm/addresses.ts";
import { HOST_CALL } from "../../src/kvm/entry/host-code.ts";
import { entryLo, TestGuest, type TestGuestOptions } from "../../src/kvm/testing.ts";
import { CPU_MODELS } from "../../src/machine/cpu-models.ts";
import type { Engine, Machine } from "../../src/machine/machine.ts";
import type { TlbEntry } from "../../src/machine/tlb.ts";
import type { Tracer } from "../../src/kvm/trace.ts";
import { Assembler } from "../../src/uasm/assembler.ts";
import type { Host } from "./patch.ts";

/** Where the tests' guest code is: in guest KSeg0. */
export const CODE = 0x4000_1000;

/**
 * A guest with its exceptions trapped, under the series' own scheme: one root for each mode, 64 entries in the
 * guest's TLB, every trap an exit, dynamic translation. The checker of invariants is off: each test looks for itself. `prepare` is given the machine before it has an engine.
 */
export function newGuest(
  host: Host,
  options: TestGuestOptions = {},
  prepare: (machine: Machine) => void = () => {},
): TestGuest {
  const engine = (machine: Machine): Engine => {
    prepare(machine);
    return createInterpreter(machine);
  };
  const guest = new TestGuest(engine, {
    ...{ checkInvariants: false, gvaRoots: 1, guestTlb: 64, fastExits: false, dyntrans: true },
    ...host,
    ...options,
  });
  guest.trapExceptions();
  return guest;
}

/** Where the CPU can, a host on which user mode and kernel mode see different things at one address. */
export function evaWhereItExists({ model }: Host): { eva: boolean } {
  return { eva: CPU_MODELS[model]!.segmentControl };
}

/**
 * Has everything that is derived of the guest's mappings dropped at each exit for reason `code`, before it is
 * handled. Give the result to {@link newGuest} as its tracer.
 */
export function forgetAtExit(code: number): { readonly tracer: Tracer; attach(guest: TestGuest): void } {
  let victim: TestGuest | null = null;
  const tracer = {
    kvm_exit: (_pc: number, reason: number) => {
      if (reason !== code || victim === null) return;
      victim.vcpu.mmu.flushAll();
      victim.kvm.host.tlb.flushAllNonWired();
    },
  };
  return { tracer, attach: (guest) => (victim = guest) };
}

/** Puts code that ends in WAIT at {@link CODE}, starts the guest there in kernel mode, and runs up to the WAIT. */
export function runCode(guest: TestGuest, emit: (asm: Assembler) => void): void {
  startCode(guest, (asm) => {
    emit(asm);
    asm.wait();
  });
  expectWait(guest);
}

/** The same without the WAIT and without running. */
export function startCode(guest: TestGuest, emit: (asm: Assembler) => void): void {
  guest.assemble(CODE, emit);
  guest.start(CODE);
  guest.vcpu.waiting = false;
}

/** Runs up to a WAIT and nothing else. */
export function expectWait(guest: TestGuest): void {
  assert.equal(guest.run().reason, "irq-window-open", "the guest reaches its WAIT");
}

/** Runs up to an exception that the guest takes itself: the offset of its vector. */
export function expectTrap(guest: TestGuest): number {
  const exit = guest.run();
  assert.ok(exit.reason === "mmio", `the guest takes an exception; instead: ${exit.reason}`);
  return exit.physAddr - 0x0700_0000;
}

/**
 * Starts a guest whose instructions all trap and lets it execute one: the exit is handled, the guest not yet
 * entered again, so that the CPU is in the host's kernel with the guest's address space live.
 */
export function parkInExit(guest: TestGuest, vcpu = guest.vcpu): void {
  guest.assemble(CODE, (asm) => {
    for (let i = 0; i < 32; i++) asm.di(0);
    asm.b(CODE);
    asm.nop();
  });
  vcpu.regs.pc = CODE;
  vcpu.cp0[CP0.Status] = 0;
  vcpu.waiting = false;
  parkAgain(guest, vcpu);
}

/** Lets a parked guest execute one more instruction, on host CPU `cpu` (by default where it is). */
export function parkAgain(guest: TestGuest, vcpu = guest.vcpu, cpu?: number): void {
  assert.equal(vcpu.run(1, cpu).reason, "intr", "the slice of one instruction ends");
  assert.ok(!vcpu.inGuest, "the guest's instruction exited");
}

/** A guest EntryHi, PageMask and EntryLo pair of host-sized pages: `gpa` for the even page, the next for the odd one. */
export function mapPair(
  guest: TestGuest,
  index: number,
  gva: Gva,
  asid: number,
  gpa: Gpa,
  dirty = true,
  global = false,
): void {
  const { pageSize, pageMask } = guest.kvm.host.target.geometry;
  const lo = (at: Gpa): number => entryLo(at, dirty, global);
  guest.mapPages(index, gva, asid, lo(gpa), lo(gpa + pageSize), pageMask);
}

/** Emits a TLBWI of such an entry; `gpa` null writes an entry without a valid page. */
export function emitTlbwi(
  guest: TestGuest,
  asm: Assembler,
  index: number,
  entryHi: number,
  gpa: Gpa | null,
): void {
  const { pageSize, pageMask } = guest.kvm.host.target.geometry;
  const registers: [cp0: number, value: number][] = [
    [CP0.Index, index],
    [CP0.PageMask, pageMask],
    [CP0.EntryLo0, gpa === null ? 0 : entryLo(gpa, true)],
    [CP0.EntryLo1, gpa === null ? 0 : entryLo(gpa + pageSize, true)],
    [CP0.EntryHi, entryHi],
  ];
  for (const [cp0, value] of registers) {
    asm.loadConstant(GPR.k0, value);
    asm.mtc0(GPR.k0, cp0 >>> 3, cp0 & 7);
  }
  asm.tlbwi();
}

/** Emits a load of the word at `gva` into `rt`. */
export function emitLoad(asm: Assembler, rt: number, gva: Gva): void {
  asm.loadConstant(GPR.t9, gva);
  asm.lw(rt, 0, GPR.t9);
}

/** Contents of the host TLB, unused entries as null. */
export function hostTlb(guest: TestGuest): (TlbEntry | null)[] {
  const { tlb } = guest.machine.cpu;
  return Array.from({ length: tlb.entries }, (_, index) => (tlb.isUsed(index) ? tlb.read(index) : null));
}

/** Exits of all kinds so far. */
export function exitsOf(guest: TestGuest): number {
  return guest.vcpu.stats.totalExits;
}

/** Replaces a method of one object by one that calls `before` with its arguments, then the original. */
export function spy<T extends object, K extends keyof T>(
  object: T,
  name: K,
  before: T[K] extends (...args: infer A) => unknown ? (...args: A) => void : never,
): void {
  const original = object[name] as (...args: unknown[]) => unknown;
  const first = before as (...args: unknown[]) => void;
  Reflect.set(object, name, (...args: unknown[]) => {
    first(...args);
    return original.apply(object, args);
  });
}

/** Runs host kernel code, as part of an exit handler would run. Returns the code of the host call that it ends in. */
function runHostCode(guest: TestGuest, emit: (asm: Assembler) => void): number {
  const { machine, kvm } = guest;
  const page = kvm.host.pages.allocZeroed(kvm.host.pages.pageSize);
  const asm = new Assembler({ level: kvm.host.target.level, baseAddress: toKseg0(page) });
  emit(asm);
  asm.words().forEach((word, index) => machine.write32(page + 4 * index, word));
  const { pc, gpr } = machine.cpu;
  const saved = Int32Array.from(gpr);
  machine.cpu.setPc(toKseg0(page));
  const stop = machine.run(1000);
  const v0 = gpr[GPR.v0]!;
  gpr.set(saved);
  gpr[GPR.v0] = v0;
  machine.cpu.setPc(pc);
  // A fault leaves EXL set, and no one else clears it.
  machine.ops.writeCp0(CP0.Status, machine.ops.readCp0(CP0.Status) & ~STATUS.EXL);
  kvm.host.pages.release(page);
  assert.equal(stop.kind, "host-call", "the host's code comes to its end");
  return stop.kind === "host-call" ? stop.code : -1;
}

/** What the host's kernel loads from `address` right now, or null if the load faults. */
export function hostLoad(guest: TestGuest, address: number): number | null {
  const end = 9;
  const code = runHostCode(guest, (asm) => {
    asm.loadConstant(GPR.t0, address);
    asm.lw(GPR.v0, 0, GPR.t0);
    asm.sdbbp(end);
  });
  if (code === HOST_CALL.fault) return null;
  assert.equal(code, end, "the host's load ends");
  return guest.machine.cpu.gpr[GPR.v0]!;
}

/** The words that `emit` assembles at `address` for the guest's host. */
export function wordsAt(guest: TestGuest, address: HostVa, emit: (asm: Assembler) => void): number[] {
  const asm = new Assembler({ level: guest.kvm.host.target.level, baseAddress: address });
  emit(asm);
  return [...asm.words()];
}

/** `count` words of host memory from `address`. */
export function hostWords(guest: TestGuest, address: HostVa, count: number): number[] {
  return Array.from({ length: count }, (_, index) =>
    guest.machine.memory.read32(fromKseg0(address) + 4 * index),
  );
}

/** Slot of `root` that `gva` selects. */
export function slotOf(guest: TestGuest, root: Hpa, gva: Gva): number {
  return guest.machine.memory.read32(root + 4 * (gva >>> guest.kvm.host.target.geometry.pgdShift));
}
