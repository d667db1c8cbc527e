import { CP0, PAGE_GRAIN, SEG_CTL, STATUS } from "../isa/cp0.ts";
import { GPR } from "../isa/registers.ts";
import type { Machine } from "../machine/machine.ts";
import { flag, list, record, type Field } from "../state/fields.ts";
import { fromKseg0, toKseg0, type Hpa, type HostVa } from "./addresses.ts";
import { asidsSnapshot, HostAsids, type AsidsSnapshot } from "./asid.ts";
import {
  blocksOf,
  buildVcpuCode,
  BLOCK,
  installCode,
  installWords,
  type RefillKind,
  type VcpuCode,
} from "./entry/code-block.ts";
import { buildHostCode, HOST_CALL, HOST_CODE_BYTES, type HostCode } from "./entry/host-code.ts";
import type { FastExitOptions } from "./entry/fast-exit-operations.ts";
import { contextOf } from "./entry/cpu-number.ts";
import { probeTarget, type CodeTarget, type TargetOptions } from "./entry/target.ts";
import { ROUTINES } from "./entry/trap-routines.ts";
import { HostFaultError, HostFeatureError } from "./errors.ts";
import type { FpuRoutine } from "./entry/fpu-routines.ts";
import type { UserAccess } from "./entry/user-access.ts";
import type { GuestMap } from "./guest-map.ts";
import { GvaTables } from "./gva-table.ts";
import { HostMm } from "./host-mm.ts";
import { HostPages } from "./host-pages.ts";
import { isXpa } from "./page-format.ts";
import { HOST_TLB_COUNTS, HostTlb, type HostTlbCounts } from "./host-tlb.ts";
import type { VcpuMemory } from "./layout.ts";

/** What the host kernel needs to know beyond the machine. */
export interface HostKernelOptions extends TargetOptions {
  /** First byte of host RAM that the kernel and the hypervisor may use (default 0). */
  readonly first?: Hpa;
  /** End of that part of RAM (default: all that kseg0 shows). */
  readonly end?: Hpa;
  /** Status.IM bits of the host: interrupts that take the CPU out of a guest (default IP2 to IP6). */
  readonly interruptMask?: number;
}

/** A segment that kernel mode finds unmapped at `pa`, and user mode mapped: mode MUSUK, cache attribute `cca`. */
const musuk = (pa: number, cca: number, eu = 0): number =>
  ((pa >>> 29) << SEG_CTL.PA_SHIFT) | (4 << SEG_CTL.AM_SHIFT) | eu | cca;

const UNCACHED = 2;
const CACHED = 3;

/**
 * SegCtl0 to SegCtl2 of a host with `eva`. To the host's kernel kseg0 and kseg1 are what they are everywhere; what
 * was kseg2, kseg3 and useg shows physical memory at the same address.
 */
const EVA_SEG_CTL: readonly [number, number, number] = [
  musuk(0xe000_0000, UNCACHED) | (musuk(0xc000_0000, UNCACHED) << 16),
  musuk(0, UNCACHED) | (musuk(0, CACHED) << 16),
  musuk(0x4000_0000, CACHED, SEG_CTL.EU) | (musuk(0, CACHED, SEG_CTL.EU) << 16),
];

/** Every line but the CPU's own timer, which no one on this host uses. */
const DEFAULT_INTERRUPTS = 0x7c00;

/** Bytes at the top of a stack that an empty one leaves. */
const STACK_HEADROOM = 32;

/** A host kernel as plain data, without its memory. */
export interface HostSnapshot {
  /** Which CPUs run the VMM. */
  readonly runsVmm: readonly boolean[];
  readonly asids: AsidsSnapshot;
  readonly tlb: HostTlbCounts;
}

/** How that of a host with `cpus` CPUs is kept. */
export const hostSnapshot = (cpus: number): Field<HostSnapshot> =>
  record<HostSnapshot>({ runsVmm: list(flag, cpus), asids: asidsSnapshot(cpus), tlb: HOST_TLB_COUNTS });

/**
 * The host's kernel, as far as a hypervisor needs one: its exception vectors and TLB refill handler, memory
 * for kernel use, its page table root, and the address space of the VMM. TypeScript is the rest of it.
 */
