import type { Memory } from "../machine/memory.ts";
import { fromKseg0, toKseg0, type Hpa } from "./addresses.ts";

/** Host CPUs that an address space keeps a context word for. The machine has one. */
export const MAX_HOST_CPUS = 1;

/** An address space (mm) in host RAM, as byte offsets: the root of its page table, then a context word per CPU. */
export const MM = {
  /** kseg0 address of the pgd. */
  pgd: 0,
  /** Version | ASID, one word per host CPU; 0 matches no version. */
  context: 4,
  bytes: (cpus: number): number => 4 + 4 * cpus,
} as const;

/** Whatever has a context word for each host CPU. */
export interface AsidHolder {
  context(cpu?: number): number;
}

/** A view of an address space structure: one of a guest mode, or of a host process. */
export class HostMm implements AsidHolder {
  readonly hpa: Hpa;
  private readonly memory: Memory;

  constructor(memory: Memory, hpa: Hpa) {
    this.memory = memory;
    this.hpa = hpa;
  }

  /** Host physical address of the pgd. */
  get pgd(): Hpa {
    return fromKseg0(this.memory.read32(this.hpa + MM.pgd));
  }
  set pgd(hpa: Hpa) {
    this.memory.write32(this.hpa + MM.pgd, toKseg0(hpa));
  }

  /** The context word (version | ASID) for host CPU `cpu`, unsigned; 0 if it has none. */
  context(cpu = 0): number {
    return this.memory.read32(this.hpa + MM.context + 4 * cpu);
  }
  setContext(value: number, cpu = 0): void {
    this.memory.write32(this.hpa + MM.context + 4 * cpu, value);
  }

  /** Takes the context away on every host CPU: the next use there draws a new ASID. */
  dropContexts(): void {
    for (let cpu = 0; cpu < MAX_HOST_CPUS; cpu++) this.setContext(0, cpu);
  }
}
