import { decoderFor, type Decoder } from "../../isa/decode.ts";
import type { Machine } from "../../machine/machine.ts";
import {
  CODE_PAGE,
  PAGE_SHIFT,
  RECORD,
  RECORDS_PER_PAGE,
  TRANSLATED_FLAG,
} from "../../machine/state-layout.ts";
import { PSEUDO } from "../operations.ts";
import { findBlocks } from "./blocks.ts";
import { TRANSLATED_EXPORT, translatePage } from "./translate-page.ts";

/** When pages are translated. A sample is one look at PC, at the end of a budget. */
export interface TranslationPolicy {
  /** Samples of a page before it is translated. */
  readonly hot: number;
  /** Samples of a translated page before it is looked at again for code that was reached since. */
  readonly revisit: number;
  /** So many newly reached instructions make it worth translating again. */
  readonly newCode: number;
  /** A page whose code was written to this often is left to the interpreter: it holds data too. */
  readonly mostWrites: number;
}

/** What serves a booting Linux. */
export const DEFAULT_POLICY: TranslationPolicy = { hot: 4, revisit: 16, newCode: 8, mostWrites: 8 };

/** What is known of a code page. */
interface PageState {
  samples: number;
  translated: boolean;
  /** Records that had been executed when it was translated. */
  executed: number;
  writes: number;
}

/**
 * Decides which code pages to translate, and owns the translations. A page is found to be hot by samples of PC;
 * its records are then flagged where blocks start, which leads the interpreter to the function in the table.
 */
export class TranslatedPages {
  readonly table: WebAssembly.Table;
  private readonly machine: Machine;
  private readonly pages: (PageState | undefined)[] = [];
  private readonly memoryPages: number;
  private readonly decode: Decoder;
  private readonly policy: TranslationPolicy;
  /** Translations made so far, of the same page again too. */
  translations = 0;

  constructor(machine: Machine, policy: TranslationPolicy) {
    this.machine = machine;
    this.policy = policy;
    const { plan } = machine.memory;
    this.memoryPages = plan.totalBytes / 65536;
    this.decode = decoderFor(machine.cpu.model.isa);
    this.table = new WebAssembly.Table({ element: "anyfunc", initial: plan.codePageCount });
  }

  /** PC was seen in code page `index`, whose records are at `records`, decoded from RAM page `ramPage`. */
  sample(index: number, records: number, ramPage: number): void {
    const page = (this.pages[index] ??= { samples: 0, translated: false, executed: 0, writes: 0 });
    const { hot, revisit, newCode, mostWrites } = this.policy;
    page.samples++;
    if (page.samples < (page.translated ? revisit : hot) || page.writes >= mostWrites) return;
    page.samples = 0;
    const executed = this.countExecuted(records);
    if (page.translated && executed < page.executed + newCode) return;
    this.translate(index, records, ramPage);
    page.translated = true;
    page.executed = executed;
  }

  /** Code in code page `index` was written to. */
  written(index: number, records: number): void {
    const page = this.pages[index];
    if (page === undefined || !page.translated) return;
    this.clearFlags(records);
    this.table.set(index, null);
    page.translated = false;
    page.samples = 0;
    page.writes++;
  }

  /** All code pages were dropped. */
  clear(): void {
    for (const index of this.pages.keys()) this.table.set(index, null);
    this.pages.length = 0;
  }

  private clearFlags(records: number): void {
    const { u8 } = this.machine.memory;
    const end = records + RECORDS_PER_PAGE * RECORD.bytes;
    for (let high = records + RECORD.op + 1; high < end; high += RECORD.bytes)
      u8[high] = u8[high]! & ~(TRANSLATED_FLAG >>> 8);
  }

  private opOf(record: number): number {
    const { u8 } = this.machine.memory;
    return (u8[record + RECORD.op]! | (u8[record + RECORD.op + 1]! << 8)) & (TRANSLATED_FLAG - 1);
  }

  private isExecuted(records: number, offset: number): boolean {
    return this.opOf(records + (offset >>> 2) * RECORD.bytes) > PSEUDO.reserved;
  }

  private countExecuted(records: number): number {
    let count = 0;
    for (let offset = 0; offset < RECORDS_PER_PAGE * 4; offset += 4)
      if (this.isExecuted(records, offset)) count++;
    return count;
  }

  private translate(index: number, records: number, ramPage: number): void {
    const { memory } = this.machine;
    const start = ramPage << PAGE_SHIFT;
    const blocks = findBlocks(
      this.decode,
      (offset) => memory.read32(start + offset) | 0,
      (offset) => this.isExecuted(records, offset),
    );
    if (blocks.size === 0) return;
    this.translations++;
    const bytes = translatePage([...blocks.values()], memory.endian, this.memoryPages);
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      env: { memory: memory.wasm },
    });
    this.table.set(index, instance.exports[TRANSLATED_EXPORT]);
    memory.i32[(records + CODE_PAGE.functionIndex) >>> 2] = index;
    // An earlier translation may have had blocks where there are none now.
    this.clearFlags(records);
    let number = 0;
    for (const offset of blocks.keys()) {
      const at = records + CODE_PAGE.blockIndexes + (offset >>> 2) * 2;
      memory.u8[at] = number;
      memory.u8[at + 1] = number >> 8;
      number++;
      const op = records + (offset >>> 2) * RECORD.bytes + RECORD.op + 1;
      memory.u8[op] = memory.u8[op]! | (TRANSLATED_FLAG >>> 8);
    }
  }
}
