import { needsEva, TE_MAP, type GuestMap } from "./guest-map.ts";
import { DestroyedError, HostFeatureError, VcpuIdError } from "./errors.ts";
import type { GvaTables } from "./gva-table.ts";
import { HostKernel, type HostKernelOptions } from "./host-kernel.ts";
import { Memslots, type Memslot } from "./memslots.ts";
import type { Machine } from "../machine/machine.ts";
import { TimerSlots } from "./timer-slots.ts";
import { Vcpu, type VcpuOptions } from "./vcpu.ts";

/** KVM_CAP_MAX_VCPUS. They share the host's one CPU. */
export const MAX_VCPUS = 8;

/** Enough for the processes that take turns, and few enough that a global guest TLB entry is dropped quickly. */
const DEFAULT_GVA_ROOTS = 8;

/** As much as the working sets of a few Linux processes take, and little enough to be flushed entry by entry. */
const DEFAULT_GUEST_TLB = 512;

export interface VmOptions extends Partial<VcpuOptions> {
  /** Where the guest lives (default: {@link TE_MAP}). */
  readonly map?: GuestMap;
}

/**
 * The hypervisor on one machine: its host kernel, and the VMs. The machine must be fresh from reset, made with
 * `hostCalls` and with `guestTime: "user"`.
 */
export class Kvm {
  readonly host: HostKernel;
  private readonly timers: TimerSlots;
  /** The vcpu that has the CPU. */
  private current: Vcpu | null = null;

  constructor(machine: Machine, options: HostKernelOptions) {
    // The hypervisor clears LLbit where the guest executes ERET, and only there.
    machine.cpu.eretKeepsLink = true;
    this.host = new HostKernel(machine, options);
    this.timers = new TimerSlots(machine.timeline);
  }

  /** KVM_CREATE_VM. Throws HostFeatureError if the guest lives where the host was not told to let it (`eva`). */
  createVm(options: VmOptions = {}): Vm {
    const map = options.map ?? TE_MAP;
    const { host } = this;
    if (needsEva(map) && !host.target.eva)
      throw new HostFeatureError(host.machine.config.model.name, "room for guests above 7fffffff");
    const complete: VcpuOptions = {
      refill: options.refill ?? "fast",
      gvaRoots: options.gvaRoots ?? DEFAULT_GVA_ROOTS,
      guestTlb: options.guestTlb ?? DEFAULT_GUEST_TLB,
      dyntrans: options.dyntrans ?? true,
      fastExits: options.fastExits ?? true,
      checkInvariants: options.checkInvariants ?? false,
      tracer: options.tracer ?? {},
    };
    return new Vm(host, this.timers, map, complete, (vcpu) => this.giveCpuTo(vcpu));
  }

  private giveCpuTo(vcpu: Vcpu | null): void {
    if (this.current !== vcpu) this.current?.releaseCpu();
    this.current = vcpu;
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
  private readonly giveCpuTo: (vcpu: Vcpu | null) => void;
  private destroyed = false;

  constructor(
    host: HostKernel,
    timers: TimerSlots,
    map: GuestMap,
    options: VcpuOptions,
    giveCpuTo: (vcpu: Vcpu | null) => void,
  ) {
    this.host = host;
    this.timers = timers;
    this.map = map;
    this.options = options;
    this.giveCpuTo = giveCpuTo;
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
    this.giveCpuTo(null);
    const vcpu: Vcpu = new Vcpu({
      id,
      host: this.host,
      tables: this.tables,
      map: this.map,
      slots: this.memslots,
      timerSlot: this.timers.take(),
      options: this.options,
      takeCpu: () => this.giveCpuTo(vcpu),
    });
    this.vcpus.push(vcpu);
    return vcpu;
  }

  /** Frees everything: vcpus, tables and generated code. Memory given to the guest is the VMM's. */
  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.giveCpuTo(null);
    for (const vcpu of this.vcpus.splice(0)) vcpu.destroy();
  }
}
