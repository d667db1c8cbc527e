import type { InterruptLine, Timeline } from "../machine/timeline.ts";
import { cyclesIn } from "./cycles.ts";
import type { IsaPorts, PortDevice } from "./isa-ports.ts";
import { PciFunction, type PciBus } from "./pci.ts";
import { flag, list, record, u16 } from "../state/fields.ts";
import { Stateful } from "./state.ts";

/** Interrupt routing of PIRQA to PIRQD in function 0 (PIIX4 4.1.10). */
const PIRQRC = { base: 0x60, disabled: 0x80, irq: 0x0f } as const;
/** Interrupts that PIRQs can be routed to. */
const ROUTABLE = 0b1101_1110_1111_1000;
/** Power management base address and its enable bit in function 3 (PIIX4 7.1). */
const PMBA = 0x40;
const PMREGMISC = 0x80;
const PM_PORTS = 64;
/** Power management I/O registers (PIIX4 7.2). */
const PM = { status: 0, enable: 2, control: 4, timer: 8 } as const;
const PM_TIMER_HZ = 3_579_545;
const SUS_EN = 1 << 13;
const SUS_TYP = 7 << 10;
/** The suspend type "soft off". */
const SOFT_OFF = 0;

export interface Piix4Config {
  readonly timeline: Timeline;
  readonly ports: IsaPorts;
  readonly pci: PciBus;
  /** PCI device number. */
  readonly device: number;
  /** Interrupt that each of PIRQA to PIRQD goes to, as firmware left it. */
  readonly pirqRoutes: readonly [number, number, number, number];
  /** Drives an input of the interrupt controllers. */
  readonly setIrq: (irq: number, level: boolean) => void;
  /** The guest turned the machine off. */
  readonly powerOff: () => void;
}

export interface Piix4State {
  /** PMSTS, PMEN and PMCNTRL. */
  pmStatus: number;
  pmEnable: number;
  pmControl: number;
  /** Levels of PIRQA to PIRQD. */
  pirq: boolean[];
}

/** How it is kept. */
export const PIIX4_STATE = record<Piix4State>({
  ...{ pmStatus: u16, pmEnable: u16, pmControl: u16 },
  pirq: list(flag, 4),
});

/**
 * The PCI side of the Intel 82371AB (PIIX4) south bridge: ISA bridge with interrupt routing, IDE and USB
 * functions without anything attached, and power management with soft-off. Its ISA devices (interrupt
 * controllers, timer, clock) are objects of their own.
 */
export class Piix4 extends Stateful<Piix4State> implements PortDevice {
  private readonly config: Piix4Config;
  private readonly bridge: PciFunction;
  private readonly power: PciFunction;
  /** Interrupts that PIRQs drive now, as a bit mask. */
  private driven = 0;

  constructor(config: Piix4Config) {
    super({ pmStatus: 0, pmEnable: 0, pmControl: 0, pirq: [false, false, false, false] });
    this.config = config;
    this.bridge = isaBridge(config.pirqRoutes, () => this.route());
    this.power = powerManagement(() => this.placePmPorts());
    config.pci.add(config.device, 0, this.bridge);
    config.pci.add(config.device, 1, ide());
    config.pci.add(config.device, 2, usb());
    config.pci.add(config.device, 3, this.power);
  }

  /** The line of PCI interrupt `pin`: 0 is PIRQA. */
  pirqLine(pin: 0 | 1 | 2 | 3): InterruptLine {
    return (level) => {
      this.state.pirq[pin] = level;
      this.route();
    };
  }

  /** Makes what the configuration spaces say true, after they were restored. */
  resync(): void {
    this.placePmPorts();
    this.driven = this.wanted();
  }

  private wanted(): number {
    let wanted = 0;
    for (let pin = 0; pin < 4; pin++) {
      const route = this.bridge.byte(PIRQRC.base + pin);
      if (this.state.pirq[pin] === true && (route & PIRQRC.disabled) === 0)
        wanted |= 1 << (route & PIRQRC.irq);
    }
    return wanted & ROUTABLE;
  }

  private route(): void {
    const wanted = this.wanted();
    const changed = wanted ^ this.driven;
    this.driven = wanted;
    for (let irq = 0; irq < 16; irq++)
      if ((changed & (1 << irq)) !== 0) this.config.setIrq(irq, (wanted & (1 << irq)) !== 0);
  }

  private placePmPorts(): void {
    const base = this.power.read32(PMBA) & 0xffc0;
    const enabled = (this.power.byte(PMREGMISC) & 1) !== 0;
    this.config.ports.move("PIIX4 power management", enabled ? base : null, PM_PORTS, this);
  }

  readPort(offset: number): number {
    const { state } = this;
    const byte = 8 * (offset & 3);
    switch (offset & ~3) {
      case PM.status:
        return (state.pmStatus | (state.pmEnable << 16)) >>> byte;
      case PM.control:
        return state.pmControl >>> byte;
      case PM.timer:
        return (cyclesIn(this.config.timeline.now(), PM_TIMER_HZ) % 2 ** 24) >>> byte;
      default:
        return 0;
    }
  }

