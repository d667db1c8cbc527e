import type { Memory } from "../machine/memory.ts";
import { fromKseg0, toKseg0, type Hpa } from "./addresses.ts";

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
  /** The context word (version | ASID) for host CPU `cpu`, unsigned; 0 if it has none. */
  context(cpu: number): number;
  setContext(value: number, cpu: number): void;
}

/** A view of an address space structure: one of a guest mode, or of a host process. */
export class HostMm implements AsidHolder {
  readonly hpa: Hpa;
  /** Host CPUs that it has a context word for. */
  readonly cpus: number;
  private readonly words: Int32Array;

  constructor(memory: Memory, hpa: Hpa, cpus = 1) {
    this.hpa = hpa;
    this.cpus = cpus;
    this.words = new Int32Array(memory.wasm.buffer, memory.plan.ram + hpa, MM.bytes(cpus) / 4);
  }

  /** Host physical address of the pgd. */
  get pgd(): Hpa {
    return fromKseg0(this.words[MM.pgd / 4]!);
  }
  set pgd(hpa: Hpa) {
    this.words[MM.pgd / 4] = toKseg0(hpa);
  }

  context(cpu: number): number {
    return this.words[MM.context / 4 + cpu]! >>> 0;
  }
  setContext(value: number, cpu: number): void {
    this.words[MM.context / 4 + cpu] = value;
  }

  /** Takes the context away on every host CPU: the next use there draws a new ASID. */
  dropContexts(): void {
    for (let cpu = 0; cpu < this.cpus; cpu++) this.setContext(0, cpu);
  }
}
