import type { Cpu } from "../machine/cpu.ts";
import type { TranslationCache } from "../machine/cpu-contracts.ts";
import type { Memory } from "../machine/memory.ts";
import { MODE, type Mode } from "../machine/modes.ts";
import {
  BANK_TABLE,
  CODE_BANK_OFFSET,
  CPU_STRIDE,
  EMPTY_BANK,
  PAGE_SHIFT,
  SOFT_TLB,
  SOFT_TLB_BANK_BYTES,
  STATE,
} from "../machine/state-layout.ts";

const NOBODY = -1;
const MODES = Object.keys(MODE).length;
/** Beyond this many pages a bank is emptied instead of searched. */
const FLUSH_PAGES = 64;

/** Empties those of the tags from word `start` on that are of mapped addresses; `shift` gives the size of an entry. */
function dropMapped(i32: Int32Array, start: number, end: number, shift: number): void {
  const step = 1 << (shift - 2);
  for (let at = start; at < end; at += step) if (i32[at]! >>> 30 !== 2) i32[at] = SOFT_TLB.emptyTag;
}

/**
 * The soft TLB of a CPU: what generated code looks up before it accesses memory. Each mode and ASID in use has a bank,
 * so changing between them flushes nothing. Entries say what is true of the host TLB and page map; they are
 * dropped when that changes, never checked again.
 */
export class SoftTlb implements TranslationCache {
  private readonly cpu: Cpu;
  private readonly memory: Memory;
  /** Memory offset of the first bank. */
  private readonly banks: number;
  /** Key (mode and ASID) of each bank's owner. */
  private readonly owners: number[] = new Array<number>(SOFT_TLB.banks).fill(NOBODY);
  /** Bank of each mode and ASID, or NOBODY. */
  private readonly bankOf = new Int8Array(MODES << 8).fill(NOBODY);
  /** The same for generated code: the bank's place, or 0. */
  private readonly bankTable: Int32Array;
  private nextVictim = 0;

  /** Whether kseg0 and kseg1 are where they always were, unmapped, whatever the ASID. */
  private readonly fixedSegments: boolean;
  /** The bank in which the kernel ran last. */
  private kernelBank = NOBODY;

  constructor(cpu: Cpu) {
    this.cpu = cpu;
    this.memory = cpu.memory;
    this.banks = SOFT_TLB.base + cpu.number * CPU_STRIDE;
    this.fixedSegments = !cpu.model.segmentControl;
    const table = (BANK_TABLE.base + cpu.number * CPU_STRIDE) >>> 2;
    this.bankTable = cpu.memory.i32.subarray(table, table + BANK_TABLE.words);
    for (let bank = 0; bank <= SOFT_TLB.banks; bank++) this.empty(bank);
  }

  private base(bank: number): number {
    return this.banks + bank * SOFT_TLB_BANK_BYTES;
  }

  private empty(bank: number): void {
    const start = this.base(bank) >>> 2;
    this.memory.i32.fill(SOFT_TLB.emptyTag, start, start + (SOFT_TLB_BANK_BYTES >>> 2));
  }

  contextChanged(mode: Mode, asid: number, userAccess: boolean): void {
    const bank = this.bankFor((mode << 8) | asid, NOBODY);
    if (mode === MODE.kernel) this.kernelBank = bank;
    const base = this.base(bank);
    this.cpu.state[STATE.dataBank >>> 2] = base;
    this.cpu.state[STATE.codeBank >>> 2] = base + CODE_BANK_OFFSET;
    // A user-access instruction that may not be executed finds nothing, and the slow path raises.
    const userBase = userAccess ? this.base(this.bankFor((MODE.user << 8) | asid, bank)) : EMPTY_BANK;
    this.cpu.state[STATE.userBank >>> 2] = userBase;
  }

  /** The bank of a mode and ASID; if it has none it takes another's, but not that of bank `keep`. */
  private bankFor(key: number, keep: number): number {
    let bank = this.bankOf[key]!;
    if (bank !== NOBODY) return bank;
    if (this.nextVictim === keep) this.nextVictim = (keep + 1) % SOFT_TLB.banks;
    bank = this.nextVictim;
    this.nextVictim = (bank + 1) % SOFT_TLB.banks;
    const owner = this.owners[bank]!;
    if (owner !== NOBODY) {
      this.bankOf[owner] = NOBODY;
      this.bankTable[owner] = 0;
    }
    this.owners[bank] = key;
    this.bankOf[key] = bank;
    this.bankTable[key] = this.base(bank);
    const inherits = this.fixedSegments && key >>> 8 === MODE.kernel && this.kernelBank !== NOBODY;
    if (inherits) this.inherit(this.kernelBank, bank);
    else this.empty(bank);
    if (bank === this.kernelBank) this.kernelBank = NOBODY;
    return bank;
  }

  /**
   * Fills bank `to` with what bank `from`, the kernel's in another ASID, has of kseg0 and kseg1: a kernel would
   * otherwise start with nothing in each new process.
   */
  private inherit(from: number, to: number): void {
    const { i32 } = this.memory;
    const { readTag, writeTag, codeTag, dataEntryShift, codeEntryShift } = SOFT_TLB;
    const source = this.base(from) >>> 2;
    const target = this.base(to) >>> 2;
    i32.copyWithin(target, source, source + (SOFT_TLB_BANK_BYTES >>> 2));
    const code = target + (CODE_BANK_OFFSET >>> 2);
    const end = target + (SOFT_TLB_BANK_BYTES >>> 2);
    dropMapped(i32, target + (readTag >>> 2), code, dataEntryShift);
    dropMapped(i32, target + (writeTag >>> 2), code, dataEntryShift);
    dropMapped(i32, code + (codeTag >>> 2), end, codeEntryShift);
  }

