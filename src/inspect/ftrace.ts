/**
 * Traces as text, in the format of the kernel's `trace` file (Linux, Documentation/trace/ftrace.rst). KVM's events are
 * printed as KVM for MIPS prints them; ours as `name=value`.
 */
import { HWR_REGISTER, TRACE_EXIT, type Tracer } from "../kvm/trace.ts";
import { TICKS_PER_SECOND } from "../machine/timeline.ts";
import {
  ADDRESS_FIELDS,
  auxOperation,
  hwrName,
  hwrOperation,
  tracerOf,
  type TraceEvent,
  type TraceWriter,
} from "./trace-event.ts";
import { TraceOutput } from "./trace-output.ts";

const HEADER = `# tracer: nop
#
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
#              | |         |   |||||     |         |
`;

/** KVM's names of its exit reasons. */
const EXIT_NAMES: ReadonlyMap<number, string> = new Map([
  [0, "Interrupt"],
  [1, "TLB Mod"],
  [2, "TLB Miss (LD)"],
  [3, "TLB Miss (ST)"],
  [4, "Address Error (LD)"],
  [5, "Address Err (ST)"],
  [8, "System Call"],
  [9, "Break Inst"],
  [10, "Reserved Inst"],
  [11, "COP0/1 Unusable"],
  [13, "Trap Inst"],
  [14, "MSA FPE"],
  [15, "FPE"],
  [21, "MSA Disabled"],
  [TRACE_EXIT.WAIT, "WAIT"],
  [TRACE_EXIT.CACHE, "CACHE"],
  [TRACE_EXIT.SIGNAL, "Signal"],
]);

const hex = (value: number, digits = 8): string => `0x${value.toString(16).padStart(digits, "0")}`;

/** What is behind an event's name. */
function details({ name, fields }: TraceEvent): string {
  const number = (field: string): number => Number(fields[field]);
  const pc = `PC: ${hex(number("pc"))}`;
  switch (name) {
    case "kvm_enter":
    case "kvm_reenter":
    case "kvm_out":
      return pc;
    case "kvm_exit": {
      const reason = number("reason");
      return `[${EXIT_NAMES.get(reason) ?? hex(reason, 1)}]${pc}`;
    }
    case "kvm_hwr": {
      const reg = number("reg");
      const unit = (reg & HWR_REGISTER) === 0 ? "COP0" : "HWR";
      const place = `${unit}:${(reg >>> 3) & 31}:${reg & 7}`;
      return `${hwrOperation(number("op"))} ${hwrName(reg)} (${place}) ${hex(number("val"))}`;
    }
    case "kvm_aux":
      return `${auxOperation(number("op"))} FPU ${pc}`;
    case "kvm_asid_change":
      return `${pc} old: ${hex(number("old_asid"), 2)} new: ${hex(number("new_asid"), 2)}`;
    default:
      return Object.entries(fields)
        .map(([field, value]) => `${field}=${ADDRESS_FIELDS.has(field) ? hex(Number(value), 1) : value}`)
        .join(" ");
  }
}

/** A trace as text, written as it goes. */
export class FtraceText implements TraceWriter {
  readonly tracer: Tracer;
  private readonly output: TraceOutput;
  private readonly time: () => number;
  private last = 0;

  /** `write` takes pieces of the file; `time` is the guest's in ticks. */
  constructor(write: (bytes: Uint8Array) => void, time: () => number) {
    this.output = new TraceOutput(write);
    this.time = time;
    this.tracer = tracerOf((event) => this.event(event));
    this.output.addText(HEADER);
  }

  private event(event: TraceEvent): void {
    // An instruction that is executed again takes back the time that it took.
    this.last = Math.max(this.last, this.time());
    const seconds = (this.last / TICKS_PER_SECOND).toFixed(9);
    const line = `            vcpu-1       [000] ..... ${seconds.padStart(15)}: ${event.name}: ${details(event)}\n`;
    this.output.addText(line);
  }

  /** The format has no counters. */
  sample(): void {}

  finish(): void {
    this.output.flush();
  }
}
