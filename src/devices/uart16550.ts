import type { MmioDevice } from "../machine/bus.ts";
import type { InterruptLine, Timeline } from "../machine/timeline.ts";
import type { PortDevice } from "./isa-ports.ts";
import { counter, flag, integer, list, record, u16, u8 } from "../state/fields.ts";
import { Stateful } from "./state.ts";

/** Registers by offset (PC16550D data sheet, table II). DLL and DLM stand in for the first two while DLAB is set. */
const REG = { data: 0, ier: 1, iirFcr: 2, lcr: 3, mcr: 4, lsr: 5, msr: 6, scr: 7 } as const;
const IER = { RDI: 1, THRI: 2, RLSI: 4, MSI: 8 } as const;
const IIR = { none: 1, modem: 0, thre: 2, data: 4, status: 6, timeout: 12, fifos: 0xc0 } as const;
const FCR = { enable: 1, clearRx: 2, clearTx: 4, kept: 0xc9 } as const;
const LCR_DLAB = 0x80;
const MCR = { DTR: 1, RTS: 2, OUT1: 4, OUT2: 8, loop: 16 } as const;
const LSR = { DR: 1, OE: 2, THRE: 0x20, TEMT: 0x40 } as const;
const MSR = { CTS: 0x10, DSR: 0x20, RI: 0x40, DCD: 0x80, trailingRi: 4 } as const;

const FIFO_SIZE = 16;
/** Receive levels that FCR bits 7 and 6 select. */
const TRIGGER = [1, 4, 8, 14] as const;
/** A guest that reads LSR this often with nothing between is polling for input; output needs one or two reads. */
const POLLS_FOR_INPUT = 4;

export interface UartConfig {
  readonly timeline: Timeline;
  /** Prefix of the names of this UART's timers; unique on the timeline. */
  readonly name: string;
  readonly interrupt: InterruptLine;
  /** Called for every byte that the guest sends. */
  readonly transmit: (byte: number) => void;
  /** Called when the guest has become able to take another byte (see `canReceive`). */
  readonly readyToReceive?: () => void;
  /** Registers lie 2^registerShift bytes apart when the UART is used as an {@link MmioDevice}; default 0. */
  readonly registerShift?: number;
  /** On a PC, OUT2 connects the interrupt to its line; default true. */
  readonly out2GatesInterrupt?: boolean;
  /**
   * Ticks per character until the next "transmitter empty" interrupt; default 0. The status register shows an
   * empty transmitter at once, so that polled output waits for nothing, but without this pause a driver that
   * is given a long buffer never leaves its interrupt handler.
   */
  readonly transmitTicks?: number;
  /** Least ticks between two received characters; default 0. */
  readonly receiveTicks?: number;
  /**
   * Ticks from the moment the guest enables the receive interrupt until it is taken to listen; default 0. A
   * guest that sets up its interrupt controller after the UART would lose the edge of a byte that came at once.
   */
  readonly settleTicks?: number;
}

export interface UartState {
  ier: number;
  fcr: number;
  lcr: number;
  mcr: number;
  scr: number;
  divisor: number;
  /** Received bytes, the oldest first. */
  rx: number[];
  overrun: boolean;
  /** The "transmitter empty" interrupt waits to be served. */
  thre: boolean;
  /** Delta bits of MSR. */
  modemDelta: number;
  /** Reads of LSR in a row. */
  polls: number;
  /** The guest has raised RTS since reset: it uses flow control, and input waits while RTS is down. */
  usesRts: boolean;
  /** When the transmitter would have sent all, and when the next byte may come, in ticks. */
  sentAt: number;
  receiveAt: number;
}

/** How it is kept. */
export const UART_STATE = record<UartState>({
  ...{ ier: u8, fcr: u8, lcr: u8, mcr: u8, scr: u8, divisor: u16 },
  rx: list(u8, 0, FIFO_SIZE),
  ...{ overrun: flag, thre: flag, modemDelta: u8, polls: integer(0, POLLS_FOR_INPUT), usesRts: flag },
  ...{ sentAt: counter, receiveAt: counter },
});

const RESET: UartState = {
  ier: 0,
  fcr: 0,
  lcr: 0,
  mcr: 0,
  scr: 0,
  divisor: 0,
  rx: [],
  overrun: false,
  thre: false,
  modemDelta: 0,
  polls: 0,
  usesRts: false,
  sentAt: 0,
  receiveAt: 0,
};

