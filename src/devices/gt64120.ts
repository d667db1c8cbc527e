import type { MmioDevice } from "../machine/bus.ts";
import type { Endian } from "../machine/memory.ts";
import type { InterruptLine } from "../machine/timeline.ts";
import { GT, GT_REGISTERS } from "./gt64120-registers.ts";
import { PciFunction, type PciBus } from "./pci.ts";
import { list, record, u32 } from "../state/fields.ts";
import { Stateful } from "./state.ts";

/** The CPU interface's byte order bit (GT-64120 data sheet, table of register 000h): set means little-endian. */
const CPU_LITTLE = 1 << 12;
/** Master byte swap in the PCI command register (C00h): clear means that configuration data is swapped. */
const MASTER_BYTE_SWAP = 1;
/** Bits of the PCI configuration address (CF8h). */
const CONFIG_ENABLE = 2 ** 31;
const BUS_AND_DEVICE = 0x00ff_f800;
/** A configuration write to device 31, function 7, register 0 is a special cycle. */
const SPECIAL_CYCLE = 0x0000_ff00;
/** Interrupt causes: PCI master abort; bit 0 says that an unmasked cause is set. */
const CAUSE = { masterAbort: 1 << 18, summary: 1, clearable: 0x3fff_fffe } as const;

const REGISTER_SPACE = 0x1000;
const ALL_ONES = { 1: 0xff, 2: 0xffff, 4: 0xffff_ffff } as const;

export interface Gt64120Config {
  readonly endian: Endian;
  /** Physical address of the device's region: offsets count from it. */
  readonly base: number;
  readonly pci: PciBus;
  /** PCI I/O space, by port. */
  readonly pciIo: MmioDevice;
  /** PCI memory space, by PCI address. */
  readonly pciMemory: MmioDevice;
  /** An interrupt-acknowledge cycle on the PCI bus: returns the interrupt controller's vector. */
  readonly acknowledge: () => number;
  /** The chip's own interrupt output. */
  readonly interrupt: InterruptLine;
  /** Register values that firmware wrote before the guest starts. */
  readonly firmware?: readonly (readonly [register: number, value: number])[];
}

/** How its state is kept. */
export const GT_STATE = record<{ registers: number[] }>({ registers: list(u32, REGISTER_SPACE / 4) });

/** A stretch of physical addresses that leads to PCI: `offset` turns them into addresses there. */
interface Window {
  readonly start: number;
  readonly end: number;
  readonly offset: number;
  readonly space: MmioDevice;
}

/**
 * The Galileo GT-64120 system controller between CPU and PCI: its registers, wherever the internal space
 * decode register puts them, the windows into PCI memory and I/O space, and configuration and interrupt-acknowledge
 * cycles. Its registers are little-endian; on a big-endian CPU their bytes arrive swapped. Memory
 * controller, DMA engines and timers keep what is written and do nothing.
 */
export class Gt64120 extends Stateful<{ registers: number[] }> implements MmioDevice {
  private readonly config: Gt64120Config;
  /** What the decode registers say, worked out when it is next needed. */
  private windows: readonly Window[] | null = null;

  constructor(config: Gt64120Config) {
    super({ registers: Array.from({ length: REGISTER_SPACE / 4 }, () => 0) });
    this.config = config;
    for (const [offset, { reset }] of GT_REGISTERS) this.set(offset, reset);
    if (config.endian === "little") {
      this.set(GT.cpu, CPU_LITTLE);
      this.set(GT.pciCommand, 0x0001_0001);
      this.set(GT.pci1Command, 0x0001_0001);
    }
    for (const [register, value] of config.firmware ?? []) this.writeRegister(register, value, 0xf);
    config.pci.add(0, 0, hostBridge());
  }

  override restore(state: { registers: number[] }): void {
    super.restore(state);
    this.windows = null;
  }

  private get(offset: number): number {
    return this.state.registers[offset >> 2]!;
  }

  private set(offset: number, value: number): void {
    this.state.registers[offset >> 2] = value >>> 0;
  }

  read(offset: number, size: 1 | 2 | 4): number {
    const pa = this.config.base + offset;
    const register = this.registerAt(pa);
    if (register < 0) {
      const target = this.decode(pa);
      return target === null ? ALL_ONES[size] : target.space.read(pa + target.offset, size);
    }
    const word = this.swapped(this.readRegister(register & ~3));
    return ((word >>> this.laneShift(register, size)) & ALL_ONES[size]) >>> 0;
  }

  write(offset: number, size: 1 | 2 | 4, value: number): void {
    const pa = this.config.base + offset;
    const register = this.registerAt(pa);
    if (register < 0) {
      const target = this.decode(pa);
      target?.space.write(pa + target.offset, size, value);
      return;
    }
    const shift = this.laneShift(register, size);
    const lanes = this.swapped((ALL_ONES[size] << shift) >>> 0);
    let enables = 0;
    for (let i = 0; i < 4; i++) if (((lanes >>> (8 * i)) & 0xff) !== 0) enables |= 1 << i;
    this.writeRegister(register & ~3, this.swapped((value << shift) >>> 0), enables);
  }

  /** Offset of the register at physical address `pa`, or -1. */
  private registerAt(pa: number): number {
    const offset = pa - this.get(GT.isd) * 2 ** 21;
    return offset >= 0 && offset < REGISTER_SPACE ? offset : -1;
  }

  private laneShift(offset: number, size: number): number {
    const lane = offset & 3;
    return 8 * (this.config.endian === "little" ? lane : 4 - size - lane);
  }

  /** A register's value as the CPU sees it, and back. */
  private swapped(word: number): number {
    return (this.get(GT.cpu) & CPU_LITTLE) !== 0 ? word : swapBytes(word);
  }

