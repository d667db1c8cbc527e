import { CAUSE, CP0, STATUS } from "../../src/isa/cp0.ts";
import { EXC_CODE } from "../../src/isa/exceptions.ts";
import { MASKED_WHEN_READ } from "../../src/kvm/guest-cp0.ts";
import { Kvm, OneRegError, type MmioExit, type Vcpu, type VcpuExit, type Vm } from "../../src/kvm/index.ts";
import { CPU_MODELS } from "../../src/machine/cpu-models.ts";
import { legalPageMask } from "../../src/machine/tlb.ts";
import { Machine } from "../../src/machine/machine.ts";
import { describe, kernelOptions, vmOptions, type GuestPlan, type HostPlan } from "./axes.ts";
import { Canaries } from "./canaries.ts";
import { Digest } from "./digest.ts";
import { ENGINES } from "./engines.ts";
import { HANDLER_WORDS, imageOf, NO_CUTS, targetsOf, VECTOR_PAGES, VECTORS, type Cuts } from "./image.ts";
import { CODE_END, gaps, HOST_END, layOut, type Region, type RegionName } from "./layout.ts";
import { Progress } from "./progress.ts";
import { Random } from "./random.ts";
import { Taint } from "./taint.ts";
import { Victim } from "./victim.ts";
import { WordSource, type Targets } from "./words.ts";

/** The state of a guest at the end of its run. Equal plans give equal outcomes, whatever the host. */
export interface Outcome {
  /** Hashes and values of what must agree, by name. */
  readonly state: Readonly<Record<string, string | number>>;
  /** Something happened after which hosts may differ: why, or null. */
  readonly incomparable: string | null;
  /** Hosts with another commpage may differ: the guest went where some of them have it. */
  readonly nearCommpage: boolean;
  readonly instructions: number;
  readonly exits: number;
  readonly failures: number;
  /** Kinds of exceptions inside others that there were. */
  readonly nested: readonly number[];
}

/** A run that did not end in an orderly way: what was thrown, when, and on which host which guest ran. */
export class FuzzError extends Error {
  override readonly name = "FuzzError";
  readonly guest: GuestPlan | null;
  readonly hosts: readonly HostPlan[];
  constructor(
    where: string,
    cause: unknown,
    guest: GuestPlan | null = null,
    hosts: readonly HostPlan[] = [],
  ) {
    const what = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
    const plans = [...(guest === null ? [] : [guest]), ...hosts].map((plan) => `\n  ${describe(plan)}`);
    super(`${where}: ${what}${plans.join("")}`, { cause });
    this.guest = guest;
    this.hosts = hosts;
  }
}

/** Longest and shortest time between two things that the VMM does, in ticks. */
export const SHORTEST_EPOCH = 20;
const EPOCH = { shortest: SHORTEST_EPOCH, usual: 250, longest: 4000 } as const;
/** Longest time between two moments at which the guest can migrate. */
const LONGEST_STAY = 100;
/** Instructions that a guest is charged with for an exit that says it cannot go on. */
const FAILURE_COST = 50;
/** Epochs between two looks at the canaries, and at every unused page of the hypervisor: they do not heal. */
const CANARIES_EVERY = 8;
const THOROUGH_EVERY = 512;
/** Exits of 100 after which GVA tables are checked, if they are sampled. */
const TABLES_PERCENT = 4;

/** Registers on the commpage whose contents the hypervisor goes by. */
const SCRIBBLED = [
  ...[CP0.Status, CP0.Cause, CP0.EntryHi, CP0.EntryLo0, CP0.EntryLo1, CP0.PageMask, CP0.Index, CP0.Wired],
  ...[CP0.Count, CP0.Compare, CP0.EBase, CP0.EPC, CP0.ErrorEPC, CP0.HWREna, CP0.Context, CP0.BadVAddr],
  ...[CP0.Random, CP0.UserLocal, CP0.Config, CP0.Config1, CP0.Config3, CP0.Config4, CP0.Config5, CP0.Config7],
] as const;

/** What `vmm` draws in epoch n is in stream `vmm` + 16 n: leaving out what one epoch does keeps the others. */
const STREAM = { vmm: 1, mmio: 2, checks: 3, cpus: 4 } as const;

/** Which invariants are checked: after every exit all, or the cheap ones and now and then all. */
export type Checks = "all" | "sampled" | "none";

