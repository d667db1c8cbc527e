import { CP0 } from "../isa/cp0.ts";
import type { Cpu } from "../machine/cpu.ts";
import type { Machine } from "../machine/machine.ts";
import { wakeUpOf, type WakeUp } from "../machine/wake-up.ts";
import type { Gva } from "./addresses.ts";
import type { VcpuCode } from "./entry/code-block.ts";
import { DestroyedError } from "./errors.ts";
import { collectFastExits, fastExitOptions, publishCp0Masks } from "./fast-exits.ts";
import { commpageAddress, type GuestMap } from "./guest-map.ts";
import { GuestCpu, resetGuestCp0 } from "./guest-cp0.ts";
import { GuestFpu } from "./guest-fpu.ts";
import { GuestTlb } from "./guest-tlb.ts";
import type { HostKernel } from "./host-kernel.ts";
import { GuestInterrupts } from "./interrupts.ts";
import { CP0_MASKS, VcpuMemory } from "./layout.ts";
import { getOneReg, getRegs, regList, setOneReg, setRegs, type KvmRegs } from "./one-reg.ts";
import type { Memslots } from "./memslots.ts";
import type { PendingAccess } from "./emulate/mmio.ts";
import { RunLoop } from "./run-loop.ts";
import { ShadowMmu, type ShadowMmuOptions } from "./shadow-mmu.ts";
import type { GvaTables } from "./gva-table.ts";
import { LastExits } from "./last-exits.ts";
import { VcpuStats } from "./stats.ts";
import type { VcpuSnapshot } from "./vcpu-snapshot.ts";
import { CountTimer } from "./timer.ts";
import type { TimerSlot } from "./timer-slots.ts";
import type { Tracer } from "./trace.ts";
import type { VcpuExit } from "./vcpu-exit.ts";
import type { VcpuState } from "./vcpu-state.ts";

export interface VcpuOptions extends ShadowMmuOptions {
  /** Entries of the guest's TLB, one of `GUEST_TLB_SIZES`. */
  readonly guestTlb: number;
  /**
   * Dynamic translation: instructions of the guest's kernel that trap are replaced by ones that do not, and its CP0
   * registers are mapped in its address space for that, as the commpage.
   */
  readonly dyntrans: boolean;
  /**
   * Settle simple privileged instructions, RDHWR and system calls in generated code, and let a new guest TLB entry
   * go into the GVA table at once.
   */
  readonly fastExits: boolean;
  /**
   * Check the hypervisor's invariants after each exit and before each entry. Slow; for tests. A function says
   * each time whether to go through the tables as well: what is wrong there stays wrong for a while, so that
   * looking now and then finds it too.
   */
  readonly checkInvariants: boolean | (() => boolean);
  /** KVM_CAP_MIPS_FPU: the guest has an FPU, the host's. */
  readonly fpu: boolean;
}

/** What a vcpu is made from. */
export interface VcpuParts {
  readonly id: number;
  readonly host: HostKernel;
  readonly tables: GvaTables;
  readonly map: GuestMap;
  readonly slots: Memslots;
  readonly timerSlot: TimerSlot;
  readonly options: VcpuOptions;
  /** Called before this vcpu takes host CPU `cpu`: takes it away from the one that has it, and loads this one. */
  readonly takeCpu: (cpu: number) => void;
}

/** A virtual CPU: the vcpu structure in host memory, what belongs to it in TypeScript, and what the VMM asks of it. */
export class Vcpu implements VcpuState {
  readonly id: number;
  readonly machine: Machine;
  readonly host: HostKernel;
  readonly map: GuestMap;
  readonly slots: Memslots;
  readonly pageSize: number;
  readonly commpage: Gva | null;
  readonly regs: VcpuMemory;
  readonly cp0: Int32Array;
  readonly guestCpu: GuestCpu;
  readonly guestTlb: GuestTlb;
  readonly fpu: GuestFpu | null;
  readonly mmu: ShadowMmu;
  readonly timer: CountTimer;
  readonly interrupts: GuestInterrupts;
  readonly stats = new VcpuStats();
  readonly lastExits = new LastExits();
  readonly tracer: Tracer;
  readonly fastExits: boolean;
  /** The generated code of this vcpu. */
  readonly code: VcpuCode;
  inDelaySlot = false;
  counted = false;
  randomStart = 0;
  pendingAccess: PendingAccess | null = null;
  waiting = false;
  private destroyed = false;
  private readonly loop: RunLoop;
  private readonly takeCpu: (cpu: number) => void;
  private readonly timerSlot: TimerSlot;

