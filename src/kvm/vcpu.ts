import { CP0 } from "../isa/cp0.ts";
import type { Cpu } from "../machine/cpu.ts";
import type { Machine } from "../machine/machine.ts";
import { wakeUpOf, type WakeUp } from "../machine/wake-up.ts";
import type { Gva } from "./addresses.ts";
import { exitResult, RESUME_GUEST } from "./entry/enter-exit.ts";
import { HOST_CALL } from "./entry/host-code.ts";
import type { VcpuCode } from "./entry/code-block.ts";
import { DestroyedError, HostFaultError } from "./errors.ts";
import { deliverInterrupt } from "./deliver.ts";
import { handleExit } from "./exits.ts";
import { collectFastExits, publishCp0Masks, publishForFastExits } from "./fast-exits.ts";
import { commpageAddress, type GuestMap } from "./guest-map.ts";
import { GUEST_STATUS_WRITABLE, GuestCpu, resetGuestCp0 } from "./guest-cp0.ts";
import { FPU_STATUS, GuestFpu } from "./guest-fpu.ts";
import { GuestTlb } from "./guest-tlb.ts";
import type { HostKernel } from "./host-kernel.ts";
import { GuestInterrupts } from "./interrupts.ts";
import { checkEntry, checkInvariants, type Moment } from "./invariants.ts";
import { CP0_MASKS, GUEST_CP0_BYTES, VcpuMemory } from "./layout.ts";
import { getOneReg, getRegs, regList, setOneReg, setRegs, type KvmRegs } from "./one-reg.ts";
import type { Memslots } from "./memslots.ts";
import { completeMmio } from "./mmio-access.ts";
import type { PendingAccess } from "./emulate/mmio.ts";
import { syncAddressSpace } from "./emulate/tlb-ops.ts";
import { internalError } from "./report.ts";
import { ShadowMmu, type ShadowMmuOptions } from "./shadow-mmu.ts";
import type { GvaTables } from "./gva-table.ts";
import { LastExits } from "./last-exits.ts";
import { VcpuStats } from "./stats.ts";
import { CountTimer } from "./timer.ts";
import type { TimerSlot } from "./timer-slots.ts";
import type { Tracer } from "./trace.ts";
import type { VcpuExit } from "./vcpu-exit.ts";
import { guestAsid, inUserMode, type VcpuState } from "./vcpu-state.ts";

/** Host interrupt line that takes the CPU out of the guest so that it can be given an interrupt. */
const KICK_LINE = 2;

/** More exits than any instruction of a live guest takes: each page it needs is good for a few. */
const MAX_IDLE_EXITS = 1000;

/** The result of vcpu_run when it returns because it was interrupted. */
const EINTR = 4;

/** Where the CPU is with respect to a vcpu. */
type Phase =
  /** In the host: vcpu_run was not called or has returned. */
  | "outside"
  /** An exit was handled; the CPU stands behind the call of the exit handler. */
  | "parked"
  /** In guest code or in the generated code on its way there or out. */
  | "guest";

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
  readonly tracer: Tracer;
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

