import { CP0, ENTRY_LO, PAGE_GRAIN } from "../isa/cp0.ts";
import { EXC_CODE } from "../isa/exceptions.ts";
import type { Bus } from "./bus.ts";
import type { Cpu } from "./cpu.ts";
import type { Memory } from "./memory.ts";
import type { Mode } from "./modes.ts";
import { MAPPED, NO_ACCESS } from "./segments.ts";
import { STATE } from "./state-layout.ts";

/** What an access wants to do with memory. */
export const ACCESS = { load: 0, store: 1, fetch: 2 } as const;
export type Access = (typeof ACCESS)[keyof typeof ACCESS];

/** Somebody who looks at loads and stores before they are made. */
export interface AccessWatch {
  /**
   * True if the access of `size` bytes at `va`, to which nothing else is in the way, is not made: the engine has been
   * told to stop. A `size` of 1 also stands for LWL and its kin.
   */
  stopsAccess(va: number, access: Access, size: number): boolean;
  /** Whether each such access to the page of `va` is to be looked at. */
  isWatched(va: number, access: Access): boolean;
}

/** A stretch of physical addresses that is RAM: [base, base + size) lies at `offset` in the RAM array. */
export interface RamRegion {
  readonly base: number;
  readonly size: number;
  readonly offset: number;
}

/** No translation: the exception has been raised, the access must not happen. */
const FAULT = -1;

/**
 * Address translation and the slow path of memory accesses: what happens, in this order, when the engine's
 * soft TLB does not answer: alignment, segment, host TLB match, permission, RAM or device, fault.
 */
export class Mmu {
  /** The CPU that executes. */
  cpu: Cpu;
  private readonly memory: Memory;
  private readonly bus: Bus;
  readonly ram: readonly RamRegion[];
  /** Whether the last successful `translate` found a page that loads and stores may use, without being looked at. */
  readable = false;
  writable = false;
  /** Null: nobody looks. */
  watch: AccessWatch | null = null;
  /** The hardware page walker: has a TLB entry for `va` written, or returns false. */
  walk: (va: number) => boolean = () => false;

  constructor(cpu: Cpu, memory: Memory, bus: Bus, ram: readonly RamRegion[]) {
    this.cpu = cpu;
    this.memory = memory;
    this.bus = bus;
    this.ram = ram;
  }

  /** Place of physical address `pa` in the RAM array, or -1 if it is not RAM. */
  ramOffset(pa: number): number {
    for (const region of this.ram)
      if (pa >= region.base && pa - region.base < region.size) return pa - region.base + region.offset;
    return -1;
  }

  /**
   * Translates `va` for an access of `size` bytes in `mode`. Returns the physical address, or raises the
   * exception that the access causes and returns -1.
   */
  translate(va: number, access: Access, size: number, mode: Mode = this.cpu.mode): number {
    return this.watch === null || access === ACCESS.fetch
      ? this.translateUnseen(va, access, size, mode)
      : this.translateWatched(this.watch, va, access, size, mode);
  }

  private translateUnseen(va: number, access: Access, size: number, mode: Mode): number {
    va >>>= 0;
    if ((va & (size - 1)) !== 0) return this.addressError(va, access);
    const where = this.cpu.segments.resolve(va, mode);
    if (where >= 0) return this.unmapped(where);
    return where === MAPPED ? this.translateMapped(va, access) : this.addressError(va, access);
  }

  /** The access is made unless somebody stops it. */
  private translateWatched(watch: AccessWatch, va: number, access: Access, size: number, mode: Mode): number {
    va >>>= 0;
    const pa = this.translateUnseen(va, access, size, mode);
    if (pa < 0) return pa;
    if (watch.stopsAccess(va, access, size)) return FAULT;
    if (watch.isWatched(va, ACCESS.load)) this.readable = false;
    if (watch.isWatched(va, ACCESS.store)) this.writable = false;
    return pa;
  }

  private unmapped(pa: number): number {
    this.readable = true;
    this.writable = true;
    return pa;
  }

  private addressError(va: number, access: Access): number {
    this.cpu.raiseAddressError(va, access === ACCESS.store);
    return FAULT;
  }

  private translateMapped(va: number, access: Access): number {
    const { cpu } = this;
    let index = cpu.tlb.probe(va, cpu.asid);
    if (index < 0 && this.walk(va)) index = cpu.tlb.probe(va, cpu.asid);
    if (index < 0) {
      cpu.raiseTlb(access === ACCESS.store ? EXC_CODE.TLBS : EXC_CODE.TLBL, va, true);
      return FAULT;
    }
    const lo = cpu.tlb.entryLo(index, va);
    if ((lo & ENTRY_LO.V) === 0) {
      cpu.raiseTlb(access === ACCESS.store ? EXC_CODE.TLBS : EXC_CODE.TLBL, va, false);
      return FAULT;
    }
    this.readable = true;
    if (cpu.model.rixi && this.inhibited(lo, va, access)) return FAULT;
    this.writable = (lo & ENTRY_LO.D) !== 0;
    if (access === ACCESS.store && !this.writable) {
      cpu.raiseTlb(EXC_CODE.Mod, va, false);
      return FAULT;
    }
    cpu.tlb.markUsed(index, access === ACCESS.fetch);
    return cpu.tlb.physicalAddress(index, va, this.largeAddresses);
  }