/** A VM with a hostile guest, its VMM, and whoever watches them. */
export class HostileVm {
  readonly machine: Machine;
  readonly vm: Vm;
  readonly vcpu: Vcpu;
  private readonly kvm: Kvm;
  private readonly plan: GuestPlan;
  private readonly host: HostPlan;
  private readonly regions: readonly Region[];
  private readonly targets: Targets;
  private vmmRandom: Random;
  private readonly cuts: Cuts;
  private readonly canaries: Canaries;
  private readonly progress: Progress;
  private readonly taint: Taint;
  private readonly victim: Victim | null;
  private readonly trace = new Digest();
  /** Pages of the hypervisor in use before there was a VM. */
  private readonly allocatedBefore: number;
  /** What came inside the handling of what: ExcCode of the host's exception and 32 times that of the guest's. */
  private readonly nested = new Set<number>();
  private failures = 0;
  private exits = 0;
  private startedAt = 0;
  private charged = 0;
  private epoch = 0;
  /** Decides when the guest migrates. */
  private readonly cpuRandom: Random;
  /** The VMM has asked the guest to stop, which it has not yet. */
  private stopAsked = false;

  constructor(plan: GuestPlan, host: HostPlan, checks: Checks, cuts: Cuts = NO_CUTS) {
    this.plan = plan;
    this.host = host;
    this.cuts = cuts;
    const { regions, victim, end } = layOut();
    this.regions = regions;
    this.machine = new Machine(
      {
        model: CPU_MODELS[host.model]!,
        cpus: host.hostCpus,
        endian: plan.endian,
        ramBytes: end,
        guestTime: "user",
        hostCalls: true,
      },
      ENGINES[host.engine],
    );
    this.cpuRandom = new Random(plan.seed, STREAM.cpus);
    this.progress = new Progress(this.machine.timeline);
    this.kvm = new Kvm(this.machine, { ...kernelOptions(plan, host), end: HOST_END });
    this.canaries = new Canaries(
      this.kvm.host,
      HOST_END,
      gaps([...regions.map(({ slot }) => slot), victim], end),
    );
    this.allocatedBefore = this.kvm.host.pages.allocated;
    this.vm = this.kvm.createVm({
      ...vmOptions(plan, host),
      checkInvariants: this.invariantChecks(checks),
      tracer: { kvm_exit: (_, code) => this.exited(code) },
    });
    for (const { slot } of regions) this.vm.setUserMemoryRegion(slot);
    this.vcpu = this.vm.createVcpu();
    this.canaries.freezeCode(this.vcpu);
    this.taint = new Taint(this.vcpu);
    this.targets = targetsOf(plan);
    this.vmmRandom = new Random(plan.seed, STREAM.vmm);
    this.machine.timeline.register("fuzz-interrupt", () => this.toggleInterrupt());
    this.fillMemory(cuts);
    this.randomState();
    this.freezeReadOnly();
    this.victim = plan.victim ? new Victim(this.kvm, victim) : null;
  }

  /**
   * Sampled: what is cheap after every exit; the tables after the first exit of an epoch and at random ones. A
   * wrong PTE stays where it is until something drops it, so what one look misses the next one finds, and what
   * was dropped in between is found in other seeds.
   */
  private invariantChecks(checks: Checks): boolean | (() => boolean) {
    if (checks !== "sampled") return checks === "all";
    const random = new Random(this.plan.seed, STREAM.checks);
    let lastEpoch = -1;
    return () => {
      if (this.epoch === lastEpoch) return random.chance(TABLES_PERCENT);
      lastEpoch = this.epoch;
      return true;
    };
  }

  private exited(code: number): void {
    this.progress.exit();
    const { cp0 } = this.vcpu;
    if ((cp0[CP0.Status]! & STATUS.EXL) === 0) return;
    this.nested.add(((cp0[CP0.Cause]! & CAUSE.ExcCode) << 3) | code);
  }

  private regionOf(name: RegionName): Region {
    return this.regions.find((region) => region.name === name)!;
  }

  // --- the guest as it starts ---

  private fillMemory(cuts: Cuts): void {
    const image = imageOf(this.plan);
    for (const { name, slot } of this.regions)
      image.get(name)!.forEach((word, index) => {
        const cut = cuts.words.has(slot.guestPhysAddr + 4 * index);
        this.taint.vmmWrite(slot.hostPhysAddr + 4 * index, cut ? 0 : word);
      });
  }

