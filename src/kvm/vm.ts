import { counter, integer, list, orNull, record, type Field } from "../state/fields.ts";
import type { Hpa } from "./addresses.ts";
import { checkRestored } from "./check-restored.ts";
import { blocksOf } from "./entry/code-block.ts";
import { needsEva, TE_MAP, type GuestMap } from "./guest-map.ts";
import { DestroyedError, HostCpuError, HostFeatureError, VcpuIdError } from "./errors.ts";
import type { GvaTables } from "./gva-table.ts";
import { HostKernel, hostSnapshot, type HostKernelOptions, type HostSnapshot } from "./host-kernel.ts";
import { Memslots, type Memslot } from "./memslots.ts";
import type { MachineSnapshot } from "../machine/machine-snapshot.ts";
import type { Machine } from "../machine/machine.ts";
import { SnapshotError } from "../state/snapshot-error.ts";
import { TimerSlots } from "./timer-slots.ts";
import { vcpuSnapshot, type VcpuSnapshot } from "./vcpu-snapshot.ts";
import { Vcpu, type VcpuOptions } from "./vcpu.ts";

/** KVM_CAP_MAX_VCPUS. They share the host's CPUs, of which one executes at a time. */
export const MAX_VCPUS = 8;

/** Enough for the processes that take turns, and few enough that a global guest TLB entry is dropped quickly. */
export const DEFAULT_GVA_ROOTS = 8;

/** As much as the working sets of a few Linux processes take, and little enough to be flushed entry by entry. */
export const DEFAULT_GUEST_TLB = 512;

export interface VmOptions extends Partial<VcpuOptions> {
  /** Where the guest lives (default: {@link TE_MAP}). */
  readonly map?: GuestMap;
}

/** A VM and the hypervisor that it is the only one of, as plain data, without host memory. */
export interface VmSnapshot {
  readonly host: HostSnapshot;
  /** By host CPU, the number of the vcpu that is loaded there. */
  readonly loaded: readonly (number | null)[];
  readonly ptesInvalidated: number;
  readonly vcpus: readonly VcpuSnapshot[];
}

/**
 * The hypervisor on one machine: its host kernel, and the VMs. The machine must be fresh from reset, made with
 * `hostCalls` and with `guestTime: "user"`.
 */
export class Kvm {
  readonly host: HostKernel;
  private readonly timers: TimerSlots;
  /** By host CPU, the vcpu that is loaded there. */
  private readonly loaded: (Vcpu | null)[];

  constructor(machine: Machine, options: HostKernelOptions) {
    // The hypervisor clears LLbit where the guest executes ERET, and only there.
    for (const cpu of machine.cpus) cpu.eretKeepsLink = true;
    this.host = new HostKernel(machine, options);
    this.loaded = machine.cpus.map(() => null);
    this.host.interruptGuest = (cpu) => this.loaded[cpu]?.settle();
    this.timers = new TimerSlots(machine.timeline);
  }

  /**
   * KVM_CREATE_VM. Throws HostFeatureError if the guest lives where the host was not told to let it (`eva`), or is to
   * have an FPU and the host has none.
   */
  createVm(options: VmOptions = {}): Vm {
    const map = options.map ?? TE_MAP;
    const { host } = this;
    if (needsEva(map) && !host.target.eva)
      throw new HostFeatureError(host.machine.config.model.name, "room for guests above 7fffffff");
    const complete: VcpuOptions = {
      refill: options.refill ?? "fast",
      gvaRoots: options.gvaRoots ?? DEFAULT_GVA_ROOTS,
      guestTlb: options.guestTlb ?? DEFAULT_GUEST_TLB,
      dyntrans: options.dyntrans ?? false,
      fastExits: options.fastExits ?? true,
      checkInvariants: options.checkInvariants ?? false,
      tracer: options.tracer ?? {},
      fpu: options.fpu ?? false,
    };
    if (complete.fpu && !host.target.fpu) throw new HostFeatureError(host.machine.config.model.name, "FPU");
    return new Vm(host, this.timers, map, complete, this);
  }