  private get largeAddresses(): boolean {
    return this.cpu.model.xpa && (this.cpu.cp0[CP0.PageGrain]! & PAGE_GRAIN.ELPA) !== 0;
  }

  /** Applies RI and XI (PRA, EntryLo and PageGrain); raises and returns true if they forbid the access. */
  private inhibited(lo: number, va: number, access: Access): boolean {
    const { cpu } = this;
    const grain = cpu.cp0[CP0.PageGrain]!;
    const readInhibit = (lo & ENTRY_LO.RI) !== 0 && (grain & PAGE_GRAIN.RIE) !== 0;
    const executeInhibit = (lo & ENTRY_LO.XI) !== 0 && (grain & PAGE_GRAIN.XIE) !== 0;
    const separate = (grain & PAGE_GRAIN.IEC) !== 0;
    this.readable = !readInhibit;
    if (access === ACCESS.fetch && executeInhibit) {
      cpu.raiseTlb(separate ? EXC_CODE.TLBXI : EXC_CODE.TLBL, va, false);
      return true;
    }
    if (access === ACCESS.load && readInhibit) {
      cpu.raiseTlb(separate ? EXC_CODE.TLBRI : EXC_CODE.TLBL, va, false);
      return true;
    }
    return false;
  }

  /** Physical address of `va` in `mode` and `asid` if a load could go there now, else -1. Raises nothing. */
  peek(va: number, mode: Mode, asid: number): number {
    va >>>= 0;
    const where = this.cpu.segments.resolve(va, mode);
    if (where !== MAPPED) return where === NO_ACCESS ? -1 : where;
    const { tlb } = this.cpu;
    const index = tlb.probe(va, asid);
    if (index < 0 || (tlb.entryLo(index, va) & ENTRY_LO.V) === 0) return -1;
    return tlb.physicalAddress(index, va, this.largeAddresses);
  }

  /**
   * Physical address of `va` for an access that nothing keeps from being made at once, or -1. Raises nothing and
   * fills nothing; sets `readable` and `writable` as `translate` does where nobody looks.
   */
  lookUp(va: number, access: Access, size: number, mode: Mode): number {
    va >>>= 0;
    if ((va & (size - 1)) !== 0 || this.watch?.isWatched(va, access) === true) return -1;
    const { cpu } = this;
    const where = cpu.segments.resolve(va, mode);
    if (where >= 0) return this.unmapped(where);
    if (where !== MAPPED) return -1;
    const index = cpu.tlb.probe(va, cpu.asid);
    if (index < 0) return -1;
    const lo = cpu.tlb.entryLo(index, va);
    if ((lo & ENTRY_LO.V) === 0) return -1;
    this.writable = (lo & ENTRY_LO.D) !== 0;
    const inhibit = cpu.model.rixi && (cpu.cp0[CP0.PageGrain]! & PAGE_GRAIN.RIE) !== 0;
    this.readable = !inhibit || (lo & ENTRY_LO.RI) === 0;
    const allowed = access === ACCESS.store ? this.writable : this.readable;
    if (!allowed) return -1;
    cpu.tlb.markUsed(index, access === ACCESS.fetch);
    return cpu.tlb.physicalAddress(index, va, this.largeAddresses);
  }

  /** The word at physical address `pa`, of RAM or of a device. */
  readWord(pa: number): number {
    const offset = this.ramOffset(pa);
    return (offset < 0 ? this.bus.read(pa, 4) : this.memory.read32(offset)) | 0;
  }

  /** Writes the word at physical address `pa`. Decoded code is not told. */
  writeWord(pa: number, value: number): void {
    const offset = this.ramOffset(pa);
    if (offset < 0) this.writeDevice(pa, 4, value);
    else this.memory.write32(offset, value);
  }

  /** Reads a device register at `pa` and leaves the value where a load at the returned offset finds it. */
  readDevice(pa: number, size: 1 | 2 | 4): number {
    this.memory.u32[STATE.mmioData >>> 2] = this.bus.read(pa, size);
    return STATE.mmioData;
  }

  writeDevice(pa: number, size: 1 | 2 | 4, value: number): void {
    this.bus.write(pa, size, size === 4 ? value >>> 0 : value & ((1 << (size * 8)) - 1));
  }
}