  /** Random registers, CP0 and guest TLB, and a PC in code. */
  private randomState(): void {
    const { vcpu } = this;
    const random = this.vmmRandom;
    const words = new WordSource(random, this.targets);
    const smallest = legalPageMask(2 * Math.max(this.plan.guestPage, vcpu.pageSize) - 1);
    for (let index = 0; index < vcpu.guestTlb.size; index++)
      if (random.chance(60)) {
        const entryHi = this.targets.entryHi(random);
        // The guest itself could not write pages smaller than the host's, or two entries for an address.
        const pageMask = legalPageMask(this.targets.pageMask(random)) | smallest;
        const [entryLo0, entryLo1] = [1, 2].map(() => this.targets.entryLo(random) >>> 0);
        const entry = { entryHi, pageMask, entryLo0: entryLo0!, entryLo1: entryLo1! };
        if (!vcpu.guestTlb.conflicts(index, entry)) vcpu.guestTlb.write(index, entry);
      }
    for (const index of [
      CP0.EntryLo0,
      CP0.EntryLo1,
      CP0.EntryHi,
      CP0.EPC,
      CP0.ErrorEPC,
      CP0.Wired,
      CP0.Index,
    ])
      this.setCp0(index, words.cp0Value(index));
    this.setCp0(CP0.HWREna, random.word() & 0x2000_000f);
    this.setCp0(CP0.Compare, random.below(5000));
    this.restart();
  }

  private setCp0(index: number, value: number): void {
    const size = this.vcpu.getRegList().find((id) => (id & 0xffff_ffffn) === ((1n << 16n) | BigInt(index)));
    if (size === undefined) throw new RangeError(`no register ${index}`);
    this.vcpu.setOneReg(size, BigInt.asUintN(64, BigInt(value | 0)));
  }

  /** Gives the guest new registers and a place to go on. */
  private restart(): void {
    const random = this.vmmRandom;
    const gpr = Array.from({ length: 32 }, (_, n) => {
      if (n === 0) return 0;
      if ([16, 17, 18, 31].includes(n)) return this.targets.code(random);
      if ([19, 20, 21, 22, 23, 28, 29].includes(n)) return this.targets.data(random);
      return random.chance(50) ? random.word() : random.below(16);
    });
    const pc = this.targets.code(random) & ~3;
    const wide = (value: number): bigint => BigInt(value | 0);
    const words = new WordSource(random, this.targets);
    if (random.chance(70))
      this.setCp0(CP0.Status, words.status() & ~(random.chance(90) ? STATUS.ERL | STATUS.EXL : 0));
    this.vcpu.setRegs({ gpr: gpr.map(wide), hi: wide(random.word()), lo: wide(random.word()), pc: wide(pc) });
  }

  // --- the VMM ---

  /** Runs the guest for `instructions`, doing things to it now and then. Throws {@link FuzzError}. */
  run(instructions: number): Outcome {
    const { timeline } = this.machine;
    this.startedAt = timeline.now();
    try {
      while (this.elapsed < instructions) {
        const longest = this.vmmRandom.chance(90) ? EPOCH.usual : EPOCH.longest;
        this.runUntil(timeline.now() + this.vmmRandom.between(EPOCH.shortest, longest));
        if (this.epoch % CANARIES_EVERY === 0) this.canaries.check(this.epoch % THOROUGH_EVERY === 0);
        this.epoch++;
        this.vmmRandom = new Random(this.plan.seed, STREAM.vmm + 16 * this.epoch);
        if (!this.cuts.epochs.has(this.epoch)) this.interfere();
      }
      this.canaries.check(true);
      return this.outcome();
    } catch (error) {
      throw new FuzzError(this.where(), error, this.plan, [this.host]);
    }
  }

  /** Instructions of its budget that the guest has used up. */
  get elapsed(): number {
    return this.machine.timeline.now() - this.startedAt + this.charged;
  }

  /** Where things stand, for messages. */
  private where(): string {
    const { pc, regs, cp0 } = this.vcpu;
    const hex = (value: number): string => (value >>> 0).toString(16);
    return (
      `tick ${this.machine.timeline.now()}, epoch ${this.epoch}, pc ${hex(pc)}, last exit cause ${hex(regs.cause)}` +
      ` BadVAddr ${hex(regs.badVAddr)}, guest Status ${hex(cp0[CP0.Status]!)} EntryHi ${hex(cp0[CP0.EntryHi]!)}`
    );
  }

  /** A CPU of the host. */
  private anyCpu(): number {
    return this.cpuRandom.below(this.host.hostCpus);
  }

  /**
   * Runs the guest up to an exit that hosts with one CPU see too, or `limit`. On hosts with more it may come to
   * another CPU on the way and at each exit.
   */
  private runVcpu(limit: number): VcpuExit {
    const { timeline } = this.machine;
    for (;;) {
      const stay = this.host.hostCpus === 1 ? Infinity : this.cpuRandom.between(1, LONGEST_STAY);
      const exit = this.vcpu.run(Math.min(stay, limit - timeline.now()), this.anyCpu());
      if (exit.reason !== "intr" || this.stopAsked || timeline.now() >= limit) {
        if (exit.reason === "intr") this.stopAsked = false;
        return exit;
      }
    }
  }

