import type { InterruptLine } from "../machine/timeline.ts";
import type { PortDevice } from "./isa-ports.ts";
import { flag, integer, record, u8 } from "../state/fields.ts";
import { Stateful } from "./state.ts";

/** Command bits (8259A data sheet, figures 7 and 8). */
const ICW1 = { isIcw1: 0x10, needsIcw4: 1, single: 2, level: 8 } as const;
const ICW4 = { autoEoi: 2, fullyNested: 0x10 } as const;
const OCW3 = {
  isOcw3: 8,
  readSelect: 2,
  readIsr: 1,
  poll: 4,
  setSpecialMask: 0x40,
  specialMask: 0x20,
} as const;
/** The commands in bits 7 to 5 of OCW2. */
const OCW2 = {
  eoi: 1,
  specificEoi: 3,
  rotateEoi: 5,
  rotateSpecificEoi: 7,
  rotateAuto: 4,
  stopRotateAuto: 0,
  setPriority: 6,
} as const;

const CASCADE = 2;
/** The input whose vector answers an acknowledge cycle when no request is left. */
const SPURIOUS = 7;

export interface PicState {
  /** Level of each input. */
  lines: number;
  /** Edges seen and not yet acknowledged; an edge is forgotten when its line falls (data sheet, "IR inputs"). */
  edges: number;
  isr: number;
  imr: number;
  /** Inputs that are level-triggered by the edge/level control register. */
  elcr: number;
  /** ICW1 bit 3: all inputs are level-triggered. */
  levelMode: boolean;
  vectorBase: number;
  autoEoi: boolean;
  rotateAutoEoi: boolean;
  fullyNested: boolean;
  specialMask: boolean;
  readIsr: boolean;
  poll: boolean;
  /** Input of lowest priority. */
  lowest: number;
  /** Which initialisation word comes next, 0 when initialised. */
  icw: number;
  needsIcw4: boolean;
  single: boolean;
}

/** How the state of a pair is kept. */
export const PICS_STATE = record<{ master: PicState; slave: PicState }>({
  master: picState(),
  slave: picState(),
});

function picState() {
  return record<PicState>({
    ...{ lines: u8, edges: u8, isr: u8, imr: u8, elcr: u8, levelMode: flag, vectorBase: u8, autoEoi: flag },
    ...{ rotateAutoEoi: flag, fullyNested: flag, specialMask: flag, readIsr: flag, poll: flag },
    ...{ lowest: integer(0, 7), icw: integer(0, 4), needsIcw4: flag, single: flag },
  });
}

function resetState(): PicState {
  return {
    lines: 0,
    edges: 0,
    isr: 0,
    imr: 0,
    elcr: 0,
    levelMode: false,
    vectorBase: 0,
    autoEoi: false,
    rotateAutoEoi: false,
    fullyNested: false,
    specialMask: false,
    readIsr: false,
    poll: false,
    lowest: 7,
    icw: 0,
    needsIcw4: false,
    single: false,
  };
}

/** One 8259A programmable interrupt controller in 8086 mode: ports 0 (command) and 1 (mask). */
export class Pic8259 extends Stateful<PicState> implements PortDevice {
  private readonly interrupt: InterruptLine;
  private readonly elcrWritable: number;

  /** `elcrWritable`: inputs whose trigger mode the edge/level control register may change. */
  constructor(interrupt: InterruptLine, elcrWritable: number) {
    super(resetState());
    this.interrupt = interrupt;
    this.elcrWritable = elcrWritable;
  }

  /** Drives input `line` (0 to 7). */
  setLine(line: number, level: boolean): void {
    const { state } = this;
    const bit = 1 << line;
    if (level === ((state.lines & bit) !== 0)) return;
    state.lines ^= bit;
    if (level) state.edges |= bit;
    else state.edges &= ~bit;
    this.update();
  }

  get elcr(): number {
    return this.state.elcr;
  }

  set elcr(value: number) {
    this.state.elcr = value & this.elcrWritable;
    this.update();
  }

  private get requests(): number {
    const { state } = this;
    const level = state.levelMode ? 0xff : state.elcr;
    return (state.edges & ~level) | (state.lines & level);
  }

  /** The input with the highest priority in `bits`, or -1. */
  private highest(bits: number): number {
    for (let i = 1; i <= 8; i++) {
      const line = (this.state.lowest + i) & 7;
      if ((bits & (1 << line)) !== 0) return line;
    }
    return -1;
  }

  private priority(line: number): number {
    return (line - this.state.lowest - 1) & 7;
  }

  /** The request that the controller would pass on now, or -1. */
  private pending(): number {
    const { state } = this;
    const wanted = this.requests & ~state.imr;
    // In special mask mode an input in service holds back itself only.
    if (state.specialMask) return this.highest(wanted & ~state.isr);
    const line = this.highest(wanted);
    const serving = this.highest(state.isr);
    if (line < 0 || serving < 0) return line;
    const nested = state.fullyNested && serving === CASCADE && line === CASCADE;
    return this.priority(line) < this.priority(serving) || nested ? line : -1;
  }

  private update(): void {
    this.interrupt(this.pending() >= 0);
  }

  /** Whether the interrupt output is active. */
  get requesting(): boolean {
    return this.pending() >= 0;
  }

  /** Takes the pending request into service. Returns its input, or -1 if none was pending. */
  accept(): number {
    const { state } = this;
    const line = this.pending();
    if (line >= 0) {
      state.edges &= ~(1 << line);
      if (!state.autoEoi) state.isr |= 1 << line;
      else if (state.rotateAutoEoi) state.lowest = line;
      this.update();
    }
    return line;
  }

