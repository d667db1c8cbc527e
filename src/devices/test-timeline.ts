import { MachineTimeline } from "../machine/machine-timeline.ts";

/** A timeline for tests, which move it by hand. */
export class TestTimeline extends MachineTimeline {
  constructor() {
    super(() => 0);
  }

  /** Lets `ticks` pass and runs, at their times, the timers that fall due. */
  override pass(ticks: number): void {
    const end = this.now() + ticks;
    while (this.untilNextTimer() <= end - this.now()) {
      this.skipTo(end);
      this.fireDue();
    }
    this.retire(end - this.now());
  }
}