export class HostKernel {
  readonly machine: Machine;
  readonly target: CodeTarget;
  readonly pages: HostPages;
  readonly tlb: HostTlb;
  readonly asids: HostAsids;
  readonly code: HostCode;
  /** Root of the kernel's own page table: nothing is mapped until someone links a table. */
  readonly pgd: Hpa;
  /** The shared table of zero PTEs that empty slots point at. */
  readonly invalidPteTable: Hpa;
  /** Address space of the VMM: the current one outside guest context. */
  readonly vmmMm: HostMm;
  /** Its root. */
  private readonly vmmPgd: Hpa;
  /**
   * The host CPUs that run the VMM: where a process's address space counts as active (mm_cpumask). A CPU in guest
   * context is not among them.
   */
  readonly vmmRunsOn = new Set<number>();
  /** Takes a CPU out of guest code, for {@link callOn}: it executes then. */
  interruptGuest: (cpu: number) => void = () => {};
  /** The word of CPU 0 that holds the current pgd, as a kseg0 pointer; those of the other CPUs follow. */
  readonly pgdCurrent: HostVa;
  /** The page with the stack of each CPU. That of CPU 0 is what the kernel's data leaves of its page. */
  private readonly stacks: readonly Hpa[];
  private readonly interruptMask: number;

  /** Lays the kernel out in host memory and boots it ({@link boot}). The machine must be fresh from reset. */
  constructor(machine: Machine, options: HostKernelOptions) {
    this.machine = machine;
    this.target = probeTarget(machine, options);
    const { pageSize } = options;
    this.pages = new HostPages(machine.memory, pageSize, {
      first: options.first ?? 0,
      end: options.end ?? Infinity,
    });
    this.interruptMask = options.interruptMask ?? DEFAULT_INTERRUPTS;
    this.tlb = new HostTlb(machine, pageSize);
    const cpus = machine.cpus.length;
    this.asids = new HostAsids(this.tlb, cpus);

    const codePage = this.pages.allocZeroed(HOST_CODE_BYTES);
    const data = this.pages.allocZeroed(pageSize);
    this.stacks = machine.cpus.map(({ number }) => (number === 0 ? data : this.pages.alloc(pageSize)));
    this.pgdCurrent = toKseg0(data);
    this.vmmMm = new HostMm(machine.memory, data + 4 * cpus, cpus);
    this.code = buildHostCode(this.target, toKseg0(codePage), this.pgdCurrent);
    installCode(machine, this.code);

    const { geometry } = this.target;
    this.invalidPteTable = this.pages.allocZeroed(geometry.ptesPerTable << geometry.pteShift);
    this.pgd = this.emptyRoot();
    this.vmmPgd = this.emptyRoot();
    this.vmmMm.pgd = this.vmmPgd;
    this.boot();
  }

  private emptyRoot(): Hpa {
    const { pgdEntries } = this.target.geometry;
    const root = this.pages.alloc(pgdEntries * 4);
    for (let slot = 0; slot < pgdEntries; slot++)
      this.machine.memory.write32(root + 4 * slot, toKseg0(this.invalidPteTable));
    return root;
  }

  /** Puts each CPU into the state of a running host kernel, and goes on on CPU 0. */
  boot(): void {
    for (const { number } of this.machine.cpus) {
      this.machine.executeOn(number);
      this.bootCpu(number);
    }
    this.machine.executeOn(0);
  }

  /** Vectors, TLB, page size, ASID and root of the VMM, on the CPU that executes. */
  private bootCpu(number: number): void {
    const { ops } = this.machine;
    if (this.target.cpus > 1) ops.writeCp0(CP0.Context, contextOf(number));
    ops.writeCp0(CP0.EBase, this.code.ebase);
    ops.writeCp0(CP0.Status, STATUS.CU0 | this.interruptMask);
    ops.writeCp0(CP0.Cause, 0);
    ops.writeCp0(CP0.HWREna, this.target.hwrena);
    ops.writeCp0(CP0.PageMask, this.target.geometry.pageMask);
    const large = isXpa(this.target.geometry) ? PAGE_GRAIN.ELPA : 0;
    if (this.target.format.rixi)
      ops.writeCp0(CP0.PageGrain, PAGE_GRAIN.RIE | PAGE_GRAIN.XIE | PAGE_GRAIN.IEC | large);
    if (this.target.eva)
      for (const [n, index] of [CP0.SegCtl0, CP0.SegCtl1, CP0.SegCtl2].entries())
        ops.writeCp0(index, EVA_SEG_CTL[n]!);
    ops.writeCp0(CP0.Wired, 0);
    this.tlb.enableFtlb();
    this.tlb.flushAllNonWired();
    this.activate(this.vmmMm);
    this.resumeVmm();
  }

