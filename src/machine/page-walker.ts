import { CP0, ENTRY_HI, PW } from "../isa/cp0.ts";
import type { Memory } from "./memory.ts";
import type { Mmu } from "./mmu.ts";
import { MODE } from "./modes.ts";
import type { SystemOps } from "./system-ops.ts";
import type { TlbEntry } from "./tlb.ts";

const field = (register: number, shift: number): number => (register >>> shift) & PW.FIELD;

/** The directory levels, outermost first. One whose width (in PWSize) is 0 is left out. */
const DIRECTORIES = [PW.GD_SHIFT, PW.UD_SHIFT, PW.MD_SHIFT] as const;

/** log2 of the bytes of a pointer and of a PTE. */
const WORD_SHIFT = 2;

/**
 * The hardware page walker (MIPS32 PRA, "Hardware Page Table Walker"): on a TLB miss it reads the page table
 * that PWBase, PWField and PWSize describe and writes the pair of PTEs to the TLB, as the refill handler's TLBWR
 * would. Whatever stops it leaves the miss to the handler. It reads tables of 32-bit pointers and PTEs; huge
 * pages and PTEs of two words (PWSize.PTEW = 1) stop it.
 */
export class PageWalker {
  private readonly mmu: Mmu;
  private readonly memory: Memory;
  private readonly ops: SystemOps;
  /** TLB entries written since reset. */
  refills = 0;

  constructor(mmu: Mmu, memory: Memory, ops: SystemOps) {
    this.mmu = mmu;
    this.memory = memory;
    this.ops = ops;
  }

  /** Tries to write a TLB entry for `va`; true if it did. CP0 is as before. */
  walk(va: number): boolean {
    const entry = this.find(va);
    const written = entry !== null && this.ops.fillTlb(entry);
    if (written) this.refills++;
    return written;
  }

  /** The entry that the page table has for `va`; null if something stops the walk. */
  find(va: number): TlbEntry | null {
    const { cp0 } = this.mmu.cpu;
    if ((cp0[CP0.PWCtl]! & PW.CTL_EN) === 0) return null;
    const fields = cp0[CP0.PWField]!;
    const sizes = cp0[CP0.PWSize]!;
    let levels = 0;
    let table: number | null = cp0[CP0.PWBase]! >>> 0;
    for (const level of DIRECTORIES) {
      const width = field(sizes, level);
      if (width === 0) continue;
      levels++;
      table = this.read(table + indexOf(va, field(fields, level), width) * 4);
      if (table === null) return null;
    }
    if (levels === 0 || field(sizes, PW.PTE_SHIFT) !== 0) return null;
    const pageShift = field(fields, PW.PT_SHIFT);
    const pair = indexOf(va, pageShift, field(sizes, PW.PT_SHIFT)) & ~1;
    const even = this.read(table + (pair << WORD_SHIFT));
    const odd = even === null ? null : this.read(table + ((pair + 1) << WORD_SHIFT));
    if (even === null || odd === null) return null;
    const shift = field(fields, PW.PTE_SHIFT);
    return {
      entryHi: (va & ENTRY_HI.VPN2) | this.mmu.cpu.asid,
      pageMask: 2 ** (pageShift + 1) - 0x2000,
      entryLo0: entryLoOf(even, shift),
      entryLo1: entryLoOf(odd, shift),
    };
  }

  /** The word at `address` of the kernel's unmapped space, or null if it is not RAM there. */
  private read(address: number): number | null {
    const pa = this.mmu.cpu.segments.resolve(address >>> 0, MODE.kernel);
    const offset = pa < 0 || pa % 4 !== 0 ? -1 : this.mmu.ramOffset(pa);
    return offset < 0 ? null : this.memory.read32(offset);
  }
}

/** Index into a table of 2 ** `width` entries, from the address bits at `shift`. */
function indexOf(va: number, shift: number, width: number): number {
  return Math.floor((va >>> 0) / 2 ** shift) % 2 ** width;
}

/** The software bits below RI and XI are shifted out; then those two go to the top of the word. */
function entryLoOf(pte: number, shift: number): number {
  const hardware = pte >>> (shift - 2);
  return (hardware >>> 2) | (hardware << 30);
}
