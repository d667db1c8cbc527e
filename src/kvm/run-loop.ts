import type { Cpu } from "../machine/cpu.ts";
import type { Machine } from "../machine/machine.ts";
import { choice, integer, tick, orNull, record, u32, type Field } from "../state/fields.ts";
import type { Gva } from "./addresses.ts";
import { deliverInterrupt } from "./deliver.ts";
import { syncAddressSpace } from "./emulate/tlb-ops.ts";
import type { VcpuCode } from "./entry/code-block.ts";
import { exitResult, RESUME_GUEST } from "./entry/enter-exit.ts";
import { HOST_CALL } from "./entry/host-code.ts";
import { HostFaultError } from "./errors.ts";
import { handleExit } from "./exits.ts";
import { publishForFastExits } from "./fast-exits.ts";
import type { HostKernel } from "./host-kernel.ts";
import { checkEntry, checkInvariants, type Moment } from "./invariants.ts";
import { GUEST_CP0_BYTES } from "./layout.ts";
import { completeMmio } from "./mmio-access.ts";
import { internalError } from "./report.ts";
import { TRACE_EXIT } from "./trace.ts";
import { KEPT_EXIT, type KeptExit, type VcpuExit } from "./vcpu-exit.ts";
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

/** Where a run loop is, as plain data. */
export interface LoopSnapshot {
  readonly hostCpu: number;
  readonly phase: Phase;
  readonly hostPc: number;
  readonly deferred: KeptExit | null;
  readonly lastExitAt: number;
  readonly idleExits: number;
}

/** How it is kept on a host with `cpus` CPUs. */
export const loopSnapshot = (cpus: number): Field<LoopSnapshot> =>
  record<LoopSnapshot>({
    hostCpu: integer(0, cpus - 1),
    phase: choice(["outside", "parked", "guest"]),
    hostPc: u32,
    deferred: orNull(KEPT_EXIT),
    lastExitAt: tick,
    idleExits: integer(0, MAX_IDLE_EXITS),
  });

/**
 * The run loop of a vcpu: takes its host CPU into the guest and out of it again, in whatever order VMM, guest and
 * devices ask for that, and has exits handled between.
 */
export class RunLoop {
  private readonly vcpu: VcpuState;
  private readonly machine: Machine;
  private readonly host: HostKernel;
  private readonly code: VcpuCode;
  private readonly checks: boolean | (() => boolean);
  /** The host CPU that this vcpu is loaded on, or was last. */
  hostCpu = 0;
  private phase: Phase = "outside";
  /** Address at which the CPU goes on in the host's code after an exit. */
  private hostPc = 0;
  /** An exit to the VMM that came up while the CPU was taken away. */
  private deferred: VcpuExit | null = null;
  private stopRequested = false;
  /** Exceptions and interrupts delivered, and instructions executed, when the step began; null if there is none. */
  private stepStart: { readonly delivered: number; readonly retired: number } | null = null;
  /** Time of the last exit, and exits since then that took none. */
  private lastExitAt = -1;
  private idleExits = 0;

  /** `code` is the generated code of `vcpu`, `checks` what `VcpuOptions.checkInvariants` says. */
  constructor(vcpu: VcpuState, host: HostKernel, code: VcpuCode, checks: boolean | (() => boolean)) {
    this.vcpu = vcpu;
    this.machine = vcpu.machine;
    this.host = host;
    this.code = code;
    this.checks = checks;
  }

  // --- snapshots ---

  snapshot(): LoopSnapshot {
    const { hostCpu, phase, hostPc, lastExitAt, idleExits } = this;
    const deferred = this.deferred?.reason === "debug" ? null : this.deferred;
    return { hostCpu, phase, hostPc, deferred, lastExitAt, idleExits };
  }

  /**
   * True if the CPU is in the middle of generated code, where a debugger has stopped it: only in front of host code that
   * it has yet to begin, or in guest code, a file can say where it is.
   */
  get isInHandler(): boolean {
    const { pc, isKernel } = this.cpu;
    return this.phase === "guest" && isKernel && pc !== this.hostPc && pc !== this.code.vcpuRun;
  }