  invalidateAll(): void {
    this.cpu.state[STATE.stale >>> 2] = 1;
    for (let bank = 0; bank < SOFT_TLB.banks; bank++) this.empty(bank);
  }

  invalidate(va: number, bytes: number, asid: number): void {
    this.cpu.state[STATE.stale >>> 2] = 1;
    if (asid < 0) for (let bank = 0; bank < SOFT_TLB.banks; bank++) this.invalidateIn(bank, va, bytes);
    else
      for (let mode = 0; mode < MODES; mode++) {
        const bank = this.bankOf[(mode << 8) | asid]!;
        if (bank !== NOBODY) this.invalidateIn(bank, va, bytes);
      }
  }

  private invalidateIn(bank: number, va: number, bytes: number): void {
    if (this.owners[bank] === NOBODY) return;
    if (bytes >>> PAGE_SHIFT > FLUSH_PAGES) this.empty(bank);
    else for (let page = va; page < va + bytes; page += 1 << PAGE_SHIFT) this.dropPage(this.base(bank), page);
  }

  private dropPage(base: number, page: number): void {
    const { i32 } = this.memory;
    page |= 0;
    const data = this.dataEntry(base, page) >>> 2;
    if (i32[data + (SOFT_TLB.readTag >>> 2)] === page || i32[data + (SOFT_TLB.writeTag >>> 2)] === page) {
      i32[data + (SOFT_TLB.readTag >>> 2)] = SOFT_TLB.emptyTag;
      i32[data + (SOFT_TLB.writeTag >>> 2)] = SOFT_TLB.emptyTag;
    }
    const code = this.codeEntry(base + CODE_BANK_OFFSET, page) >>> 2;
    if (i32[code] === page) i32[code] = SOFT_TLB.emptyTag;
  }

  private dataEntry(bankBase: number, va: number): number {
    return bankBase + (((va >>> PAGE_SHIFT) & (SOFT_TLB.dataEntries - 1)) << SOFT_TLB.dataEntryShift);
  }
  private codeEntry(bankBase: number, va: number): number {
    return bankBase + (((va >>> PAGE_SHIFT) & (SOFT_TLB.codeEntries - 1)) << SOFT_TLB.codeEntryShift);
  }

  /**
   * Enters the page of `va`, which lies at memory offset `offset` (both of the same byte in the page), into the
   * current data bank, or with `user` into that of user-access instructions.
   */
  fillData(va: number, offset: number, readable: boolean, writable: boolean, user: boolean): void {
    const { i32 } = this.memory;
    const bank = this.cpu.state[(user ? STATE.userBank : STATE.dataBank) >>> 2]!;
    const at = this.dataEntry(bank, va) >>> 2;
    const page = va & -(1 << PAGE_SHIFT);
    i32[at + (SOFT_TLB.readTag >>> 2)] = readable ? page : SOFT_TLB.emptyTag;
    i32[at + (SOFT_TLB.writeTag >>> 2)] = writable ? page : SOFT_TLB.emptyTag;
    i32[at + (SOFT_TLB.addend >>> 2)] = offset - va;
  }

  /** Enters the decoded code page at memory offset `records` for the page of `va`. */
  fillCode(va: number, records: number): void {
    const { i32 } = this.memory;
    const at = this.codeEntry(this.cpu.state[STATE.codeBank >>> 2]!, va) >>> 2;
    i32[at + (SOFT_TLB.codeTag >>> 2)] = va & -(1 << PAGE_SHIFT);
    i32[at + (SOFT_TLB.codeRecords >>> 2)] = records;
  }

  /** Stores to the RAM page at memory offset `pageOffset` must be seen from now on. */
  protectPage(pageOffset: number): void {
    const { i32 } = this.memory;
    const { dataEntries, emptyTag } = SOFT_TLB;
    const step = 1 << (SOFT_TLB.dataEntryShift - 2);
    const tagAt = SOFT_TLB.writeTag >>> 2;
    const addendAt = SOFT_TLB.addend >>> 2;
    for (let bank = 0; bank < SOFT_TLB.banks; bank++) {
      if (this.owners[bank] === NOBODY) continue;
      const start = this.base(bank) >>> 2;
      for (let at = start; at < start + dataEntries * step; at += step) {
        const tag = i32[at + tagAt]!;
        if (tag !== emptyTag && ((tag + i32[at + addendAt]!) | 0) === (pageOffset | 0))
          i32[at + tagAt] = emptyTag;
      }
    }
  }

  /** Forgets all decoded code pages. */
  dropCode(): void {
    for (let bank = 0; bank < SOFT_TLB.banks; bank++) {
      const start = (this.base(bank) + CODE_BANK_OFFSET) >>> 2;
      const words = SOFT_TLB.codeEntries << (SOFT_TLB.codeEntryShift - 2);
      this.memory.i32.fill(SOFT_TLB.emptyTag, start, start + words);
    }
  }
}