  /** The window that `pa` leads through, or null. */
  private decode(pa: number): Window | null {
    this.windows ??= this.findWindows();
    for (const window of this.windows) if (pa >= window.start && pa < window.end) return window;
    return null;
  }

  private findWindows(): Window[] {
    const { pciIo, pciMemory } = this.config;
    const io = this.window(GT.pciIoLow, GT.pciIoHigh, GT.pciIoRemap, pciIo);
    // The south bridge answers to 16-bit port addresses only.
    const ports = { ...io, end: Math.min(io.end, 0x1_0000 - io.offset) };
    return [
      ports,
      this.window(GT.pciMemory0Low, GT.pciMemory0High, GT.pciMemory0Remap, pciMemory),
      this.window(GT.pciMemory1Low, GT.pciMemory1High, GT.pciMemory1Remap, pciMemory),
    ];
  }

  /**
   * The window of three decode registers, empty if its end lies before its start. Low holds bits 35 to 21 of the
   * first address, high bits 27 to 21 of the last block, remap bits 31 to 21 of the first address on PCI
   * (data sheet 3.2).
   */
  private window(low: number, high: number, remap: number, space: MmioDevice): Window {
    const first = this.get(low);
    const last = (first & ~0x7f) | this.get(high);
    return {
      start: first * 2 ** 21,
      end: (last + 1) * 2 ** 21,
      offset: (this.get(remap) - first) * 2 ** 21,
      space,
    };
  }

  private readRegister(offset: number): number {
    switch (offset) {
      case GT.configData:
        return this.readConfig();
      case GT.acknowledge:
        return this.config.acknowledge();
      case GT.cause:
        return (this.get(GT.cause) | (this.raised ? CAUSE.summary : 0)) >>> 0;
      default:
        return this.get(offset);
    }
  }

  /** Writes the bytes that `enables` names to a register; `value` is in the register's own byte order. */
  private writeRegister(offset: number, value: number, enables: number): void {
    let mask = 0;
    for (let i = 0; i < 4; i++) if ((enables & (1 << i)) !== 0) mask |= 0xff << (8 * i);
    if (offset === GT.configData) {
      this.writeConfig(value, enables);
      return;
    }
    if (offset === GT.cause) {
      // Causes are cleared by writing zeros.
      this.set(offset, this.get(offset) & (value | ~mask | ~CAUSE.clearable));
    } else {
      this.windows = null;
      const { writable, remap } = GT_REGISTERS.get(offset) ?? { writable: 0 };
      mask &= writable;
      this.set(offset, (this.get(offset) & ~mask) | (value & mask));
      // A new window starts without remapping (data sheet, "address remapping").
      if (remap !== undefined) this.set(remap, this.get(offset) & 0x7ff);
    }
    this.config.interrupt(this.raised);
  }

  private get raised(): boolean {
    return (this.get(GT.cause) & this.get(GT.causeMask) & CAUSE.clearable) !== 0;
  }

  /** Whether configuration data is swapped once more: for all devices but the GT itself. */
  private configSwapped(address: number): boolean {
    return (this.get(GT.pciCommand) & MASTER_BYTE_SWAP) === 0 && (address & BUS_AND_DEVICE) !== 0;
  }

  private target(address: number): PciFunction | undefined {
    if (address < CONFIG_ENABLE || ((address >>> 16) & 0xff) !== 0) return undefined;
    return this.config.pci.find((address >>> 11) & 31, (address >>> 8) & 7);
  }

  private readConfig(): number {
    const address = this.get(GT.configAddress);
    const target = this.target(address);
    if (target === undefined) {
      this.abort(address);
      return 0xffff_ffff;
    }
    const value = target.read32(address & 0xfc);
    return this.configSwapped(address) ? swapBytes(value) : value;
  }

  private writeConfig(value: number, enables: number): void {
    const address = this.get(GT.configAddress);
    const swap = this.configSwapped(address);
    const target = this.target(address);
    if (target === undefined) this.abort(address);
    else target.write32(address & 0xfc, swap ? swapBytes(value) : value, swap ? mirror(enables) : enables);
  }

  /** Nobody answered a configuration cycle. A special cycle is addressed to nobody. */
  private abort(address: number): void {
    if (address < CONFIG_ENABLE || (address & 0xff_fffc) === SPECIAL_CYCLE) return;
    this.set(GT.cause, this.get(GT.cause) | CAUSE.masterAbort);
    this.config.interrupt(this.raised);
  }
}

function swapBytes(word: number): number {
  return ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0;
}

function mirror(enables: number): number {
  return ((enables & 1) << 3) | ((enables & 2) << 1) | ((enables & 4) >> 1) | ((enables & 8) >> 3);
}

/** Function 0 of device 0: the GT-64120 itself. No PCI master reaches its memory, so its BARs stay as they are. */
function hostBridge(): PciFunction {
  return new PciFunction({
    name: "GT-64120",
    fields: [
      [0x00, 4, 0x4620_11ab],
      [0x04, 4, 0x0280_0000],
      [0x08, 4, 0x0600_0010],
      [0x10, 4, 0x0000_0008],
      [0x14, 4, 0x0100_0008],
      [0x18, 4, 0x1c00_0000],
      [0x1c, 4, 0x1f00_0000],
      [0x20, 4, 0x1400_0000],
      [0x24, 4, 0x1400_0001],
      [0x3d, 1, 1],
    ],
    writable: [
      [0x04, 2, 0x0157],
      [0x0c, 2, 0xf8ff],
      [0x3c, 1, 0xff],
    ],
  });
}