  restore(saved: LoopSnapshot): void {
    this.hostCpu = saved.hostCpu;
    this.phase = saved.phase;
    this.hostPc = saved.hostPc;
    this.deferred = saved.deferred;
    this.lastExitAt = saved.lastExitAt;
    this.idleExits = saved.idleExits;
    this.stopRequested = false;
  }

  // --- the VMM's side ---

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

  /** Runs the guest until it needs the VMM or the time is `limit`. Its host CPU executes. */
  run(limit: number): VcpuExit {
    const { vcpu } = this;
    const { timeline } = this.machine;
    for (;;) {
      let now: number;
      if (this.phase === "guest") now = timeline.now();
      else {
        const exit = this.deferred ?? completeMmio(vcpu);
        this.deferred = null;
        if (exit !== null) return exit;
        now = timeline.fireDue();
        if (vcpu.waiting) {
          if (!vcpu.interrupts.pending) return { reason: "irq-window-open" };
          vcpu.waiting = false;
        }
        deliverInterrupt(vcpu);
        if (this.stepIsOver) return { reason: "debug", stop: { kind: "step" } };
      }
      if (this.stopRequested || now >= limit) {
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
    const { vcpu, host } = this;
    const { regs, tracer } = vcpu;
    syncAddressSpace(vcpu);
    vcpu.mmu.beforeEntry(inUserMode(vcpu), guestAsid(vcpu));
    if (this.checks !== false) this.checkBeforeEntry();
    publishForFastExits(vcpu);
    this.forgetCommpageCode();
    if (this.phase === "outside") {
      host.suspendVmm();
      host.prepareRun(this.code, regs);
      tracer.kvm_enter?.(regs.pc);
    } else {
      vcpu.fpu?.resume();
      this.machine.cpu.setPc(this.hostPc);
      host.answerExit(RESUME_GUEST);
      tracer.kvm_reenter?.(regs.pc);
    }
    this.phase = "guest";
    this.cpu.setInterruptLine(KICK_LINE, false);
  }

  /** A guest that executes its commpage is to find the registers there as they are, and not as they were. */
  private forgetCommpageCode(): void {
    const { machine, vcpu } = this;
    const { commpage, regs } = vcpu;
    if (commpage !== null && machine.watches(regs.cp0Page)) machine.stored(regs.cp0Page, GUEST_CP0_BYTES);
  }

  /** Lets the CPU run from inside the guest. Null if an exit was handled and the guest can go on. */
  private continueGuest(limit: number): VcpuExit | null {
    const { machine } = this;
    let stop = machine.runUntil(limit);
    // Not between a branch and its delay slot: an exit there goes back to the branch, and single steps that look
    // at the registers would never get past it.
    if (stop.kind === "budget" && machine.cpu.inDelaySlot) stop = machine.run(1);
    if (stop.kind !== "host-call") {
      this.stopRequested = false;
      return stop.kind === "debug" ? { reason: "debug", stop: stop.stop } : { reason: "intr" };
    }
    if (stop.code !== HOST_CALL.exit) throw new HostFaultError(this.machine);
    return this.exited();
  }

  /** The guest exited: handles it. Leaves the guest if the VMM is needed. */
  private exited(): VcpuExit | null {
    const { vcpu } = this;
    this.phase = "parked";
    // The privileged operations step the PC as instructions do; this is where the host's code goes on.
    this.hostPc = this.cpu.pc;
    this.cpu.setInterruptLine(KICK_LINE, false);
    this.check(this.exitMoment);
    // With a commpage the guest kernel can store to its register array at will.
    if (vcpu.commpage !== null) {
      syncAddressSpace(vcpu);
      vcpu.interrupts.sync();
    }
    const exit = handleExit(vcpu) ?? this.livelock();
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
      return internalError(this.vcpu, "the guest exits over and over at the same instruction");
    }
    return null;
  }

  /** Returns from vcpu_run through the generated code: the host is as it was before. */
  leaveGuest(): void {
    this.settle();
    if (this.phase === "outside") return;
    const { machine, host } = this;
    machine.executeOn(this.hostCpu);
    machine.cpu.setPc(this.hostPc);
    host.answerExit(exitResult(-EINTR));
    this.runHostUntil(HOST_CALL.vcpuReturned);
    this.vcpu.fpu?.leave();
    host.activate(host.vmmMm);
    host.resumeVmm();
    this.phase = "outside";
  }

  private get exitMoment(): Moment {
    return this.vcpu.regs.userIsLive ? "exit-user" : "exit-kernel";
  }

  private check(moment: Moment): void {
    const { checks } = this;
    if (checks === false) return;
    checkInvariants(this.vcpu, moment, checks === true || checks());
  }

  private checkBeforeEntry(): void {
    checkEntry(this.vcpu);
    // After an exit the kernel's ASID may just have been renewed, while the old one is still live.
    if (this.phase === "outside") this.check("outside");
  }

  /** Takes the CPU out of guest code, before it executes another guest instruction. */
  private forceExit(): void {
    this.cpu.setInterruptLine(KICK_LINE, true);
    this.runHostUntil(HOST_CALL.exit);
    this.vcpu.stats.count("signal");
    this.vcpu.tracer.kvm_exit?.(this.vcpu.regs.pc, TRACE_EXIT.SIGNAL);
    this.deferred ??= this.exited();
  }

  /** Runs the machine until the host's code makes host call `code`. A debugger does not get between. */
  private runHostUntil(code: number): void {
    const { machine } = this;
    machine.debug.quiet = true;
    let stop = machine.run();
    while (stop.kind !== "host-call") stop = machine.run();
    machine.debug.quiet = false;
    if (stop.code !== code) throw new HostFaultError(machine);
  }

  /** An interrupt line rose while guest code runs: the guest has to exit to be given it. */
  kickIfReady(): void {
    if (this.phase === "guest" && this.vcpu.interrupts.deliverable)
      this.cpu.setInterruptLine(KICK_LINE, true);
  }

  // --- steps of a debugger ---

  /**
   * From now on `run` comes back with `debug` when the guest has executed one more instruction, a branch with its delay
   * slot, or was given an exception or interrupt; until {@link endStep}.
   */
  beginStep(): void {
    this.stepStart = { delivered: this.vcpu.stats.delivered, retired: this.machine.guestInstructions };
    this.machine.debug.beginStep("user", this.pc);
  }
  endStep(): void {
    this.stepStart = null;
    this.machine.debug.endStep();
  }
  /** The step is done, and the guest's registers are in the vcpu structure. */
  private get stepIsOver(): boolean {
    const { stepStart } = this;
    if (stepStart === null) return false;
    const { delivered, retired } = stepStart;
    return this.vcpu.stats.delivered !== delivered || this.machine.guestInstructions > retired;
  }

  // --- which host CPU it has ---

  /** The host CPU that this vcpu is loaded on, or was last. */
  get cpu(): Cpu {
    return this.machine.cpus[this.hostCpu]!;
  }

  /**
   * vcpu_load: this vcpu has host CPU `cpu`, which executes, from now on. `link` is what {@link put} returned if the
   * vcpu comes straight from another CPU, else null.
   */
  load(cpu: number, link: number | null): void {
    if (cpu !== this.hostCpu) this.vcpu.mmu.migrated(this.hostCpu);
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
  loseFpu(): void {
    const { fpu } = this.vcpu;
    if (fpu === null || !fpu.isLive) return;
    const { machine } = this;
    const caller = machine.cpu.number;
    machine.executeOn(this.hostCpu);
    fpu.lose();
    machine.executeOn(caller);
  }

  /** Address of the guest's current instruction, up to date even in the middle of guest code. */
  get pc(): Gva {
    if (this.phase === "guest" && !this.cpu.isKernel) return this.cpu.pc;
    return this.vcpu.regs.pc;
  }
}