  /** Vector for input `line`; a missing request (-1) has that of input 7. */
  vector(line: number): number {
    return this.state.vectorBase | (line < 0 ? SPURIOUS : line);
  }

  readPort(offset: number): number {
    const { state } = this;
    if (state.poll) {
      // A poll takes the place of an acknowledge cycle.
      state.poll = false;
      const line = this.accept();
      return line < 0 ? 0 : 0x80 | line;
    }
    if ((offset & 1) === 1) return state.imr;
    return state.readIsr ? state.isr : this.requests;
  }

  writePort(offset: number, value: number): void {
    if ((offset & 1) === 1) this.writeData(value);
    else if ((value & ICW1.isIcw1) !== 0) this.initialise(value);
    else if ((value & OCW3.isOcw3) !== 0) this.writeOcw3(value);
    else this.writeOcw2(value >>> 5, value & 7);
    this.update();
  }

  /** ICW1 clears the edge detectors, mask, in-service bits and modes, but not the inputs (data sheet, ICW1). */
  private initialise(icw1: number): void {
    const { lines, elcr, vectorBase } = this.state;
    Object.assign(this.state, resetState(), {
      lines,
      elcr,
      vectorBase,
      icw: 2,
      levelMode: (icw1 & ICW1.level) !== 0,
      needsIcw4: (icw1 & ICW1.needsIcw4) !== 0,
      single: (icw1 & ICW1.single) !== 0,
    });
  }

  private writeData(value: number): void {
    const { state } = this;
    switch (state.icw) {
      case 2:
        state.vectorBase = value & 0xf8;
        state.icw = !state.single ? 3 : state.needsIcw4 ? 4 : 0;
        return;
      case 3:
        // Where the slave sits is wired on every PC-like board: the word itself changes nothing.
        state.icw = state.needsIcw4 ? 4 : 0;
        return;
      case 4:
        state.autoEoi = (value & ICW4.autoEoi) !== 0;
        state.fullyNested = (value & ICW4.fullyNested) !== 0;
        state.icw = 0;
        return;
      default:
        state.imr = value;
    }
  }

  private writeOcw3(value: number): void {
    const { state } = this;
    if ((value & OCW3.poll) !== 0) state.poll = true;
    if ((value & OCW3.readSelect) !== 0) state.readIsr = (value & OCW3.readIsr) !== 0;
    if ((value & OCW3.setSpecialMask) !== 0) state.specialMask = (value & OCW3.specialMask) !== 0;
  }

  private writeOcw2(command: number, line: number): void {
    const { state } = this;
    switch (command) {
      case OCW2.eoi:
      case OCW2.rotateEoi: {
        const served = this.highest(state.specialMask ? state.isr & ~state.imr : state.isr);
        if (served < 0) return;
        state.isr &= ~(1 << served);
        if (command === OCW2.rotateEoi) state.lowest = served;
        return;
      }
      case OCW2.rotateSpecificEoi:
        state.isr &= ~(1 << line);
        state.lowest = line;
        return;
      case OCW2.specificEoi:
        state.isr &= ~(1 << line);
        return;
      case OCW2.setPriority:
        state.lowest = line;
        return;
      case OCW2.rotateAuto:
        state.rotateAutoEoi = true;
        return;
      case OCW2.stopRotateAuto:
        state.rotateAutoEoi = false;
    }
  }
}

/** Inputs that the PIIX4 keeps edge-triggered: timer, keyboard, cascade; RTC, coprocessor (PIIX4 4.2.4). */
const ELCR_MASTER = 0xf8;
const ELCR_SLAVE = 0xde;

/** Two 8259A, the slave on input 2 of the master: the sixteen ISA interrupts, and their trigger modes. */
export class PicPair {
  readonly master: Pic8259;
  readonly slave: Pic8259;
  /** Ports 4D0h and 4D1h: the edge/level control registers. */
  readonly elcrPorts: PortDevice;

  /** `interrupt` is the output of the pair, for the CPU. */
  constructor(interrupt: InterruptLine) {
    this.master = new Pic8259(interrupt, ELCR_MASTER);
    this.slave = new Pic8259((level) => this.master.setLine(CASCADE, level), ELCR_SLAVE);
    this.elcrPorts = {
      readPort: (offset) => this.chip(offset * 8).elcr,
      writePort: (offset, value) => {
        this.chip(offset * 8).elcr = value;
      },
    };
  }

  private chip(irq: number): Pic8259 {
    return irq < 8 ? this.master : this.slave;
  }

  /** Drives ISA interrupt `irq` (0 to 15, not 2). */
  setLine(irq: number, level: boolean): void {
    this.chip(irq).setLine(irq & 7, level);
  }

  /** The line of one ISA interrupt. */
  line(irq: number): InterruptLine {
    return (level) => this.setLine(irq, level);
  }

  /** An interrupt-acknowledge cycle: takes the most urgent request into service and returns its vector. */
  acknowledge(): number {
    const line = this.master.accept();
    if (line !== CASCADE) return this.master.vector(line);
    const slaveLine = this.slave.accept();
    // A slave that still requests has dropped its output in between: the master must see the new edge.
    if (this.slave.requesting) {
      this.master.setLine(CASCADE, false);
      this.master.setLine(CASCADE, true);
    }
    return this.slave.vector(slaveLine);
  }

  snapshot(): { master: PicState; slave: PicState } {
    return { master: this.master.snapshot(), slave: this.slave.snapshot() };
  }

  restore(state: { master: PicState; slave: PicState }): void {
    this.master.restore(state.master);
    this.slave.restore(state.slave);
  }
}