  /** Has host CPU `cpu` execute with `vcpu` on it: puts what is loaded there, and `vcpu` where it was. */
  schedule(vcpu: Vcpu, cpu: number): void {
    const { machine } = this.host;
    if (this.loaded[cpu] === undefined) throw new HostCpuError(cpu, this.loaded.length);
    if (this.loaded[cpu] === vcpu) return machine.executeOn(cpu);
    this.put(cpu);
    const from = this.loaded.indexOf(vcpu);
    // No one executes between put and load, so that the guest's link can go along.
    const link = from < 0 ? null : this.put(from);
    machine.executeOn(cpu);
    vcpu.load(cpu, link);
    this.loaded[cpu] = vcpu;
  }

  /** Takes host CPU `cpu` away from the vcpu that is loaded there. Returns what its `put` does. */
  private put(cpu: number): number | null {
    const vcpu = this.loaded[cpu]!;
    this.loaded[cpu] = null;
    return vcpu === null ? null : vcpu.put();
  }

  /** By host CPU, which of `vcpus` is loaded there. */
  loadedVcpus(vcpus: readonly Vcpu[]): readonly (number | null)[] {
    return this.loaded.map((vcpu) => (vcpu === null ? null : vcpus.indexOf(vcpu)));
  }

  /** From now on `loaded` are the vcpus that are loaded on the host CPUs: they were restored there. */
  reload(loaded: readonly (Vcpu | null)[]): void {
    this.loaded.splice(0, this.loaded.length, ...loaded);
  }

  /** Takes all host CPUs away from all vcpus. */
  putAll(): void {
    this.loaded.forEach((_, cpu) => this.put(cpu));
  }
}

/** A virtual machine: guest physical memory and vcpus. */
export class Vm {
  readonly host: HostKernel;
  readonly map: GuestMap;
  readonly options: VcpuOptions;
  readonly memslots: Memslots;
  readonly vcpus: Vcpu[] = [];
  private readonly tables: GvaTables;
  private readonly timers: TimerSlots;
  private readonly kvm: Kvm;
  private destroyed = false;
  /** CP0 of each host CPU before the last {@link restore}. */
  private hostCp0: readonly Int32Array[] = [];

  constructor(host: HostKernel, timers: TimerSlots, map: GuestMap, options: VcpuOptions, kvm: Kvm) {
    this.host = host;
    this.timers = timers;
    this.map = map;
    this.options = options;
    this.kvm = kvm;
    this.memslots = new Memslots(host.machine.memory.size, host.pages.pageSize);
    this.tables = host.gvaTables(map);
  }

  private checkAlive(): void {
    if (this.destroyed) throw new DestroyedError("the VM");
  }

  /**
   * KVM_SET_USER_MEMORY_REGION: creates, replaces or (with size 0) deletes a memslot. Throws
   * MemslotOverlapError and MemslotRangeError.
   */
  setUserMemoryRegion(slot: Memslot): void {
    this.checkAlive();
    // What a vcpu was doing when it was interrupted belongs to the old memory.
    for (const vcpu of this.vcpus) vcpu.settle();
    const old = this.memslots.set(slot);
    // A new slot only adds memory where accesses used to leave as MMIO, but its pages may be buddies of mapped
    // ones: their PTEs are empty, and the next access fills them.
    if (old === null) return;
    for (const vcpu of this.vcpus) vcpu.mmu.flushAll();
  }

  /** KVM_CREATE_VCPU. Throws {@link VcpuIdError}, and OutOfHostMemoryError. */
  createVcpu(id = 0): Vcpu {
    this.checkAlive();
    if (!Number.isInteger(id) || id < 0 || id >= MAX_VCPUS)
      throw new VcpuIdError(id, `ids are 0 to ${MAX_VCPUS - 1}`);
    if (this.vcpus.some((vcpu) => vcpu.id === id)) throw new VcpuIdError(id, "exists already");
    this.kvm.putAll();
    const vcpu: Vcpu = new Vcpu({
      id,
      host: this.host,
      tables: this.tables,
      map: this.map,
      slots: this.memslots,
      timerSlot: this.timers.take(),
      options: this.options,
      takeCpu: (cpu) => this.kvm.schedule(vcpu, cpu),
    });
    this.vcpus.push(vcpu);
    return vcpu;
  }

