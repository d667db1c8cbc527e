import { CAUSE, CP0, EBASE, ENTRY_HI, ENTRY_LO, FTLB, INDEX, PAGE_GRAIN, PW } from "../isa/cp0.ts";
import { FTLB_PAGES } from "./cpu-models.ts";
import type { Cpu } from "./cpu.ts";
import { randomIndex } from "./tlb.ts";

/** RI and XI of EntryLo, at the places of PageGrain's RIE and XIE. */
const ENTRY_LO_INHIBIT = ENTRY_LO.RI | ENTRY_LO.XI;

/** Smallest index field of PWField: pages are at least 4 KiB. */
const PW_MIN_INDEX = 12;

/**
 * PWField after a write of `value`: an index below 12 drops the write as a whole, a PTEI that leaves no room for
 * RI and XI below it, or is beyond a word, keeps the old one.
 */
function pwField(old: number, value: number): number {
  const field = (shift: number): number => (value >>> shift) & PW.FIELD;
  for (const shift of [PW.GD_SHIFT, PW.UD_SHIFT, PW.MD_SHIFT, PW.PT_SHIFT])
    if (field(shift) < PW_MIN_INDEX) return old;
  const pte = field(PW.PTE_SHIFT);
  return pte < 2 || pte > 31 ? (value & ~PW.FIELD) | (old & PW.FIELD) : value;
}

/** What reads and writes of CP0 registers do, apart from whether they are allowed (MIPS32 PRA, "Coprocessor 0 Registers"). */
export class Cp0Access {
  /** The CPU that executes. */
  cpu: Cpu;

  constructor(cpu: Cpu) {
    this.cpu = cpu;
  }

  /** Value of CP0 register `index` as MFC0 reads it. */
  readCp0(index: number): number {
    const { cpu } = this;
    const spec = cpu.cp0SpecAt[index]!;
    if (spec === null) return 0;
    if (spec.readsPlainly) return cpu.cp0[index]!;
    if (index === CP0.Count) return cpu.clock.count() | 0;
    if (index === CP0.Random) return this.random();
    if (index === CP0.LLAddr && cpu.model.llb) return cpu.cp0[index]! | (cpu.llBit ? 1 : 0);
    return cpu.cp0[index]!;
  }

  private random(): number {
    const { cpu } = this;
    return randomIndex(cpu.tlb.vtlbEntries, cpu.cp0[CP0.Wired]! >>> 0, cpu.retiredSinceWired);
  }

  /** Upper half of CP0 register `index` as MFHC0 reads it. */
  readCp0High(index: number): number {
    return this.highWritable(index) === null ? 0 : this.cpu.cp0High[index]!;
  }

  /** Writes the upper half of CP0 register `index` as MTHC0 does. */
  writeCp0High(index: number, value: number): void {
    const writable = this.highWritable(index);
    if (writable === null) return;
    const { cp0High } = this.cpu;
    cp0High[index] = (cp0High[index]! & ~writable) | (value & writable);
  }

  /** Bits of an upper half that can be written, null if it cannot be reached: EntryLo's only with PageGrain.ELPA. */
  private highWritable(index: number): number | null {
    const { cpu } = this;
    const isEntryLo = index === CP0.EntryLo0 || index === CP0.EntryLo1;
    if (isEntryLo && (cpu.cp0[CP0.PageGrain]! & PAGE_GRAIN.ELPA) === 0) return null;
    return cpu.cp0SpecAt[index]?.high ?? null;
  }

  /** Writes CP0 register `index` as MTC0 does. EntryLo's upper half becomes 0. Returns true if the next instruction must be fetched anew. */
  writeCp0(index: number, value: number): boolean {
    const { cpu } = this;
    const spec = cpu.cp0SpecAt[index]!;
    if (spec === null) return false;
    const old = cpu.cp0[index]!;
    const merged = (old & ~spec.writable) | (value & spec.writable);
    if (spec.writesPlainly) {
      cpu.cp0[index] = merged;
      return false;
    }
    switch (index) {
      case CP0.Index:
        // The probe failure bit is writable only by TLBP; software clears it by writing an index.
        cpu.cp0[index] = (old & INDEX.P) | merged;
        return false;
      case CP0.Count:
        cpu.clock.setCount(value);
        return false;
      case CP0.Wired:
        cpu.cp0[index] = merged;
        cpu.restartRandom();
        return false;
      case CP0.Compare:
        cpu.cp0[index] = value;
        cpu.setTimerInterrupt(false);
        cpu.clock.rearm();
        return false;
      case CP0.Status:
        cpu.cp0[index] = merged;
        cpu.modeMayHaveChanged();
        cpu.updateInterrupts();
        return true;
      case CP0.Cause:
        cpu.cp0[index] = merged;
        if (((old ^ merged) & CAUSE.DC) !== 0) cpu.clock.rearm();
        cpu.updateInterrupts();
        return false;
      case CP0.EntryHi:
        cpu.cp0[index] = merged;
        if (((old ^ merged) & ENTRY_HI.ASID) === 0) return false;
        cpu.asidChanged();
        return true;
      case CP0.EntryLo0:
      case CP0.EntryLo1: {
        // RI and XI are there only while PageGrain enables them.
        const disabled = ENTRY_LO_INHIBIT & ~cpu.cp0[CP0.PageGrain]!;
        cpu.cp0[index] = merged & ~disabled;
        cpu.cp0High[index] = 0;
        return false;
      }
      case CP0.PageGrain:
        cpu.cp0[index] = merged;
        // Whether RI counts, and which address an entry means, is in what the engine keeps.
        if (old !== merged) cpu.translations.invalidateAll();
        return true;
      case CP0.SegCtl0:
      case CP0.SegCtl1:
      case CP0.SegCtl2:
        cpu.cp0[index] = merged;
        cpu.segmentsChanged();
        return true;
      case CP0.EBase:
        cpu.cp0[index] =
          (value & spec.writable & EBASE.WG) === 0 ? merged : (merged & ~EBASE.BASE) | (value & EBASE.BASE);
        return false;
      case CP0.Config4: {
        // A page size that the FTLB cannot be made to hold leaves the register as it was.
        const pages = (merged & FTLB.C4_PAGE_SIZE) >>> FTLB.C4_PAGE_SIZE_SHIFT;
        if (FTLB_PAGES.every(({ code }) => code !== pages)) return false;
        cpu.cp0[index] = merged;
        cpu.ftlbChanged();
        return true;
      }
      case CP0.Config6:
        cpu.cp0[index] = merged;
        cpu.ftlbChanged();
        return true;
      case CP0.PWField:
        cpu.cp0[index] = pwField(old, merged);
        return false;
      case CP0.LLAddr:
        // Where ERET leaves the link alone, this is how a kernel ends it.
        if ((cpu.model.llb || cpu.eretKeepsLink) && (value & 1) === 0) cpu.clearLlBit();
        return false;
      default:
        throw new Error(`CP0 register ${index} does nothing special`);
    }
  }
}