  /** Allocates host memory. Throws OutOfHostMemoryError, and then keeps none. */
  constructor(parts: VcpuParts) {
    const { host, map, options, timerSlot } = parts;
    this.id = parts.id;
    this.host = host;
    this.machine = host.machine;
    this.map = map;
    this.slots = parts.slots;
    this.pageSize = host.pages.pageSize;
    this.commpage = options.dyntrans ? commpageAddress(map, this.pageSize) : null;
    this.tracer = options.tracer;
    this.fastExits = options.fastExits;
    this.takeCpu = parts.takeCpu;
    this.timerSlot = timerSlot;
    const fpuModel = options.fpu ? host.machine.config.model.fpu : null;
    this.guestCpu = new GuestCpu(options.guestTlb, fpuModel);
    this.guestTlb = new GuestTlb(options.guestTlb);

    const { pages } = host;
    const { cpus } = host.target;
    const got: number[] = [];
    try {
      got.push(pages.allocZeroed(CP0_MASKS.end));
      got.push(pages.allocZeroed(this.pageSize));
      this.regs = new VcpuMemory(this.machine.memory, got[0]!, got[1]!, cpus);
      this.mmu = new ShadowMmu(host, parts.tables, this.regs, this.commpage, this.stats, options);
    } catch (error) {
      for (const page of got) pages.release(page);
      throw error;
    }
    try {
      this.code = host.buildVcpuCode(
        options.refill,
        options.fastExits ? fastExitOptions(this.guestCpu, this.regs.cp0Page, options.dyntrans) : null,
        fpuModel !== null,
      );
    } catch (error) {
      this.mmu.destroy();
      for (const page of got) pages.release(page);
      throw error;
    }
    this.loop = new RunLoop(this, host, this.code, options.checkInvariants);
    this.cp0 = this.regs.cp0;
    resetGuestCp0(this.cp0, this.machine, this.guestCpu, map, this.id);
    publishCp0Masks(this);
    this.regs.pc = map.resetPc;
    this.fpu = fpuModel === null ? null : new GuestFpu(fpuModel, host, this.regs, this.tracer);
    this.interrupts = new GuestInterrupts(this.regs);
    this.timer = new CountTimer(timerSlot, this.cp0, (level) => {
      this.interrupts.setTimer(level);
      this.loop.kickIfReady();
    });
    timerSlot.attach(() => this.timer.expire());
  }

  /** Frees what the vcpu has. */
  destroy(): void {
    if (this.destroyed) return;
    this.loop.leaveGuest();
    this.destroyed = true;
    this.timer.destroy();
    this.timerSlot.detach();
    this.mmu.destroy();
    this.host.freeVcpuCode(this.code);
    this.host.pages.release(this.regs.cp0Page);
    this.host.pages.release(this.regs.hpa);
  }

  // --- snapshots ---

  /** What the vcpu is, besides what lies in host memory. In the middle of guest code it stays there. */
  snapshot(): VcpuSnapshot {
    const { inDelaySlot, counted, randomStart, pendingAccess, waiting } = this;
    return {
      ...{ inDelaySlot, counted, randomStart, pendingAccess, waiting },
      loop: this.loop.snapshot(),
      guestTlb: this.guestTlb.snapshot(),
      fpuIsLive: this.fpu?.isLive ?? false,
      mmu: this.mmu.snapshot(),
      timer: this.timer.snapshot(),
      interrupts: this.interrupts.snapshot(),
      stats: this.stats.snapshot(),
      lastExits: this.lastExits.snapshot(),
    };
  }

  /** True where no snapshot can be restored from a file: see {@link RunLoop.isInHandler}. */
  get isInHandler(): boolean {
    return this.loop.isInHandler;
  }

  /** Before host memory is replaced by a snapshot's: lets go of what is derived from it. {@link restore} must follow. */
  beforeRestore(): void {
    this.mmu.destroy();
  }