/** A 16550A UART (PC16550D data sheet) whose line never has errors. */
export class Uart16550 extends Stateful<UartState> implements PortDevice, MmioDevice {
  private readonly config: UartConfig;
  private readonly txTimer: string;
  private readonly rxTimer: string;

  constructor(config: UartConfig) {
    super({ ...RESET, rx: [] });
    this.config = config;
    this.txTimer = `${config.name}-tx`;
    this.rxTimer = `${config.name}-rx`;
    config.timeline.register(this.txTimer, () => {
      this.state.thre = true;
      this.update();
    });
    config.timeline.register(this.rxTimer, () => this.offerRoom());
  }

  read(offset: number, _size: 1 | 2 | 4): number {
    return this.readPort(offset >>> (this.config.registerShift ?? 0));
  }

  write(offset: number, _size: 1 | 2 | 4, value: number): void {
    this.writePort(offset >>> (this.config.registerShift ?? 0), value & 0xff);
  }

  readPort(offset: number): number {
    const value = this.readRegister(offset & 7);
    this.update();
    this.offerRoom();
    return value;
  }

  writePort(offset: number, value: number): void {
    this.state.polls = 0;
    this.writeRegister(offset & 7, value);
    this.update();
    this.offerRoom();
  }

  private readRegister(register: number): number {
    const { state } = this;
    const dlab = (state.lcr & LCR_DLAB) !== 0;
    if (register === REG.lsr) state.polls = Math.min(state.polls + 1, POLLS_FOR_INPUT);
    else if (register !== REG.data) state.polls = 0;
    switch (register) {
      case REG.data:
        return dlab ? state.divisor & 0xff : (state.rx.shift() ?? 0);
      case REG.ier:
        return dlab ? state.divisor >>> 8 : state.ier;
      case REG.iirFcr:
        return this.identify();
      case REG.lcr:
        return state.lcr;
      case REG.mcr:
        return state.mcr;
      case REG.lsr:
        return this.lineStatus();
      case REG.msr: {
        const value = modemLines(state.mcr) | state.modemDelta;
        state.modemDelta = 0;
        return value;
      }
      default:
        return state.scr;
    }
  }

  private writeRegister(register: number, value: number): void {
    const { state } = this;
    const dlab = (state.lcr & LCR_DLAB) !== 0;
    switch (register) {
      case REG.data:
        if (dlab) state.divisor = (state.divisor & 0xff00) | value;
        else this.send(value);
        return;
      case REG.ier:
        if (dlab) state.divisor = (state.divisor & 0xff) | (value << 8);
        else this.enableInterrupts(value & 15);
        return;
      case REG.iirFcr:
        this.controlFifos(value);
        return;
      case REG.lcr:
        state.lcr = value;
        return;
      case REG.mcr:
        this.controlModem(value & 0x1f);
        return;
      case REG.scr:
        state.scr = value;
        return;
      // LSR and MSR are for the factory's test only (data sheet 8.4, 8.7).
    }
  }

  private enableInterrupts(ier: number): void {
    const enabled = ier & ~this.state.ier;
    this.state.ier = ier;
    // Enabling the interrupt while the transmitter is empty raises it (data sheet 8.6.1, note on bit 1).
    if ((enabled & IER.THRI) !== 0) this.state.thre = true;
    if ((enabled & IER.RDI) !== 0) this.pauseInput(this.config.settleTicks ?? 0);
  }

  /** IIR names the most urgent cause; reading it serves the transmitter's (data sheet table IV). */
  private identify(): number {
    const { state } = this;
    const cause = this.cause();
    if (cause === IIR.thre) state.thre = false;
    return cause | ((state.fcr & FCR.enable) !== 0 ? IIR.fifos : 0);
  }

  private cause(): number {
    const { state } = this;
    if ((state.ier & IER.RLSI) !== 0 && state.overrun) return IIR.status;
    if ((state.ier & IER.RDI) !== 0 && state.rx.length > 0) {
      const level = (state.fcr & FCR.enable) === 0 ? 1 : TRIGGER[(state.fcr >>> 6) as 0 | 1 | 2 | 3];
      // Nothing more comes soon: the timeout of four characters is taken to be over at once.
      return state.rx.length >= level ? IIR.data : IIR.timeout;
    }
    if ((state.ier & IER.THRI) !== 0 && state.thre) return IIR.thre;
    if ((state.ier & IER.MSI) !== 0 && state.modemDelta !== 0) return IIR.modem;
    return IIR.none;
  }

