import type { MmioDevice } from "../../machine/bus.ts";
import type { Endian } from "../../machine/memory.ts";
import { Stateful } from "../../devices/state.ts";
import { integer, list, record, u8 } from "../../state/fields.ts";

/** Registers (Malta user's manual, chapter 4.4), words in the CPU's byte order, 8 bytes apart. */
const FPGA = {
  switches: 0x200,
  status: 0x208,
  jumpers: 0x210,
  ledBar: 0x408,
  asciiWord: 0x410,
  asciiFirst: 0x418,
  asciiEnd: 0x458,
  softReset: 0x500,
  breakReset: 0x508,
  generalOut: 0xa00,
  generalIn: 0xa08,
  i2cIn: 0xb00,
  i2cEnable: 0xb08,
  i2cOut: 0xb10,
  i2cSelect: 0xb18,
} as const;
/** Status: bit 4 the monitor flash may be written, bit 1 the CPU is big-endian. */
const STATUS = { flash: 0x10, bigEndian: 0x02 } as const;
/** The value that makes a write to the soft reset register one. */
const RESET_MAGIC = 0x42;
/** Clock and data lines of the I2C bus. */
const I2C_LINES = 3;

export interface MaltaFpgaState {
  leds: number;
  /** Character codes of the eight-place display. */
  display: number[];
  breakReset: number;
  generalOut: number;
  i2cEnable: number;
  i2cOut: number;
  i2cSelect: number;
}

/** How it is kept. */
export const FPGA_STATE = record<MaltaFpgaState>({
  leds: u8,
  display: list(u8, 8),
  ...{ breakReset: u8, generalOut: u8 },
  ...{ i2cEnable: integer(0, I2C_LINES), i2cOut: integer(0, I2C_LINES), i2cSelect: integer(0, 1) },
});

/** The board's FPGA: switches, jumpers, display, reset, and an I2C bus without devices. */
export class MaltaFpga extends Stateful<MaltaFpgaState> implements MmioDevice {
  private readonly endian: Endian;
  private readonly reset: () => void;

  constructor(endian: Endian, reset: () => void) {
    super({
      leds: 0,
      display: Array.from({ length: 8 }, () => 0x20),
      breakReset: 0x0a,
      generalOut: 0,
      i2cEnable: 0,
      i2cOut: I2C_LINES,
      i2cSelect: 1,
    });
    this.endian = endian;
    this.reset = reset;
  }

  /** What the display shows. */
  get display(): string {
    return String.fromCharCode(...this.state.display);
  }

  read(offset: number, size: 1 | 2 | 4): number {
    const lane = offset & 3;
    const shift = 8 * (this.endian === "little" ? lane : 4 - size - lane);
    const word = this.readWord(offset & ~3) >>> shift;
    return size === 4 ? word : word & (size === 2 ? 0xffff : 0xff);
  }

  private readWord(offset: number): number {
    const { state } = this;
    switch (offset) {
      case FPGA.status:
        return STATUS.flash | (this.endian === "big" ? STATUS.bigEndian : 0);
      case FPGA.ledBar:
        return state.leds;
      case FPGA.breakReset:
        return state.breakReset;
      case FPGA.generalOut:
        return state.generalOut;
      case FPGA.generalIn:
        return I2C_LINES;
      case FPGA.i2cIn:
        // Lines that nobody pulls down are high.
        return (state.i2cOut | ~state.i2cEnable) & I2C_LINES;
      case FPGA.i2cEnable:
        return state.i2cEnable;
      case FPGA.i2cOut:
        return state.i2cOut;
      case FPGA.i2cSelect:
        return state.i2cSelect;
      default:
        // Switches and jumpers are open: 33 MHz PCI clock, no options.
        return 0;
    }
  }

  write(offset: number, _size: 1 | 2 | 4, value: number): void {
    const { state } = this;
    const register = offset & ~7;
    if (register >= FPGA.asciiFirst && register < FPGA.asciiEnd) {
      state.display[(register - FPGA.asciiFirst) >> 3] = value & 0xff;
      return;
    }
    switch (register) {
      case FPGA.ledBar:
        state.leds = value & 0xff;
        return;
      case FPGA.asciiWord: {
        const text = value.toString(16).toUpperCase().padStart(8, "0");
        state.display = Array.from(text, (digit) => digit.charCodeAt(0));
        return;
      }
      case FPGA.softReset:
        if ((value & 0xff) === RESET_MAGIC) this.reset();
        return;
      case FPGA.breakReset:
        state.breakReset = value & 0xff;
        return;
      case FPGA.generalOut:
        state.generalOut = value & 0xff;
        return;
      case FPGA.i2cEnable:
        state.i2cEnable = value & I2C_LINES;
        return;
      case FPGA.i2cOut:
        state.i2cOut = value & I2C_LINES;
        return;
      case FPGA.i2cSelect:
        state.i2cSelect = value & 1;
    }
  }
}
