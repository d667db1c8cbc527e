import { Gt64120, GT_STATE } from "../../devices/gt64120.ts";
import { PIT_STATE, Pit8254 } from "../../devices/i8254.ts";
import { PicPair, PICS_STATE } from "../../devices/i8259.ts";
import { IsaPorts, type PortDevice } from "../../devices/isa-ports.ts";
import { Mc146818, RTC_STATE } from "../../devices/mc146818.ts";
import { PciBus, pciState } from "../../devices/pci.ts";
import { Piix4, PIIX4_STATE } from "../../devices/piix4.ts";
import { Port61, PORT61_STATE } from "../../devices/port61.ts";
import { UART_STATE, Uart16550 } from "../../devices/uart16550.ts";
import { Bus, type MmioDevice } from "../../machine/bus.ts";
import type { Endian } from "../../machine/memory.ts";
import { TICKS_PER_SECOND, type Timeline } from "../../machine/timeline.ts";
import { record } from "../../state/fields.ts";
import { FPGA_STATE, MaltaFpga } from "./malta-fpga.ts";
import {
  MALTA_GT_SETUP,
  MALTA_IP,
  MALTA_IRQ,
  MALTA_MAP,
  MALTA_PIIX4,
  MALTA_PORTS,
  MALTA_REVISION,
} from "./malta-map.ts";

/** What is at the other end of a serial line. */
export interface SerialEnd {
  /** A byte that the guest sent. */
  transmit(byte: number): void;
  /** The guest can take a byte (`Uart16550.receive`) and could not before, or still can. */
  readyToReceive?(): void;
}

export interface MaltaConfig {
  readonly timeline: Timeline;
  /** The board's regions are added to this bus; RAM is not the board's affair. */
  readonly bus: Bus;
  readonly endian: Endian;
  /** Drives interrupt input IP2 to IP5 of the CPU: pins of a machine, or interrupts of a virtual one. */
  readonly setInterrupt: (ip: number, level: boolean) => void;
  /** The first serial port (ttyS0 in Linux). */
  readonly console: SerialEnd;
  /** The second serial port and the board's own UART; by default what they send is dropped. */
  readonly serial1?: SerialEnd;
  readonly boardSerial?: SerialEnd;
  readonly onPowerOff: () => void;
  readonly onReset: () => void;
  /** The clock's time at tick 0, in seconds since 1970-01-01 UTC; default 2020-01-01. */
  readonly startSeconds?: number;
}

const MICROSECOND = TICKS_PER_SECOND / 1_000_000;
/** The UARTs' pace (see `UartConfig`): some 500 kB/s out, 50 kB/s in. */
const UART_PACE = {
  transmitTicks: 2 * MICROSECOND,
  receiveTicks: 20 * MICROSECOND,
  settleTicks: 1000 * MICROSECOND,
} as const;

/** A MIPS Malta board without its CPU and RAM. It knows only the bus, the timeline and interrupt lines. */
export class MaltaBoard {
  readonly pci = new PciBus();
  /** PCI memory space, by PCI address. */
  readonly pciMemory = new Bus();
  readonly ports: IsaPorts;
  readonly pics: PicPair;
  readonly pit: Pit8254;
  readonly port61: Port61;
  readonly clock: Mc146818;
  /** ttyS0, ttyS1 and the board's own UART. */
  readonly console: Uart16550;
  readonly serial1: Uart16550;
  readonly boardSerial: Uart16550;
  readonly gt: Gt64120;
  readonly piix4: Piix4;
  readonly fpga: MaltaFpga;

  constructor(config: MaltaConfig) {
    const { timeline, endian, setInterrupt } = config;
    this.ports = new IsaPorts(endian);
    this.pics = new PicPair((level) => setInterrupt(MALTA_IP.i8259, level));
    this.pit = new Pit8254({ timeline, name: "i8254", output: this.pics.line(MALTA_IRQ.timer) });
    this.port61 = new Port61(this.pit, timeline);
    this.clock = new Mc146818({
      timeline,
      name: "mc146818",
      interrupt: this.pics.line(MALTA_IRQ.clock),
      ...(config.startSeconds === undefined ? {} : { startSeconds: config.startSeconds }),
    });
    this.console = isaUart(config, "uart0", config.console, this.pics.line(MALTA_IRQ.uart0));
    this.serial1 = isaUart(config, "uart1", config.serial1, this.pics.line(MALTA_IRQ.uart1));
    this.boardSerial = new Uart16550({
      ...serialEnd(config.boardSerial),
      timeline,
      name: "board-uart",
      interrupt: (level) => setInterrupt(MALTA_IP.boardUart, level),
      registerShift: 3,
      out2GatesInterrupt: false,
      ...UART_PACE,
    });
    this.piix4 = new Piix4({
      timeline,
      ports: this.ports,
      pci: this.pci,
      device: MALTA_PIIX4.device,
      pirqRoutes: MALTA_PIIX4.routes,
      setIrq: (irq, level) => this.pics.setLine(irq, level),
      powerOff: config.onPowerOff,
    });
    this.gt = new Gt64120({
      endian,
      base: MALTA_MAP.systemController.base,
      pci: this.pci,
      pciIo: this.ports,
      pciMemory: this.pciMemory,
      acknowledge: () => this.pics.acknowledge(),
      interrupt: (level) => setInterrupt(MALTA_IP.coreHi, level),
      firmware: MALTA_GT_SETUP,
    });
    this.fpga = new MaltaFpga(endian, config.onReset);
    this.addPorts();
    this.addRegions(config.bus, endian);
  }

