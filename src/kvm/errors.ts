import { CAUSE, CP0 } from "../isa/cp0.ts";
import { excCodeName } from "../isa/exceptions.ts";
import type { Machine } from "../machine/machine.ts";
import type { Gpa } from "./addresses.ts";

/** A mistake of the VMM's: what it asked of the hypervisor cannot be done. Guest faults are never errors. */
export class KvmError extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;

/** Two memslots would cover the same guest physical address. */
export class MemslotOverlapError extends KvmError {
  readonly slot: number;
  readonly other: number;
  constructor(slot: number, other: number) {
    super(`memslot ${slot} overlaps memslot ${other}`);
    this.slot = slot;
    this.other = other;
  }
}

/** The host CPU lacks what the host kernel is to use. */
export class HostFeatureError extends KvmError {
  readonly model: string;
  readonly feature: string;
  constructor(model: string, feature: string) {
    super(`the host CPU ${model} has no ${feature}`);
    this.model = model;
    this.feature = feature;
  }
}

/** A host CPU that there is not. */
export class HostCpuError extends KvmError {
  readonly cpu: number;
  constructor(cpu: number, cpus: number) {
    super(`there is no host CPU number ${cpu}: the host has ${cpus}, counted from 0`);
    this.cpu = cpu;
  }
}

/** A memslot whose addresses, size or number the hypervisor cannot take. */
export class MemslotRangeError extends KvmError {
  readonly slot: number;
  readonly guestPhysAddr: Gpa;
  readonly memorySize: number;
  constructor(slot: number, guestPhysAddr: Gpa, memorySize: number, why: string) {
    super(`memslot ${slot} (${hex(memorySize)} bytes at ${hex(guestPhysAddr)}): ${why}`);
    this.slot = slot;
    this.guestPhysAddr = guestPhysAddr;
    this.memorySize = memorySize;
  }
}

/** An interrupt number that KVM_INTERRUPT does not know, or a vcpu that does not exist. */
export class InterruptNumberError extends KvmError {
  readonly irq: number;
  constructor(irq: number) {
    super(`interrupt ${irq}: KVM_INTERRUPT takes 2, 3 and 4, negative to deassert`);
    this.irq = irq;
  }
}

/** A vcpu id that is taken, or more vcpus than a guest can have. */
export class VcpuIdError extends KvmError {
  readonly id: number;
  constructor(id: number, why: string) {
    super(`vcpu ${id}: ${why}`);
    this.id = id;
  }
}

/** A use of a VM or vcpu after it was destroyed. */
export class DestroyedError extends KvmError {
  constructor(what: string) {
    super(`${what} was destroyed`);
  }
}

/** A register that ONE_REG does not know (ENOENT), or a value that it refuses (EINVAL). */
export class OneRegError extends KvmError {
  /** The 64-bit register id. */
  readonly id: bigint;
  constructor(id: bigint, why: string) {
    super(`register 0x${id.toString(16)}: ${why}`);
    this.id = id;
  }
}

/** A timer frequency or time that the Count timer cannot take. */
export class TimerValueError extends KvmError {
  readonly value: number;
  constructor(value: number, why: string) {
    super(`${value}: ${why}`);
    this.value = value;
  }
}

/** A broken invariant of the hypervisor's own state: a defect in kseg, found by the checker. */
export class InvariantError extends KvmError {
  /** Number of the invariant, as `invariants.ts` lists them. */
  readonly invariant: number;
  constructor(invariant: number, what: string) {
    super(`invariant ${invariant}: ${what}`);
    this.invariant = invariant;
  }
}

/** The host's own kernel code took an exception: a defect in kseg, never something a guest does. */
export class HostFaultError extends KvmError {
  readonly epc: number;
  readonly hostCause: number;
  readonly badVAddr: number;
  constructor(machine: Machine) {
    const { cp0 } = machine.cpu;
    const epc = cp0[CP0.EPC]! >>> 0;
    const cause = cp0[CP0.Cause]! >>> 0;
    const badVAddr = cp0[CP0.BadVAddr]! >>> 0;
    super(
      `the host kernel took exception ${excCodeName((cause & CAUSE.ExcCode) >>> 2)} at ${hex(epc)} (BadVAddr ${hex(badVAddr)})`,
    );
    this.epc = epc;
    this.hostCause = cause;
    this.badVAddr = badVAddr;
  }
}