  private lineStatus(): number {
    const { state } = this;
    const value = LSR.THRE | LSR.TEMT | (state.rx.length > 0 ? LSR.DR : 0) | (state.overrun ? LSR.OE : 0);
    state.overrun = false;
    return value;
  }

  private send(byte: number): void {
    const { state, config } = this;
    if ((state.mcr & MCR.loop) !== 0) {
      if (state.rx.length < this.fifoSize) state.rx.push(byte);
      else state.overrun = true;
    } else config.transmit(byte);
    const ticks = config.transmitTicks ?? 0;
    state.thre = ticks === 0;
    if (ticks === 0) return;
    state.sentAt = Math.max(state.sentAt, config.timeline.now()) + ticks;
    config.timeline.schedule(this.txTimer, state.sentAt);
  }

  private controlFifos(value: number): void {
    const { state } = this;
    const toggled = ((value ^ state.fcr) & FCR.enable) !== 0;
    if (toggled || (value & (FCR.enable | FCR.clearRx)) === (FCR.enable | FCR.clearRx)) state.rx = [];
    // The other bits count only if the FIFOs are enabled by the same write (data sheet 8.5).
    state.fcr = (value & FCR.enable) !== 0 ? value & FCR.kept : 0;
  }

  private controlModem(mcr: number): void {
    const { state } = this;
    const before = modemLines(state.mcr);
    const after = modemLines(mcr);
    const changed = before ^ after;
    // RI counts only when it goes down (trailing edge), the others in both directions.
    state.modemDelta |= (changed & (MSR.CTS | MSR.DSR | MSR.DCD)) >>> 4;
    if ((before & ~after & MSR.RI) !== 0) state.modemDelta |= MSR.trailingRi;
    state.mcr = mcr;
    if ((mcr & (MCR.RTS | MCR.loop)) === MCR.RTS) state.usesRts = true;
  }

  private get fifoSize(): number {
    return (this.state.fcr & FCR.enable) !== 0 ? FIFO_SIZE : 1;
  }

  private update(): void {
    const { state, config } = this;
    const gated = config.out2GatesInterrupt ?? true;
    // In loopback the modem outputs are forced inactive, OUT2 with them (data sheet 8.6.1).
    const connected = !gated || (state.mcr & (MCR.OUT2 | MCR.loop)) === MCR.OUT2;
    config.interrupt(connected && this.cause() !== IIR.none);
  }

  private offerRoom(): void {
    if (this.config.readyToReceive !== undefined && this.canReceive()) this.config.readyToReceive();
  }

  /**
   * Whether the guest can take a byte now: it listens (by interrupt or by polling the line status), holds RTS
   * up if it uses it, and there is room. Piped input that came earlier would be thrown away when the
   * guest's driver resets the FIFOs.
   */
  canReceive(): boolean {
    const { state } = this;
    if ((state.mcr & MCR.loop) !== 0 || (state.usesRts && (state.mcr & MCR.RTS) === 0)) return false;
    if ((state.ier & IER.RDI) === 0 && state.polls < POLLS_FOR_INPUT) return false;
    return state.rx.length < this.fifoSize && this.config.timeline.now() >= state.receiveAt;
  }

  /** Gives the guest a byte from outside. Returns false, and drops the byte, unless `canReceive()`. */
  receive(byte: number): boolean {
    if (!this.canReceive()) return false;
    this.state.rx.push(byte & 0xff);
    this.pauseInput(this.config.receiveTicks ?? 0);
    this.update();
    return true;
  }

  /** Takes no input for `ticks` from now. */
  private pauseInput(ticks: number): void {
    const { state } = this;
    const { timeline } = this.config;
    if (ticks === 0) return;
    state.receiveAt = Math.max(state.receiveAt, timeline.now() + ticks);
    timeline.schedule(this.rxTimer, state.receiveAt);
  }
}

/** Modem inputs: a connected terminal, or in loopback the UART's own outputs (data sheet 8.6.1). */
function modemLines(mcr: number): number {
  if ((mcr & MCR.loop) === 0) return MSR.CTS | MSR.DSR | MSR.DCD;
  return (
    ((mcr & MCR.RTS) !== 0 ? MSR.CTS : 0) |
    ((mcr & MCR.DTR) !== 0 ? MSR.DSR : 0) |
    ((mcr & MCR.OUT1) !== 0 ? MSR.RI : 0) |
    ((mcr & MCR.OUT2) !== 0 ? MSR.DCD : 0)
  );
}
