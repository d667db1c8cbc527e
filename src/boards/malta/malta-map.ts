import { GT } from "../../devices/gt64120-registers.ts";
import type { RamRegion } from "../../machine/mmu.ts";

/**
 * The physical address map of the Malta board with a GT-64120 core card, as its firmware (YAMON) leaves it:
 * MIPS Malta user's manual, chapter 4, and what the PCI windows are set to.
 */
export const MALTA_MAP = {
  /** RAM, as far as it lies below the windows; see {@link maltaRamRegions}. */
  lowRam: { base: 0x0000_0000, size: 0x1000_0000 },
  /** All that the GT-64120 decodes: PCI memory, PCI I/O, its own registers. */
  systemController: { base: 0x1000_0000, size: 0x0e00_0000 },
  pciMemory: { base: 0x1000_0000, size: 0x0800_0000 },
  pciIo: { base: 0x1800_0000, size: 0x0020_0000 },
  pciMemory1: { base: 0x1820_0000, size: 0x03c0_0000 },
  gtRegisters: { base: 0x1be0_0000, size: 0x1000 },
  fpga: { base: 0x1f00_0000, size: 0x900 },
  boardUart: { base: 0x1f00_0900, size: 0x40 },
  fpgaLate: { base: 0x1f00_0940, size: 0x6c0 },
  /** The boot flash, of which only the revision word is there. */
  bootFlash: { base: 0x1fc0_0000, size: 0x40_0000 },
} as const;

/** Where all RAM appears a second time, so that what the I/O windows hide can be reached. */
const HIGH_RAM = 0x8000_0000;

/** Where `bytes` of RAM appear: up to 256 MiB from 0, and all of it from 80000000. */
export function maltaRamRegions(bytes: number): RamRegion[] {
  return [
    { base: MALTA_MAP.lowRam.base, size: Math.min(bytes, MALTA_MAP.lowRam.size), offset: 0 },
    { base: HIGH_RAM, size: bytes, offset: 0 },
  ];
}

/** Interrupt inputs of the CPU (Malta user's manual, table "CPU interrupts"): IP numbers. */
export const MALTA_IP = { i8259: 2, smi: 3, boardUart: 4, coreHi: 5 } as const;

/** ISA interrupts. */
export const MALTA_IRQ = { timer: 0, uart1: 3, uart0: 4, clock: 8 } as const;

/** Inputs of the i8259 pair that no device of the board uses. */
export const MALTA_FREE_IRQS: readonly number[] = [5, 6, 7, 9, 12, 13, 14, 15];

/** First port and number of ports of the devices on the ISA bus. */
export const MALTA_PORTS = {
  picMaster: [0x20, 2],
  timer: [0x40, 4],
  port61: [0x61, 1],
  clock: [0x70, 4],
  picSlave: [0xa0, 2],
  uart1: [0x2f8, 8],
  uart0: [0x3f8, 8],
  trigger: [0x4d0, 2],
} as const;

/** PCI device number of the south bridge, and where YAMON routes PIRQA to PIRQD. */
export const MALTA_PIIX4 = { device: 10, routes: [10, 10, 11, 11] } as const;

/** Revision register: revision 0 of the FPGA, core card number 1 (Core LV with GT-64120), product 2 (Malta). */
export const MALTA_REVISION = { offset: 0x10, value: 0x420 } as const;

/** What YAMON writes to the GT-64120 (in units of 2 MiB): first block, last block, then no remapping of I/O. */
export const MALTA_GT_SETUP: readonly (readonly [register: number, value: number])[] = [
  [GT.isd, MALTA_MAP.gtRegisters.base / 2 ** 21],
  [GT.pciIoLow, MALTA_MAP.pciIo.base / 2 ** 21],
  [GT.pciIoHigh, lastBlock(MALTA_MAP.pciIo)],
  [GT.pciIoRemap, 0],
  [GT.pciMemory0Low, MALTA_MAP.pciMemory.base / 2 ** 21],
  [GT.pciMemory0High, lastBlock(MALTA_MAP.pciMemory)],
  [GT.pciMemory1Low, MALTA_MAP.pciMemory1.base / 2 ** 21],
  [GT.pciMemory1High, lastBlock(MALTA_MAP.pciMemory1)],
];

function lastBlock(range: { readonly base: number; readonly size: number }): number {
  return ((range.base + range.size) / 2 ** 21 - 1) & 0x7f;
}
