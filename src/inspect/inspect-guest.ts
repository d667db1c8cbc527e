import { readGuestCp0 } from "../kvm/emulate/cp0.ts";
import { peekGuestWord } from "../kvm/guest-memory.ts";
import { guestAsid, inUserMode } from "../kvm/vcpu-state.ts";
import type { Vcpu } from "../kvm/vcpu.ts";
import { cp0Table } from "../machine/cp0-table.ts";
import type { BusRegion } from "../machine/bus.ts";
import { codeViews } from "./code-view.ts";
import { cp0Views } from "./cp0-view.ts";
import { explainGuest } from "./explain-guest.ts";
import type { Explanation } from "./explanation.ts";
import { deviceViews, hostCp0Views, usedEntries } from "./machine-view.ts";
import { currentAsid, findRoot, gvaMapView, pageTableView, rootViews } from "./table-view.ts";
import { tlbEntryView } from "./tlb-view.ts";
import type {
  AddressSpace,
  CodeView,
  Cp0View,
  GvaMapView,
  HostTlbEntryView,
  Inspection,
  PageTableView,
  PhysicalRegionView,
  RegistersView,
  RootName,
  RootView,
  TlbEntryView,
} from "./views.ts";

/** A guest under the hypervisor, for looking at. */
export class GuestInspection implements Inspection {
  private readonly vcpu: Vcpu;
  /** The CP0 registers of the guest's CPU. */
  private readonly registersOfCp0: readonly number[];
  private readonly devices: () => readonly BusRegion[];

  /** `devices` are those that the VMM has at the guest's physical addresses. */
  constructor(vcpu: Vcpu, devices: () => readonly BusRegion[]) {
    this.vcpu = vcpu;
    this.registersOfCp0 = [...cp0Table(vcpu.guestCpu.model, vcpu.machine.memory.endian).keys()];
    this.devices = devices;
  }

  registers(): RegistersView {
    const { vcpu } = this;
    const { cpu } = vcpu;
    // In the middle of guest code its registers are the CPU's; after an exit they are in the vcpu structure.
    const inCpu = vcpu.inGuest && !cpu.isKernel;
    const { gpr, hi, lo } = inCpu ? cpu : vcpu.regs;
    return {
      pc: vcpu.pc,
      inDelaySlot: inCpu && cpu.inDelaySlot,
      hi: hi >>> 0,
      lo: lo >>> 0,
      gpr: Array.from(gpr, (value) => value >>> 0),
      mode: inUserMode(vcpu) ? "user" : "kernel",
      asid: guestAsid(vcpu),
    };
  }

  cp0(): Cp0View[] {
    const { vcpu } = this;
    return cp0Views(this.registersOfCp0, (index) => readGuestCp0(vcpu, index));
  }

  hostCp0(): Cp0View[] {
    return hostCp0Views(this.vcpu.machine);
  }

  hostTlb(): HostTlbEntryView[] {
    const spaces = this.addressSpaces();
    return usedEntries(this.vcpu.cpu).map((entry) => ({
      ...entry,
      space: spaces.get(entry.asid) ?? { of: "none" },
    }));
  }

  /** Whose the host ASIDs are. */
  private addressSpaces(): ReadonlyMap<number, AddressSpace> {
    const spaces = new Map<number, AddressSpace>();
    const vmm = currentAsid(this.vcpu, this.vcpu.mmu.host.vmmMm);
    if (vmm !== null) spaces.set(vmm, { of: "host" });
    for (const { mode, guestAsid: asid, hostAsid } of rootViews(this.vcpu))
      if (hostAsid !== null) spaces.set(hostAsid, { of: "guest", mode, guestAsid: asid });
    return spaces;
  }

  guestTlb(): TlbEntryView[] {
    const { guestTlb } = this.vcpu;
    const entries: TlbEntryView[] = [];
    for (let index = 0; index < guestTlb.size; index++)
      if (guestTlb.isUsed(index)) entries.push(tlbEntryView(index, guestTlb.read(index)));
    return entries;
  }

  roots(): RootView[] {
    return rootViews(this.vcpu);
  }

  gvaMap(name: RootName, first: number, last: number, bucketSize: number): GvaMapView | null {
    const root = findRoot(this.vcpu, name);
    return root === null ? null : gvaMapView(this.vcpu, root, first, last, bucketSize);
  }

  pageTable(name: RootName, gva: number): PageTableView | null {
    const root = findRoot(this.vcpu, name);
    return root === null ? null : pageTableView(this.vcpu, root, gva);
  }

  physical(): PhysicalRegionView[] {
    const slots = this.vcpu.slots.all.map(
      ({ slot, guestPhysAddr, memorySize, hostPhysAddr, readonly }): PhysicalRegionView => ({
        kind: "memory",
        name: `memslot ${slot}`,
        first: guestPhysAddr,
        size: memorySize,
        host: hostPhysAddr,
        readonly: readonly === true,
      }),
    );
    return [...slots, ...deviceViews(this.devices())];
  }

  code(gva: number, before: number, after: number): CodeView[] {
    return codeViews(gva, before, after, (at) => peekGuestWord(this.vcpu, at));
  }

  explain(gva: number): Explanation {
    const deviceAt = (physical: number): string | null =>
      this.devices().find(({ base, size }) => physical >= base && physical < base + size)?.name ?? null;
    return explainGuest(this.vcpu, gva, deviceAt);
  }
}