  // --- snapshots: of a VM that is the only one of its hypervisor ---

  /** All that the hypervisor is, besides the machine and its memory. */
  snapshot(): VmSnapshot {
    this.checkAlive();
    return {
      host: this.host.snapshot(),
      loaded: this.kvm.loadedVcpus(this.vcpus),
      ptesInvalidated: this.tables.ptesInvalidated,
      vcpus: this.vcpus.map((vcpu) => vcpu.snapshot()),
    };
  }

  /** How {@link snapshot} is kept. */
  get snapshotField(): Field<VmSnapshot> {
    const cpus = this.host.target.cpus;
    const most = this.vcpus.length;
    return record<VmSnapshot>({
      host: hostSnapshot(cpus),
      loaded: list(orNull(integer(0, most - 1)), cpus),
      ptesInvalidated: counter,
      vcpus: list(vcpuSnapshot(this.options, cpus), most),
    });
  }

  /** Before host memory is replaced by that of a snapshot. {@link restore} must follow. */
  beforeRestore(): void {
    this.hostCp0 = this.host.machine.cpus.map(({ cp0 }) => cp0.slice());
    for (const vcpu of this.vcpus) vcpu.beforeRestore();
  }

  /** Takes over a snapshot of an equal VM, when machine and memory are restored. Throws SnapshotError. */
  restore({ host, loaded, ptesInvalidated, vcpus }: VmSnapshot): void {
    this.host.restore(host);
    vcpus.forEach((saved, n) => this.vcpus[n]!.restore(saved));
    this.kvm.reload(loaded.map((n) => (n === null ? null : this.vcpus[n]!)));
    this.tables.ptesInvalidated = ptesInvalidated;
  }

  /**
   * Checks what {@link restore} has taken over into a VM that nothing was executed in before: a file may say anything.
   * Throws SnapshotError.
   */
  checkRestored(saved: VmSnapshot, machine: MachineSnapshot): void {
    const { loaded, vcpus } = saved;
    for (const [n, vcpu] of this.vcpus.entries()) {
      const { loop } = vcpus[n]!;
      const isLoaded = loaded[loop.hostCpu] === n;
      if (
        loaded.some((one, cpu) => one === n && cpu !== loop.hostCpu) ||
        (!isLoaded && loop.phase !== "outside")
      )
        throw new SnapshotError("the snapshot is inconsistent: a vcpu is on another host CPU than it says");
      checkRestored({ vcpu, loop, machine, hostCp0: this.hostCp0 });
    }
  }

  /**
   * What a snapshot has to say about the page of 4 KiB of host memory at `hpa`: its contents, or nothing, because it
   * is the same in every VM like this one or belongs to nobody.
   */
  pageKind(hpa: Hpa): "contents" | "constant" | "free" {
    const { pages } = this.host;
    if (!pages.covers(hpa)) return "contents";
    if (this.constants.some(({ first, end }) => hpa >= first && hpa < end)) return "constant";
    return pages.isAllocated(hpa) ? "contents" : "free";
  }

  /** The blocks of host memory that stay as they were made. */
  private get constants(): readonly { readonly first: Hpa; readonly end: Hpa }[] {
    const { pages, constants } = this.host;
    const code = this.vcpus.flatMap((vcpu) => blocksOf(vcpu.code));
    return [...constants, ...code].map((first) => ({ first, end: first + pages.bytesAt(first) }));
  }

  /** Frees everything: vcpus, tables and generated code. Memory given to the guest is the VMM's. */
  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.kvm.putAll();
    for (const vcpu of this.vcpus.splice(0)) vcpu.destroy();
  }
}
