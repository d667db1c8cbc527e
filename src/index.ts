/**
 * kseg: a MIPS hypervisor and the MIPS machine under it. This is all that the package offers (`kseg`; for pages there
 * is `kseg/web` besides): the command line, the page and the examples use nothing else, and nothing else is kept stable
 * between versions. `docs/api.md` is made of it, with the comments between the groups as its headings.
 */

// Making and running a guest
export { createGuest, restoreGuest, type RestoreConfig } from "./vmm/create-guest.ts";
export {
  GuestBusyError,
  GuestConfigError,
  type Guest,
  type GuestConfig,
  type Mode,
  type RunResult,
} from "./guest.ts";
export type { Stats } from "./stats.ts";
export { TICKS_PER_SECOND } from "./machine/timeline.ts";
export { snapshotConfig, type SnapshotConfig } from "./vmm/snapshot-config.ts";
export { SnapshotError } from "./state/snapshot-error.ts";

// Back in time
export { createTimeTravel, replayGuest, restoreTimeTravel } from "./vmm/create-time-travel.ts";
export { DivergenceError, type TimeTravel, type TimeTravelOptions } from "./vmm/time-travel.ts";
export type { Moment } from "./vmm/input-log.ts";

// Hosts and devices
export {
  CPU_MODELS,
  DEFAULT_CPU_MODEL,
  type CpuModel,
  type FpuModel,
  type FtlbModel,
} from "./machine/cpu-models.ts";
export type { Device, DeviceConfig, DeviceSurroundings } from "./device.ts";
export { MALTA_FREE_IRQS as FREE_IRQS } from "./boards/malta/malta-map.ts";
export type { MmioDevice } from "./machine/bus.ts";
export type { Endian } from "./machine/memory.ts";

// Debugging
export {
  DebugMemoryError,
  type Breakpoint,
  type DebugRegister,
  type DebugStop,
  type DebugView,
  type PointOptions,
  type RegisterGroup,
  type ReverseResult,
  type ReverseRun,
  type ReversibleGuest,
  type Watchpoint,
} from "./debug.ts";
export { GdbSession, type DebuggedGuest, type Wanted } from "./gdb/index.ts";

// Looking at a guest and its host
export {
  explanationText,
  type AccessKind,
  type AddressSpace,
  type CodeView,
  type Cp0View,
  type Explanation,
  type GuestMode,
  type GvaMapView,
  type HostTlbEntryView,
  type Inspection,
  type ModeExplanation,
  type Outcome,
  type PageTableView,
  type PhysicalRegionView,
  type PteView,
  type RaisedException,
  type RegistersView,
  type RootName,
  type RootView,
  type Step,
  type TlbEntryView,
  type TlbHalfView,
  type Verdict,
} from "./inspect/index.ts";

// Traces
export { FtraceText, PerfettoTrace, type TraceWriter } from "./inspect/index.ts";
export type { Tracer } from "./kvm/trace.ts";

// Code: making it, reading it, and that of the hypervisor
export { Assembler, type AssemblerTarget } from "./uasm/assembler.ts";
export type { Label } from "./uasm/label.ts";
export type { ListingLine } from "./uasm/listing.ts";
export { CP0 } from "./isa/cp0.ts";
export { VECTOR_OFFSET } from "./isa/exceptions.ts";
export { GPR, type GprName } from "./isa/registers.ts";
export type { IsaLevel } from "./isa/row.ts";
export { disassemble, type DisassembleOptions } from "./isa/disassemble.ts";
export { ElfError, kernelSymbols, type ElfEndian } from "./loader/elf.ts";
export { makeExecutable, type Piece, type Program } from "./loader/executable.ts";
export { CODE_PARTS, generatedCode, type CodePart } from "./vmm/generated-code.ts";
