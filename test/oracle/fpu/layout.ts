/**
 * Where everything lies in the bare image of FPU programs, as physical addresses.
 *
 *     0          exception vectors
 *     1000       driver
 *     10000      variables
 *     100000     records: what a program starts from, its data and its code
 *     800000     results: what came of it
 */
export const DRIVER = 0x1000;
export const VARIABLES = 0x1_0000;
export const RECORDS = 0x10_0000;
export const RESULTS = 0x80_0000;
export const RAM_BYTES = 0x200_0000;
export const KSEG0 = 0x8000_0000;

/** Variables: byte offsets from VARIABLES. */
export const VARIABLE = { count: 0, index: 4 } as const;

/** A record: byte offsets. */
export const RECORD = {
  /** FPU registers, 64 bits each. */
  fpr: 0,
  fcsr: 0x100,
  /** Status when the program starts. */
  status: 0x104,
  /** t0 to t7. */
  gpr: 0x108,
  /** Doubles, singles, and room for stores. */
  data: 0x140,
  code: 0x400,
  bytes: 0x1000,
} as const;
export const DATA = { doubles: 0, singles: 0x100, room: 0x180, bytes: 0x200 } as const;
export const MAX_CODE_WORDS = (RECORD.bytes - RECORD.code) / 4;

/** A result: byte offsets. */
export const RESULT = {
  fpr: 0,
  /** FIR, FCCR, FEXR, FENR, FCSR, Status, Config1, and where the trace ends. */
  control: 0x100,
  gpr: 0x120,
  data: 0x140,
  trace: 0x400,
  bytes: 0x1000,
} as const;
export const CONTROLS = ["FIR", "FCCR", "FEXR", "FENR", "FCSR", "Status", "Config1", "trace end"] as const;

/** Bytes of an entry of the trace: a checkpoint, or an exception. */
export const TRACE_BYTES = 16;
/** Programs to an image. */
export const MAX_PROGRAMS = Math.min(
  (RESULTS - RECORDS) / RECORD.bytes,
  (RAM_BYTES - RESULTS) / RESULT.bytes,
);
