import { LL_ADDR_SHIFT } from "../isa/cp0.ts";
import type { Cpu } from "./cpu.ts";
import { PAGE_SHIFT } from "./state-layout.ts";

/**
 * The LL links of CPUs that stand still: a store of another CPU to the linked line ends them (MIPS32 instruction set,
 * LL and SC). The engine must ask for each store to their pages.
 */
export class ParkedLinks {
  /** The CPUs that have a link, and the line in RAM that it is to. */
  private readonly lines = new Map<Cpu, number>();

  /** The link of a CPU that is being parked, to the word at RAM offset `offset`. */
  add(cpu: Cpu, offset: number): void {
    this.lines.set(cpu, offset >>> LL_ADDR_SHIFT);
  }

  /** The CPU executes again. */
  remove(cpu: Cpu): void {
    this.lines.delete(cpu);
  }

  /** No CPU that stands still has a link. */
  clear(): void {
    this.lines.clear();
  }

  /** The pages with linked lines, by number. */
  get pages(): readonly number[] {
    return Array.from(this.lines.values(), (line) => line >>> (PAGE_SHIFT - LL_ADDR_SHIFT));
  }

  /** True if there is a linked line in the page of RAM offset `offset`. */
  isNear(offset: number): boolean {
    return this.lines.size !== 0 && this.pages.includes(offset >>> PAGE_SHIFT);
  }

  /** `length` bytes of RAM from `offset` were stored to. */
  stored(offset: number, length: number): void {
    for (const [cpu, line] of this.lines) {
      if (line < offset >>> LL_ADDR_SHIFT || line > (offset + length - 1) >>> LL_ADDR_SHIFT) continue;
      cpu.clearLlBit();
      this.lines.delete(cpu);
    }
  }
}
