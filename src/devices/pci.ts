import { list, record, u8, type Field } from "../state/fields.ts";
import { Stateful } from "./state.ts";

/** A field of a configuration space: `value` of `size` bytes at `offset`. */
type ConfigField = readonly [offset: number, size: 1 | 2 | 4, value: number];

export interface PciFunctionConfig {
  readonly name: string;
  /** Bytes that are not zero after reset. */
  readonly fields: readonly ConfigField[];
  /** Bits that can be written; all others keep their value. */
  readonly writable: readonly ConfigField[];
  /** Bits that are cleared by writing a one; default: the error bits of the status register. */
  readonly clearable?: readonly ConfigField[];
  /** Called after a write that touched the doubleword at `offset`. */
  readonly written?: (offset: number) => void;
}

/** Error bits of the status register (PCI 2.1, 6.2.3). */
const STATUS_ERRORS: ConfigField = [6, 2, 0xf900];

function spread(fields: readonly ConfigField[]): number[] {
  const bytes = Array.from({ length: 256 }, () => 0);
  for (const [offset, size, value] of fields)
    for (let i = 0; i < size; i++) bytes[offset + i] = (value >>> (8 * i)) & 0xff;
  return bytes;
}

/** The state of a function. */
interface PciFunctionState {
  bytes: number[];
}

/** One function of a PCI device: 256 bytes of configuration space. */
export class PciFunction extends Stateful<PciFunctionState> {
  readonly name: string;
  private readonly writable: readonly number[];
  private readonly clearable: readonly number[];
  private readonly written: (offset: number) => void;

  constructor(config: PciFunctionConfig) {
    super({ bytes: spread(config.fields) });
    this.name = config.name;
    this.writable = spread(config.writable);
    this.clearable = spread(config.clearable ?? [STATUS_ERRORS]);
    this.written = config.written ?? ((): void => {});
  }

  byte(offset: number): number {
    return this.state.bytes[offset & 0xff]!;
  }

  /** The doubleword at `offset`, which is a multiple of four. */
  read32(offset: number): number {
    let value = 0;
    for (let i = 0; i < 4; i++) value |= this.byte(offset + i) << (8 * i);
    return value >>> 0;
  }

  /** Writes the bytes of `value` that `enables` names (bit 0: lowest byte) at `offset`, a multiple of four. */
  write32(offset: number, value: number, enables = 0xf): void {
    for (let i = 0; i < 4; i++) {
      if ((enables & (1 << i)) === 0) continue;
      const at = (offset + i) & 0xff;
      const byte = (value >>> (8 * i)) & 0xff;
      const writable = this.writable[at]!;
      this.state.bytes[at] =
        ((this.byte(at) & ~writable) | (byte & writable)) & ~(byte & this.clearable[at]!);
    }
    this.written(offset);
  }
}

/** What a bus keeps of its functions, in order of addition. */
export type PciState = readonly PciFunctionState[];

/** How the state of a bus with so many functions is kept. */
export const pciState = (functions: number): Field<PciState> =>
  list(record<PciFunctionState>({ bytes: list(u8, 256) }), functions);

/** A PCI bus: functions by device and function number. Functions that are absent read all ones. */
export class PciBus {
  private readonly functions = new Map<number, PciFunction>();

  add(device: number, fn: number, pciFunction: PciFunction): void {
    this.functions.set((device << 3) | fn, pciFunction);
  }

  find(device: number, fn: number): PciFunction | undefined {
    return this.functions.get((device << 3) | fn);
  }

  /** All functions with their numbers, in order of addition. */
  *entries(): Generator<{ device: number; fn: number; pciFunction: PciFunction }> {
    for (const [key, pciFunction] of this.functions) yield { device: key >> 3, fn: key & 7, pciFunction };
  }

  snapshot(): PciState {
    return Array.from(this.functions.values(), (pciFunction) => pciFunction.snapshot());
  }

  restore(state: PciState): void {
    let n = 0;
    for (const pciFunction of this.functions.values()) pciFunction.restore(state[n++]!);
  }
}