  writePort(offset: number, value: number): void {
    const { state } = this;
    const shift = 8 * (offset & 1);
    const keep = 0xff00 >>> shift;
    switch (offset & ~1) {
      case PM.status:
        state.pmStatus &= ~(value << shift);
        return;
      case PM.enable:
        state.pmEnable = (state.pmEnable & keep) | (value << shift);
        return;
      case PM.control:
        state.pmControl = (state.pmControl & keep) | (value << shift);
        this.suspend();
    }
  }

  /**
   * SUS_EN starts the suspend mode of SUS_TYP. The chip then waits for a stop-grant special cycle, but Linux
   * cannot send one through a GT-64120 (its configuration access refuses device 31), so this does not wait.
   */
  private suspend(): void {
    const { state } = this;
    if ((state.pmControl & SUS_EN) === 0) return;
    state.pmControl &= ~SUS_EN;
    if ((state.pmControl & SUS_TYP) === SOFT_OFF) this.config.powerOff();
  }
}

function isaBridge(routes: readonly [number, number, number, number], written: () => void): PciFunction {
  const [a, b, c, d] = routes;
  return new PciFunction({
    name: "PIIX4 ISA bridge",
    fields: [
      [0x00, 4, 0x7110_8086],
      [0x04, 4, 0x0280_0007],
      [0x08, 4, 0x0601_0002],
      [0x0e, 1, 0x80],
      [0x4c, 1, 0x4d],
      [0x4e, 2, 0x0003],
      [0x60, 4, (a | (b << 8) | (c << 16) | (d << 24)) >>> 0],
      [0x64, 1, 0x10],
      [0x69, 1, 0x02],
      [0x76, 2, 0x0c0c],
      [0x78, 1, 0x02],
      [0xa0, 1, 0x08],
      [0xa8, 1, 0x0f],
    ],
    writable: [
      [0x04, 2, 0x0108],
      [0x4c, 4, 0xffff_00ff],
      [0x60, 4, 0x8f8f_8f8f],
      [0x64, 1, 0xff],
      [0x69, 1, 0xff],
      [0x6a, 2, 0xffff],
      [0x76, 2, 0xffff],
      [0x78, 2, 0xffff],
      [0x82, 1, 0x0f],
      [0x90, 2, 0xffff],
      [0x92, 4, 0xffff_ffff],
      [0xa0, 4, 0xffff_ffff],
      [0xb0, 4, 0xffff_ffff],
      [0xcb, 1, 0x3d],
    ],
    written,
  });
}

function ide(): PciFunction {
  return new PciFunction({
    name: "PIIX4 IDE",
    fields: [
      [0x00, 4, 0x7111_8086],
      [0x04, 4, 0x0280_0000],
      [0x08, 4, 0x0101_8001],
      [0x20, 4, 1],
    ],
    writable: [
      [0x04, 2, 0x0005],
      [0x0d, 1, 0xf0],
      [0x20, 4, 0xfff0],
      [0x40, 4, 0xffff_ffff],
      [0x44, 1, 0xff],
      [0x48, 1, 0x0f],
      [0x4a, 2, 0x3333],
    ],
  });
}

function usb(): PciFunction {
  return new PciFunction({
    name: "PIIX4 USB",
    fields: [
      [0x00, 4, 0x7112_8086],
      [0x04, 4, 0x0280_0000],
      [0x08, 4, 0x0c03_0001],
      [0x20, 4, 1],
      [0x3d, 1, 4],
      [0x60, 1, 0x10],
      [0xc0, 2, 0x2000],
    ],
    writable: [
      [0x04, 2, 0x0005],
      [0x0d, 1, 0xf0],
      [0x20, 4, 0xffe0],
      [0x3c, 1, 0xff],
      [0xc0, 2, 0x20bf],
    ],
  });
}

function powerManagement(written: () => void): PciFunction {
  return new PciFunction({
    name: "PIIX4 power management",
    fields: [
      [0x00, 4, 0x7113_8086],
      [0x04, 4, 0x0280_0000],
      [0x08, 4, 0x0680_0003],
      [0x3d, 1, 1],
      [PMBA, 4, 1],
      [0x90, 4, 1],
    ],
    writable: [
      [0x04, 2, 0x0001],
      [0x3c, 1, 0xff],
      [PMBA, 4, 0xffc0],
      [0x44, 4, 0xffff_ffff],
      [0x48, 4, 0xffff_ffff],
      [0x4c, 4, 0xffff_ffff],
      [0x50, 4, 0xffff_ffff],
      [0x54, 4, 0xffff_ffff],
      [0x58, 4, 0xffff_ffff],
      [0x5c, 4, 0xffff_ffff],
      [0x60, 4, 0xffff_ffff],
      [0x64, 4, 0xffff_ffff],
      [PMREGMISC, 1, 1],
    ],
    written,
  });
}