  /** Number of the CPU that executes. */
  get cpu(): number {
    return this.machine.cpu.number;
  }

  /** Top of this CPU's stack. */
  get stackTop(): HostVa {
    return this.stackTopOf(this.cpu);
  }

  /** Top of the stack of a CPU. */
  stackTopOf(cpu: number): HostVa {
    return toKseg0(this.stacks[cpu]! + this.pages.pageSize - STACK_HEADROOM);
  }

  /** Where a CPU goes on when the exit handler has answered. */
  get afterExit(): HostVa {
    return this.code.handleExit + 4;
  }

  /** The word that holds this CPU's current pgd. */
  private get pgdWord(): Hpa {
    return fromKseg0(this.pgdCurrent) + 4 * this.cpu;
  }

  /** Makes `pgd` the current root of this CPU, as the generated "set pgd" routine does. */
  publishPgd(pgd: Hpa): void {
    const pointer = toKseg0(pgd);
    this.machine.memory.write32(this.pgdWord, pointer);
    if (this.target.scratch.pgd !== null) this.machine.ops.writeCp0(this.target.scratch.pgd, pointer);
  }

  /**
   * Makes `mm` the live address space: renews its context if that is stale, writes EntryHi.ASID and publishes
   * its root. Used after vcpu_run for the VMM's, and when a guest's changes in the middle of an exit. True if the context
   * was renewed.
   */
  activate(mm: HostMm): boolean {
    const renewed = this.asids.check(mm);
    this.machine.ops.writeCp0(CP0.EntryHi, this.asids.asid(mm));
    this.publishPgd(mm.pgd);
    return renewed;
  }

  /** The ASID in EntryHi. */
  get liveAsid(): number {
    return this.machine.cpu.asid;
  }

  /** The current root, as the handlers find it. */
  get livePgd(): Hpa {
    const { pgd } = this.target.scratch;
    const pointer =
      pgd === null ? this.machine.memory.read32(this.pgdWord) : this.machine.ops.readCp0(pgd) >>> 0;
    return fromKseg0(pointer);
  }

  /** True if `mm` is the live address space, and its context current. */
  isLive(mm: HostMm): boolean {
    return this.asids.isIn(mm, this.liveAsid) && this.livePgd === mm.pgd;
  }

  /** Guest context begins on this CPU: it does not run the VMM any more, whose addresses now mean something else. */
  suspendVmm(): void {
    this.vmmRunsOn.delete(this.cpu);
  }

  /** Guest context has ended on this CPU, and the VMM's address space is live. */
  resumeVmm(): void {
    this.vmmRunsOn.add(this.cpu);
  }

  /** Has CPU `cpu` do `action` in its kernel, out of whatever it is in: an inter-processor interrupt. */
  callOn(cpu: number, action: () => void): void {
    const caller = this.cpu;
    this.machine.executeOn(cpu);
    try {
      this.interruptGuest(cpu);
      action();
    } finally {
      this.machine.executeOn(caller);
    }
  }

  /**
   * The cache flush of a process, here of the VMM: writes back the data cache's line around its address `address`, and
   * has instructions there fetched anew, on every CPU that runs it.
   */
  flushVmmCaches(address: number): void {
    for (const { number } of this.machine.cpus)
      if (this.vmmRunsOn.has(number))
        this.callOn(number, () => void this.accessUser("flushInstruction", address));
  }

  // --- snapshots ---

  /** What the kernel is, besides what lies in memory. */
  snapshot(): HostSnapshot {
    return {
      runsVmm: this.machine.cpus.map(({ number }) => this.vmmRunsOn.has(number)),
      asids: this.asids.snapshot(),
      tlb: this.tlb.snapshot(),
    };
  }

  /** Takes over a snapshot; memory is restored already. */
  restore({ runsVmm, asids, tlb }: HostSnapshot): void {
    this.vmmMm.pgd = this.vmmPgd;
    this.vmmRunsOn.clear();
    runsVmm.forEach((runs, cpu) => runs && this.vmmRunsOn.add(cpu));
    this.asids.resume(asids);
    this.tlb.restore(tlb);
  }

