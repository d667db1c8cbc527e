import type { Timeline } from "../machine/timeline.ts";
import { cyclesIn } from "./cycles.ts";
import type { Pit8254 } from "./i8254.ts";
import type { PortDevice } from "./isa-ports.ts";
import { integer, record } from "../state/fields.ts";
import { Stateful } from "./state.ts";

/** Bits of port 61h (PIIX4 4.2.5.1). */
const PORT61 = { gate2: 1, speaker: 2, writable: 0x0f, refresh: 0x10, output2: 0x20 } as const;
/** The refresh bit changes about every 15 us, as counter 1 did on the PC/AT. */
const REFRESH_HZ = 66_288;

/** How its state is kept. */
export const PORT61_STATE = record<{ control: number }>({ control: integer(0, PORT61.writable) });

/** Port 61h: gate and output of the speaker's counter, and the refresh bit that old delay loops watch. */
export class Port61 extends Stateful<{ control: number }> implements PortDevice {
  private readonly pit: Pit8254;
  private readonly timeline: Timeline;

  constructor(pit: Pit8254, timeline: Timeline) {
    super({ control: 0 });
    this.pit = pit;
    this.timeline = timeline;
  }

  readPort(): number {
    const refresh = cyclesIn(this.timeline.now(), REFRESH_HZ) % 2 === 1;
    return this.state.control | (refresh ? PORT61.refresh : 0) | (this.pit.speaker ? PORT61.output2 : 0);
  }

  writePort(_offset: number, value: number): void {
    this.state.control = value & PORT61.writable;
    this.pit.setGate((value & PORT61.gate2) !== 0);
  }
}