  private runUntil(limit: number): void {
    const { timeline } = this.machine;
    while (timeline.now() < limit) {
      const exit = this.runVcpu(limit);
      this.exits++;
      this.progress.vmmExit();
      this.trace.add(exit.reason.length, timeline.now());
      switch (exit.reason) {
        case "mmio":
          this.mmio(exit);
          break;
        case "irq-window-open":
          timeline.skipTo(limit);
          break;
        case "intr":
          break;
        case "internal-error":
          this.failed(exit);
          return;
        case "debug":
          throw new Error("nobody debugs this guest");
        default:
          exit satisfies never;
      }
    }
  }

  private mmio(exit: MmioExit): void {
    const { physAddr, len, isWrite } = exit;
    this.trace.add(physAddr / 4096, physAddr, len, isWrite ? 1 : 0);
    if (isWrite) this.trace.add(exit.data);
    else {
      const random = new Random(this.plan.seed ^ (physAddr | 0), STREAM.mmio + this.machine.timeline.now());
      exit.data = random.word() >>> (32 - 8 * len);
    }
  }

  /** The guest cannot go on: that is its own affair. It goes on elsewhere. */
  private failed(exit: Extract<VcpuExit, { reason: "internal-error" }>): void {
    if (exit.message.includes("run it on smaller host pages")) this.taint.give("the guest maps small pages");
    this.failures++;
    this.charged += FAILURE_COST;
    // Which exception of the host's it was may differ: refill, invalid and modified tell hosts apart.
    const { pc, cause, badVAddr } = exit.report;
    const code = (cause & CAUSE.ExcCode) >>> 2;
    const byAddress = code >= EXC_CODE.Mod && code <= EXC_CODE.AdES;
    this.trace.add(pc, byAddress ? badVAddr : code);
    this.restart();
  }

  private toggleInterrupt(): void {
    const random = this.vmmRandom;
    const line = random.between(2, 4);
    this.vcpu.interrupt(random.chance(50) ? line : -line);
    if (random.chance(5)) {
      this.stopAsked = true;
      this.vcpu.requestStop();
    }
  }

  /** One of the things that a VMM may do to a guest between two runs. */
  private interfere(): void {
    const random = this.vmmRandom;
    random.weighted<void>([
      [20, () => this.restart()],
      [12, () => this.toggleInterrupt()],
      [
        10,
        () =>
          this.machine.timeline.schedule("fuzz-interrupt", this.machine.timeline.now() + random.below(3000)),
      ],
      [8, () => this.rewriteCode()],
      [6, () => this.changeSlot()],
      [5, () => this.changeCp0()],
      [3, () => void this.vcpu.getRegs()],
      [3, () => this.readEveryRegister()],
      [this.plan.commpage ? 8 : 0, () => this.scribble()],
      [6, () => this.runVictim()],
      [8, () => {}],
    ]);
  }

  private runVictim(): void {
    if (this.victim === null) return;
    this.victim.run(this.anyCpu());
    // Where they share a CPU the guest's link is over.
    for (const cpu of this.machine.cpus) cpu.clearLlBit();
  }

  private rewriteCode(): void {
    const random = this.vmmRandom;
    const words = new WordSource(random, this.targets);
    const { hostPhysAddr } = this.regionOf("ram").slot;
    if (random.chance(30)) {
      const offset = random.pick(VECTORS);
      const base = hostPhysAddr + random.pick(VECTOR_PAGES) + offset;
      words
        .handler(HANDLER_WORDS, offset === 0)
        .forEach((word, i) => this.taint.vmmWrite(base + 4 * i, word));
      return;
    }
    const first = 0x400 + 4 * random.below((CODE_END - 0x1000) / 4);
    words
      .code(random.between(1, 64))
      .forEach((word, i) => this.taint.vmmWrite(hostPhysAddr + first + 4 * i, word));
  }

  /** Puts anything into the commpage if there is one, as stores of the guest's kernel can while it runs. */
  private scribble(): void {
    const { vcpu, machine } = this;
    if (vcpu.commpage === null || !vcpu.inGuest || this.kvm.host.livePgd !== vcpu.regs.kernelMm.pgd) return;
    const random = this.vmmRandom;
    const words = new WordSource(random, this.targets);
    const at = (index: number): number => vcpu.regs.cp0Page + 4 * index;
    for (let n = random.pick([1, 1, 3, 20]); n > 0; n--) {
      const index = random.chance(70) ? random.pick(SCRIBBLED) : random.below(vcpu.pageSize / 4);
      machine.memory.write32(at(index), random.chance(70) ? words.cp0Value(index) : random.word());
    }
  }

