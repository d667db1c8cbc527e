/**
 * kseg: a MIPS hypervisor and the MIPS machine under it. This is all that the package offers (`kseg`; for pages there
 * is `kseg/web` besides): the command line, the page and the examples use nothing else, and nothing else is kept stable.
 */
export { createGuest, restoreGuest, type RestoreConfig } from "./vmm/create-guest.ts";
export { createTimeTravel, replayGuest, restoreTimeTravel } from "./vmm/create-time-travel.ts";
export { DivergenceError, type Moment, type TimeTravel, type TimeTravelOptions } from "./vmm/time-travel.ts";
export { SnapshotError } from "./state/snapshot-error.ts";
export { CODE_PARTS, generatedCode, type CodePart } from "./vmm/generated-code.ts";
export {
  GuestBusyError,
  GuestConfigError,
  type Guest,
  type GuestConfig,
  type Mode,
  type RunResult,
} from "./guest.ts";
export {
  explanationText,
  FtraceText,
  guestTlbText,
  hostTlbText,
  PerfettoTrace,
  rootsText,
  type CodeView,
  type Cp0View,
  type Explanation,
  type GvaMapView,
  type HostTlbEntryView,
  type Inspection,
  type ModeExplanation,
  type RegistersView,
  type RootName,
  type RootView,
  type TlbEntryView,
  type TlbHalfView,
  type TraceWriter,
} from "./inspect/index.ts";
export {
  DebugMemoryError,
  type Breakpoint,
  type DebugRegister,
  type DebugStop,
  type DebugView,
  type PointOptions,
  type RegisterGroup,
  type Watchpoint,
} from "./debug.ts";
export type { Device, DeviceConfig, DeviceSurroundings } from "./device.ts";
export { MALTA_FREE_IRQS as FREE_IRQS } from "./boards/malta/malta-map.ts";
export type { Tracer } from "./kvm/trace.ts";
export { GdbSession, type DebuggedGuest, type Wanted } from "./gdb/index.ts";
export type { Stats } from "./stats.ts";
export { CPU_MODELS, DEFAULT_CPU_MODEL, type CpuModel } from "./machine/cpu-models.ts";
export { TICKS_PER_SECOND } from "./machine/timeline.ts";
export { Assembler } from "./uasm/assembler.ts";
export { CP0 } from "./isa/cp0.ts";
export { disassemble } from "./isa/disassemble.ts";
export { ElfError, kernelSymbols } from "./loader/elf.ts";
export { makeExecutable, type Piece, type Program } from "./loader/executable.ts";
export { VECTOR_OFFSET } from "./isa/exceptions.ts";
export { GPR } from "./isa/registers.ts";