  /** The blocks of memory that stay as they are made: code, and tables without anything. */
  get constants(): readonly Hpa[] {
    return [fromKseg0(this.code.ebase), this.invalidPteTable, this.pgd, this.vmmPgd];
  }

  /** Page tables for guests that live where `map` says. */
  gvaTables(map: GuestMap): GvaTables {
    const { geometry, format } = this.target;
    return new GvaTables(this.pages, geometry, format, map, this.pgd, this.invalidPteTable);
  }

  /**
   * Allocates a block for a vcpu's code, generates the code and installs it. Free it with `freeVcpuCode`.
   *
   * The handlers count nothing. `machine.cpu.refills` counts what is taken at a refill vector: with "fast" all
   * of those from guest mode are settled by the generated handler; with "slow" each one is an exit.
   */
  buildVcpuCode(refill: RefillKind, fastExit: FastExitOptions | null = null, withFpu = false): VcpuCode {
    const block = this.pages.allocZeroed(BLOCK.bytes, BLOCK.bytes);
    const code = buildVcpuCode(
      this.target,
      {
        guestEbase: toKseg0(block),
        hostEbase: this.code.ebase,
        setPgd: this.code.setPgd,
        handleExit: this.code.handleExit,
        pgdCurrent: this.pgdCurrent,
      },
      refill,
      fastExit,
      withFpu,
      this.allocRoutines(block, fastExit),
    );
    installCode(this.machine, code);
    if (code.routines !== null) installWords(this.machine, code.routines);
    return code;
  }

  /**
   * Allocates memory for routines, if there are to be any: they need to know the instruction that trapped, and a guest
   * that stores to its registers' page itself has few traps. Gives `block` back if there is no memory.
   */
  private allocRoutines(block: Hpa, fastExit: FastExitOptions | null): HostVa | null {
    if (fastExit === null || fastExit.commpage || !this.target.badInstr) return null;
    try {
      return toKseg0(this.pages.allocLast(ROUTINES.bytes, ROUTINES.align));
    } catch (error) {
      this.pages.release(block);
      throw error;
    }
  }

  /** Has the CPU execute a routine for its FPU with `argument` in a0; time stands still. The FPU must be on. */
  callFpu(routine: FpuRoutine, argument: number): void {
    const { code, machine } = this;
    if (code.fpu === null) throw new HostFeatureError(machine.config.model.name, "FPU");
    machine.cpu.gpr[GPR.a0] = argument;
    if (machine.callHostCode(code.fpu[routine]) !== HOST_CALL.fpu) throw new HostFaultError(machine);
  }

  freeVcpuCode(code: VcpuCode): void {
    for (const block of blocksOf(code)) this.pages.release(block);
  }

  /**
   * Prepares a call of vcpu_run: the next `machine.run` enters the guest. Exits come back as host call
   * `HOST_CALL.exit`, the return as `HOST_CALL.vcpuReturned`.
   */
  prepareRun(code: VcpuCode, vcpu: VcpuMemory): void {
    const { cpu } = this.machine;
    cpu.gpr[GPR.a0] = vcpu.pointer;
    cpu.gpr[GPR.sp] = this.stackTop;
    cpu.gpr[GPR.ra] = this.code.vcpuReturned;
    cpu.setPc(code.vcpuRun);
  }

  /** Gives the exit handler's answer (RESUME_GUEST or `exitResult`), before `machine.run` goes on. */
  answerExit(result: number): void {
    this.machine.cpu.gpr[GPR.v0] = result;
  }

  /**
   * Has the CPU execute a routine for user memory on `address` in the live address space; time stands still. Returns
   * the word that was loaded (0 where none is), or null if the access raised. Not to be used on addresses that
   * belong to the kernel: as any such routine it would reach them.
   */
  accessUser(access: UserAccess, address: number, value = 0): number | null {
    const { gpr } = this.machine.cpu;
    gpr[GPR.a0] = address;
    gpr[GPR.a1] = value;
    gpr[GPR.v1] = 0;
    const call = this.machine.callHostCode(this.code.userAccess[access]);
    if (call !== HOST_CALL.userAccess) throw new HostFaultError(this.machine);
    return gpr[GPR.v0] === 0 ? gpr[GPR.v1]! >>> 0 : null;
  }
}