  private changeSlot(): void {
    const random = this.vmmRandom;
    const { slot } = this.regionOf("changing");
    const kind = random.below(4);
    // Gone, there, read-only, or elsewhere.
    this.vm.setUserMemoryRegion({ ...slot, memorySize: 0 });
    if (kind === 0) return;
    const guestPhysAddr = slot.guestPhysAddr + (kind === 3 ? 0x8000 * random.below(3) : 0);
    this.vm.setUserMemoryRegion({ ...slot, guestPhysAddr, readonly: kind === 2 });
  }

  private changeCp0(): void {
    const random = this.vmmRandom;
    const words = new WordSource(random, this.targets);
    const index = random.pick([
      CP0.Status,
      CP0.Cause,
      CP0.EntryHi,
      CP0.Count,
      CP0.Compare,
      CP0.EBase,
      CP0.EPC,
      CP0.Wired,
      CP0.PageMask,
    ]);
    this.setCp0(index, words.cp0Value(index));
  }

  private readEveryRegister(): void {
    for (const id of this.vcpu.getRegList()) this.trace.add(Number(this.readRegister(id) & 0xffff_ffffn));
  }

  /** A register as KVM_GET_ONE_REG gives it; 0 for one of the FPU that there is not at the moment. */
  private readRegister(id: bigint): bigint {
    try {
      return this.vcpu.getOneReg(id);
    } catch (error) {
      if (error instanceof OneRegError) return 0n;
      throw error;
    }
  }

  /** The FPU's registers. */
  private fpuState(): string {
    const fpu = this.vcpu.getRegList().filter((id) => ((id >> 16n) & 0xffffn) === 3n);
    return fpu.map((id) => this.readRegister(id).toString(16)).join();
  }

  // --- the end ---

  private freezeReadOnly(): void {
    const { slot } = this.regionOf("rom");
    this.canaries.freeze("read-only guest memory", slot.hostPhysAddr, slot.memorySize);
  }

  private outcome(): Outcome {
    const { vcpu, machine } = this;
    vcpu.settle();
    const memory = new Digest();
    for (const { slot } of this.regions)
      for (let at = slot.hostPhysAddr; at < slot.hostPhysAddr + slot.memorySize; at += 4)
        memory.add(this.taint.originalWord(at));
    const tlb = new Digest();
    for (let index = 0; index < vcpu.guestTlb.size; index++) {
      const { entryHi, pageMask, entryLo0, entryLo1 } = vcpu.guestTlb.read(index);
      tlb.add(entryHi, pageMask, entryLo0, entryLo1);
    }
    const { gpr, hi, lo, pc } = vcpu.getRegs();
    const registers = [...gpr, hi, lo, pc].map((value) => (Number(value & 0xffff_ffffn) >>> 0).toString(16));
    const cp0 = Array.from(vcpu.cp0, (raw, index) => {
      // A translated MTC0 leaves bits there that the guest never sees.
      const value = MASKED_WHEN_READ.has(index) ? vcpu.guestCpu.entryLo(vcpu.cp0, index) : raw;
      return value === 0 ? "" : `${index}=${(value >>> 0).toString(16)}`;
    });
    return {
      state: {
        registers: registers.join(" "),
        cp0: cp0.filter((text) => text !== "").join(" "),
        fpu: this.fpuState(),
        tlb: tlb.value,
        memory: memory.value,
        trace: this.trace.value,
        count: vcpu.timer.count(),
        instructions: machine.guestInstructions,
        time: machine.timeline.now(),
        failures: this.failures,
      },
      incomparable: this.taint.reason,
      nearCommpage: this.taint.nearCommpage,
      instructions: machine.guestInstructions,
      exits: vcpu.stats.totalExits,
      failures: this.failures,
      nested: [...this.nested],
    };
  }

  /** Destroys the VM and checks that nothing of it is left. Throws {@link FuzzError}. */
  destroy(): void {
    try {
      this.canaries.thawCode();
      this.victim?.destroy();
      this.vm.destroy();
      const { allocated } = this.kvm.host.pages;
      if (allocated !== this.allocatedBefore)
        throw new Error(`${allocated - this.allocatedBefore} pages are left allocated`);
      this.canaries.check(true);
    } catch (error) {
      throw new FuzzError("after the VM was destroyed", error, this.plan, [this.host]);
    }
  }
}
