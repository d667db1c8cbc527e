import type { MachineDebug } from "../machine/debug.ts";
import type { Memory } from "../machine/memory.ts";
import { PAGE_SIZE, RECORD, TRANSLATED_FLAG } from "../machine/state-layout.ts";
import { PSEUDO } from "./operations.ts";

/**
 * Records of instructions at which execution may have to stop: their operation is another one, which asks the debugger.
 *
 * Decoded code belongs to RAM, breakpoints are at virtual addresses. So a page's records are marked when it is found at
 * the address of a page with breakpoints, and stay so: what is executed at another address as well, asks and goes on.
 */
export class BreakpointRecords {
  private readonly memory: Memory;
  private readonly debug: MachineDebug;
  private readonly onMarked: (records: number) => void;
  /** By marked record, the operation that it stands for. */
  private readonly operations = new Map<number, number>();

  /** `onMarked` is called with the page of records that have just been marked. */
  constructor(memory: Memory, debug: MachineDebug, onMarked: (records: number) => void) {
    this.memory = memory;
    this.debug = debug;
    this.onMarked = onMarked;
  }

  /** The code page at `records` is executed, or will be, at the page of virtual address `va`. */
  mark(va: number, records: number): void {
    if (!this.debug.hasBreakpoints) return;
    let marked = false;
    for (const address of this.debug.breakpointsOn(va)) {
      const record = records + ((address & (PAGE_SIZE - 1)) >>> 2) * RECORD.bytes;
      if (this.operations.has(record)) continue;
      marked = true;
      this.operations.set(record, this.read(record));
      this.decoded(record);
    }
    if (marked) this.onMarked(records);
  }

  /** The record has been written. */
  decoded(record: number): void {
    if (!this.operations.has(record)) return;
    const operation = this.read(record);
    this.operations.set(record, operation);
    // What has yet to be decoded comes here again.
    if (operation !== PSEUDO.decode) this.write(record, PSEUDO.breakpoint);
  }

  isMarked(record: number): boolean {
    return this.operations.has(record);
  }

  /** The operation that a marked record stands for. */
  operationOf(record: number): number {
    return this.operations.get(record)!;
  }

  /** Makes all records what they would be without breakpoints. */
  unmark(): void {
    for (const [record, operation] of this.operations)
      if (this.read(record) === PSEUDO.breakpoint) this.write(record, operation);
    this.operations.clear();
  }

  private read(record: number): number {
    const { u8 } = this.memory;
    return (u8[record + RECORD.op]! | (u8[record + RECORD.op + 1]! << 8)) & (TRANSLATED_FLAG - 1);
  }

  private write(record: number, operation: number): void {
    const { u8 } = this.memory;
    u8[record + RECORD.op] = operation;
    u8[record + RECORD.op + 1] = operation >> 8;
  }
}