/** A virtual CPU: the vcpu structure in host memory, what belongs to it in TypeScript, and the run loop. */
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
  /** The host CPU that this vcpu is loaded on, or was last. */
  private hostCpu = 0;
  private phase: Phase = "outside";
  /** Address at which the CPU goes on in the host's code after an exit. */
  private hostPc = 0;
  /** An exit to the VMM that came up while the CPU was taken away. */
  private deferred: VcpuExit | null = null;
  private stopRequested = false;
  /** Time of the last exit, and exits since then that took none. */
  private lastExitAt = -1;
  private idleExits = 0;
  private destroyed = false;
  private readonly checks: boolean | (() => boolean);
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
    this.checks = options.checkInvariants;
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
    const statusSpecial = fpuModel === null ? 0 : FPU_STATUS;
    try {
      this.code = host.buildVcpuCode(
        options.refill,
        options.fastExits
          ? {
              statusWritable: GUEST_STATUS_WRITABLE,
              statusSpecial,
              commpage: options.dyntrans,
            }
          : null,
        fpuModel !== null,
      );
    } catch (error) {
      this.mmu.destroy();
      for (const page of got) pages.release(page);
      throw error;
    }
    this.cp0 = this.regs.cp0;
    resetGuestCp0(this.cp0, this.machine, this.guestCpu, map, this.id);
    publishCp0Masks(this);
    this.regs.pc = map.resetPc;
    this.fpu = fpuModel === null ? null : new GuestFpu(fpuModel, host, this.regs, this.tracer);
    this.interrupts = new GuestInterrupts(this.regs);
    this.timer = new CountTimer(timerSlot, this.cp0, (level) => {
      this.interrupts.setTimer(level);
      this.kickIfReady();
    });
    timerSlot.attach(() => this.timer.expire());
  }

  /** Frees what the vcpu has. */
  destroy(): void {
    if (this.destroyed) return;
    this.leaveGuest();
    this.destroyed = true;
    this.timer.destroy();
    this.timerSlot.detach();
    this.mmu.destroy();
    this.host.freeVcpuCode(this.code);
    this.host.pages.release(this.regs.cp0Page);
    this.host.pages.release(this.regs.hpa);
  }

  // --- what the VMM calls ---

  /**
   * KVM_RUN: runs the guest until it needs the VMM, or `ticks` of virtual time have passed, and with a branch its
   * delay slot. After an `mmio` exit of a load, put the value into the exit's `data` before the next call. The guest
   * runs on host CPU `cpu`, by default where it is; it does not notice when that is another one than before. Throws
   * {@link HostCpuError}.
   */
  run(ticks = Infinity, cpu = this.hostCpu): VcpuExit {
    if (this.destroyed) throw new DestroyedError(`vcpu ${this.id}`);
    this.takeCpu(cpu);
    const exit = this.runUntilExit(this.machine.timeline.now() + ticks);
    collectFastExits(this);
    this.tracer.kvm_out?.(this.regs.pc);
    if (exit.reason === "mmio") this.stats.counters.mmio_exits++;
    return exit;
  }

  /**
   * KVM_INTERRUPT: asserts interrupt `irq` (2 to 4), or deasserts `-irq`. May be called at any time, also by a
   * device's timer while the guest runs. Throws InterruptNumberError.
   */
  interrupt(irq: number): void {
    this.interrupts.set(irq);
    this.kickIfReady();
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
    this.loseFpu();
    return getOneReg(this, id);
  }
  /** KVM_SET_ONE_REG. Throws OneRegError and TimerValueError. */
  setOneReg(id: bigint, value: bigint): void {
    this.settle();
    this.loseFpu();
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
    this.stopRequested = true;
    this.machine.stop();
  }

  /** True if `run` would go on in the middle of guest code: registers in `regs` are then out of date. */
  get inGuest(): boolean {
    return this.phase === "guest";
  }

  /**
   * Brings the guest's registers up to date in `regs`, by an exit if guest code was interrupted in the middle.
   */
  settle(): void {
    if (this.phase !== "guest") return;
    const { machine } = this;
    const caller = machine.cpu.number;
    machine.executeOn(this.hostCpu);
    this.forceExit();
    machine.executeOn(caller);
  }

  // --- the run loop ---

  private runUntilExit(limit: number): VcpuExit {
    const { timeline } = this.machine;
    for (;;) {
      if (this.phase !== "guest") {
        const exit = this.deferred ?? completeMmio(this);
        this.deferred = null;
        if (exit !== null) return exit;
        timeline.fireDue();
        if (this.waiting) {
          if (!this.interrupts.pending) return { reason: "irq-window-open" };
          this.waiting = false;
        }
        deliverInterrupt(this);
      }
      if (this.stopRequested || timeline.now() >= limit) {
        this.stopRequested = false;
        return { reason: "intr" };
      }
      if (this.phase !== "guest") this.enterGuest();
      const exit = this.continueGuest(limit);
      if (exit !== null) return exit;
    }
  }

  /** Enters the guest, or goes back to it from an exit: the CPU stands at the generated code that does. */
  private enterGuest(): void {
    const { regs, tracer, host } = this;
    syncAddressSpace(this);
    this.mmu.beforeEntry(inUserMode(this), guestAsid(this));
    if (this.checks !== false) this.checkBeforeEntry();
    publishForFastExits(this);
    this.forgetCommpageCode();
    if (this.phase === "outside") {
      host.suspendVmm();
      host.prepareRun(this.code, regs);
      tracer.kvm_enter?.(regs.pc);
    } else {
      this.fpu?.resume();
      this.machine.cpu.setPc(this.hostPc);
      host.answerExit(RESUME_GUEST);
      tracer.kvm_reenter?.(regs.pc);
    }
    this.phase = "guest";
    this.cpu.setInterruptLine(KICK_LINE, false);
  }

  /** A guest that executes its commpage is to find the registers there as they are, and not as they were. */
  private forgetCommpageCode(): void {
    const { machine, regs } = this;
    if (this.commpage !== null && machine.watches(regs.cp0Page))
      machine.stored(regs.cp0Page, GUEST_CP0_BYTES);
  }

  /** Lets the CPU run from inside the guest. Null if an exit was handled and the guest can go on. */
  private continueGuest(limit: number): VcpuExit | null {
    const { machine } = this;
    let stop = machine.run(limit - machine.timeline.now());
    // Not between a branch and its delay slot: an exit there goes back to the branch, and single steps that look
    // at the registers would never get past it.
    if (stop.kind === "budget" && machine.cpu.inDelaySlot) stop = machine.run(1);
    if (stop.kind !== "host-call") {
      this.stopRequested = false;
      return { reason: "intr" };
    }
    if (stop.code !== HOST_CALL.exit) throw new HostFaultError(this.machine);
    return this.exited();
  }

  /** The guest exited: handles it. Leaves the guest if the VMM is needed. */
  private exited(): VcpuExit | null {
    this.phase = "parked";
    // The privileged operations step the PC as instructions do; this is where the host's code goes on.
    this.hostPc = this.cpu.pc;
    this.cpu.setInterruptLine(KICK_LINE, false);
    this.check(this.exitMoment);
    // With a commpage the guest kernel can store to its register array at will.
    syncAddressSpace(this);
    this.interrupts.sync();
    const exit = handleExit(this) ?? this.livelock();
    if (exit !== null) this.leaveGuest();
    return exit;
  }

  /**
   * Whatever a guest does takes time: each instruction, and each exception that it is given, is a tick. Exits
   * without any are a mistake of the hypervisor's that would never end. Returns an exit that says so.
   */
  private livelock(): VcpuExit | null {
    const now = this.machine.timeline.now();
    if (now !== this.lastExitAt) {
      this.lastExitAt = now;
      this.idleExits = 0;
    } else if (++this.idleExits > MAX_IDLE_EXITS) {
      this.idleExits = 0;
      return internalError(this, "the guest exits over and over at the same instruction");
    }
    return null;
  }

  /** Returns from vcpu_run through the generated code: the host is as it was before. */
  private leaveGuest(): void {
    this.settle();
    if (this.phase === "outside") return;
    const { machine, host } = this;
    machine.executeOn(this.hostCpu);
    machine.cpu.setPc(this.hostPc);
    host.answerExit(exitResult(-EINTR));
    this.runHostUntil(HOST_CALL.vcpuReturned);
    this.fpu?.leave();
    host.activate(host.vmmMm);
    host.resumeVmm();
    this.phase = "outside";
  }

  private get exitMoment(): Moment {
    return this.regs.userIsLive ? "exit-user" : "exit-kernel";
  }

  private check(moment: Moment): void {
    const { checks } = this;
    if (checks === false) return;
    checkInvariants(this, moment, checks === true || checks());
  }

  private checkBeforeEntry(): void {
    checkEntry(this);
    // After an exit the kernel's ASID may just have been renewed, while the old one is still live.
    if (this.phase === "outside") this.check("outside");
  }

  /** Takes the CPU out of guest code, before it executes another guest instruction. */
  private forceExit(): void {
    this.cpu.setInterruptLine(KICK_LINE, true);
    this.runHostUntil(HOST_CALL.exit);
    this.stats.counters.signal++;
    this.deferred ??= this.exited();
  }

  /** Runs the machine until the host's code makes host call `code`. */
  private runHostUntil(code: number): void {
    for (;;) {
      const stop = this.machine.run();
      if (stop.kind !== "host-call") continue;
      if (stop.code === code) return;
      throw new HostFaultError(this.machine);
    }
  }

  /** An interrupt line rose while guest code runs: the guest has to exit to be given it. */
  private kickIfReady(): void {
    if (this.phase === "guest" && this.interrupts.deliverable) this.cpu.setInterruptLine(KICK_LINE, true);
  }

  // --- which host CPU it has ---

  /** The host CPU that this vcpu is loaded on, or was last. */
  private get cpu(): Cpu {
    return this.machine.cpus[this.hostCpu]!;
  }

  /**
   * vcpu_load: this vcpu has host CPU `cpu`, which executes, from now on. `link` is what {@link put} returned if the
   * vcpu comes straight from another CPU, else null.
   */
  load(cpu: number, link: number | null): void {
    if (cpu !== this.hostCpu) this.mmu.migrated(this.hostCpu);
    this.hostCpu = cpu;
    if (link !== null) this.cpu.link(link);
  }

  /**
   * vcpu_put: takes the CPU away from this vcpu. The guest's LL link on it ends, as at any change of context. Returns
   * the physical address that it was to, null if there was none.
   */
  put(): number | null {
    this.leaveGuest();
    this.loseFpu();
    const { cpu } = this;
    const link = cpu.llBit ? cpu.linkedAddress : null;
    cpu.clearLlBit();
    return link;
  }

  /** Gives up the host's FPU, on the host CPU whose it is. */
  private loseFpu(): void {
    if (this.fpu === null || !this.fpu.isLive) return;
    const { machine } = this;
    const caller = machine.cpu.number;
    machine.executeOn(this.hostCpu);
    this.fpu.lose();
    machine.executeOn(caller);
  }

  /** Address of the guest's current instruction, up to date even in the middle of guest code. */
  get pc(): Gva {
    if (this.phase === "guest" && !this.cpu.isKernel) return this.cpu.pc;
    return this.regs.pc;
  }

  /** The guest's virtual Status, as it is at any time. */
  get status(): number {
    return this.cp0[CP0.Status]! >>> 0;
  }
}