  private addPorts(): void {
    const { pics } = this;
    const devices: Record<keyof typeof MALTA_PORTS, PortDevice> = {
      picMaster: pics.master,
      timer: this.pit,
      port61: this.port61,
      clock: this.clock,
      picSlave: pics.slave,
      uart1: this.serial1,
      uart0: this.console,
      trigger: pics.elcrPorts,
    };
    for (const [name, [base, count]] of Object.entries(MALTA_PORTS))
      this.ports.add(name, base, count, devices[name as keyof typeof MALTA_PORTS]);
  }

  private addRegions(bus: Bus, endian: Endian): void {
    const late = MALTA_MAP.fpgaLate.base - MALTA_MAP.fpga.base;
    bus.add({ name: "GT-64120", ...MALTA_MAP.systemController, device: this.gt });
    bus.add({ name: "board registers", ...MALTA_MAP.fpga, device: this.fpga });
    bus.add({ name: "board UART", ...MALTA_MAP.boardUart, device: this.boardSerial });
    bus.add({
      name: "board registers, second part",
      ...MALTA_MAP.fpgaLate,
      device: {
        read: (offset, size) => this.fpga.read(offset + late, size),
        write: (offset, size, value) => this.fpga.write(offset + late, size, value),
      },
    });
    bus.add({ name: "boot flash", ...MALTA_MAP.bootFlash, device: revisionRom(endian) });
  }

  snapshot() {
    return {
      pci: this.pci.snapshot(),
      pics: this.pics.snapshot(),
      pit: this.pit.snapshot(),
      port61: this.port61.snapshot(),
      clock: this.clock.snapshot(),
      console: this.console.snapshot(),
      serial1: this.serial1.snapshot(),
      boardSerial: this.boardSerial.snapshot(),
      gt: this.gt.snapshot(),
      piix4: this.piix4.snapshot(),
      fpga: this.fpga.snapshot(),
    };
  }

  /** Restores the devices; CPU, RAM and timeline, with the armed timers, are restored by their owners. */
  restore(state: MaltaState): void {
    this.pci.restore(state.pci);
    this.pics.restore(state.pics);
    this.pit.restore(state.pit);
    this.port61.restore(state.port61);
    this.clock.restore(state.clock);
    this.console.restore(state.console);
    this.serial1.restore(state.serial1);
    this.boardSerial.restore(state.boardSerial);
    this.gt.restore(state.gt);
    this.piix4.restore(state.piix4);
    this.fpga.restore(state.fpga);
    this.piix4.resync();
  }
}

/** The state of all devices of a board: plain data. */
export type MaltaState = ReturnType<MaltaBoard["snapshot"]>;

/** PCI functions: the system controller, and those of the south bridge. */
const PCI_FUNCTIONS = 5;

/** How it is kept. */
export const MALTA_STATE = record<MaltaState>({
  pci: pciState(PCI_FUNCTIONS),
  pics: PICS_STATE,
  pit: PIT_STATE,
  port61: PORT61_STATE,
  clock: RTC_STATE,
  console: UART_STATE,
  serial1: UART_STATE,
  boardSerial: UART_STATE,
  gt: GT_STATE,
  piix4: PIIX4_STATE,
  fpga: FPGA_STATE,
});

/** Builds a Malta board and adds its regions to the bus. */
export function createMalta(config: MaltaConfig): MaltaBoard {
  return new MaltaBoard(config);
}

function serialEnd(end: SerialEnd | undefined): {
  transmit: (byte: number) => void;
  readyToReceive?: () => void;
} {
  const transmit = (byte: number): void => end?.transmit(byte);
  return end?.readyToReceive === undefined
    ? { transmit }
    : { transmit, readyToReceive: () => end.readyToReceive?.() };
}

function isaUart(
  config: MaltaConfig,
  name: string,
  end: SerialEnd | undefined,
  interrupt: (level: boolean) => void,
): Uart16550 {
  return new Uart16550({
    ...serialEnd(end),
    timeline: config.timeline,
    name,
    interrupt,
    ...UART_PACE,
  });
}

/** Boot flash that holds nothing but the revision word, in the CPU's byte order. */
function revisionRom(endian: Endian): MmioDevice {
  return {
    read(offset, size) {
      const ones = size === 4 ? 0xffff_ffff : size === 2 ? 0xffff : 0xff;
      if ((offset & ~3) !== MALTA_REVISION.offset) return ones;
      const lane = offset & 3;
      return (MALTA_REVISION.value >>> (8 * (endian === "little" ? lane : 4 - size - lane))) & ones;
    },
    write() {},
  };
}