  /** Takes over a snapshot of a vcpu with the same options; host memory is restored already. Throws SnapshotError. */
  restore(saved: VcpuSnapshot): void {
    const { inDelaySlot, counted, randomStart, pendingAccess, waiting } = saved;
    Object.assign(this, { inDelaySlot, counted, randomStart, pendingAccess, waiting });
    this.loop.restore(saved.loop);
    this.guestTlb.restore(saved.guestTlb);
    this.fpu?.restore(saved.fpuIsLive);
    this.mmu.restore(saved.mmu);
    this.timer.restore(saved.timer);
    this.interrupts.resume(saved.interrupts);
    this.stats.restore(saved.stats);
    this.lastExits.restore(saved.lastExits);
    publishCp0Masks(this);
  }

  // --- what the VMM calls ---

  /**
   * KVM_RUN: runs the guest until it needs the VMM, or `ticks` of virtual time have passed, and with a branch its
   * delay slot. After an `mmio` exit of a load, put the value into the exit's `data` before the next call. The guest
   * runs on host CPU `cpu`, by default where it is; it does not notice when that is another one than before. Throws
   * {@link HostCpuError}.
   */
  run(ticks = Infinity, cpu = this.loop.hostCpu): VcpuExit {
    if (this.destroyed) throw new DestroyedError(`vcpu ${this.id}`);
    this.takeCpu(cpu);
    const waited = this.waiting;
    const exit = this.loop.run(this.machine.timeline.now() + ticks);
    collectFastExits(this);
    // How often a run is cut into pieces is no affair of the guest's.
    const wasOut = exit.reason === "intr" || (waited && this.waiting);
    if (!wasOut) this.tracer.kvm_out?.(this.regs.pc);
    if (exit.reason === "mmio") this.stats.count("mmio_exits");
    return exit;
  }

  /**
   * KVM_INTERRUPT: asserts interrupt `irq` (2 to 4), or deasserts `-irq`. May be called at any time, also by a
   * device's timer while the guest runs. Throws InterruptNumberError.
   */
  interrupt(irq: number): void {
    this.interrupts.set(irq);
    this.loop.kickIfReady();
  }

  /** KVM_GET_REGS. */
  getRegs(): KvmRegs {
    this.settle();
    return getRegs(this);
  }
  /** KVM_SET_REGS. */
  setRegs(regs: KvmRegs): void {
    this.settle();
    setRegs(this, regs);
  }
  /** KVM_GET_REG_LIST. */
  getRegList(): readonly bigint[] {
    return regList(this);
  }
  /** KVM_GET_ONE_REG: a 64-bit pattern, 32-bit values sign-extended. Throws OneRegError. */
  getOneReg(id: bigint): bigint {
    this.settle();
    this.loop.loseFpu();
    return getOneReg(this, id);
  }
  /** KVM_SET_ONE_REG. Throws OneRegError and TimerValueError. */
  setOneReg(id: bigint, value: bigint): void {
    this.settle();
    this.loop.loseFpu();
    setOneReg(this, id, value);
    publishCp0Masks(this);
  }

  /** What could end a WAIT of the guest, going by the interrupts that it enables. */
  get wakeUp(): WakeUp {
    return wakeUpOf(this.cp0[CP0.Status]!, this.cp0[CP0.IntCtl]!);
  }
  /** Name of the guest's Count and Compare on the machine's timeline. */
  get timerName(): string {
    return this.timerSlot.name;
  }

  /** Makes `run` return `intr` as soon as it can. */
  requestStop(): void {
    this.loop.requestStop();
  }
  /** True if `run` would go on in the middle of guest code: registers in `regs` are then out of date. */
  get inGuest(): boolean {
    return this.loop.inGuest;
  }
  /** Brings the guest's registers up to date in `regs`: see {@link RunLoop.settle}. */
  settle(): void {
    this.loop.settle();
  }
  /** The host CPU that this vcpu is loaded on, or was last. */
  get cpu(): Cpu {
    return this.loop.cpu;
  }
  /** vcpu_load: see {@link RunLoop.load}. */
  load(cpu: number, link: number | null): void {
    this.loop.load(cpu, link);
  }
  /** vcpu_put: see {@link RunLoop.put}. */
  put(): number | null {
    return this.loop.put();
  }

  /** Begins a step: see {@link RunLoop.beginStep}. */
  beginStep(): void {
    this.loop.beginStep();
  }
  endStep(): void {
    this.loop.endStep();
  }

  /** Address of the guest's current instruction, up to date even in the middle of guest code. */
  get pc(): Gva {
    return this.loop.pc;
  }
  /** The guest's virtual Status, as it is at any time. */
  get status(): number {
    return this.cp0[CP0.Status]! >>> 0;
  }
}
