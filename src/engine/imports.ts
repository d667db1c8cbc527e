import type { HelperName } from "../isa/ir.ts";

/** Size that asks for the aligned word around an address (LWL, LWR). */
export const LOAD_AROUND = 0;
/** Sizes that stand for SWL and SWR. */
export const STORE_PART = { left: 5, right: 6 } as const;

type SlowPath =
  | "decode"
  | "reserved"
  | "breakpoint"
  | "fetch"
  | "raise"
  | "load"
  | "store"
  | "loadUser"
  | "storeUser"
  | "loadLinked"
  | "storeConditional"
  | "loadLinkedUser"
  | "storeConditionalUser"
  | "served"
  | "linkToRam"
  | "storeToRam"
  | "modeChanged";
export type ImportName = SlowPath | HelperName;

/** Slow paths of accesses, which translated code reaches through a function of the interpreter's module. */
export const SLOW_ACCESSES = ["load", "store", "loadUser", "storeUser"] as const;
export type SlowAccess = (typeof SLOW_ACCESSES)[number];

/** Name under which the interpreter's module exports a slow path for translated code. */
export const slowName = (access: SlowAccess): string => `slow:${access}`;

/** What generated code calls outside, and how many 32-bit arguments it passes. All return one integer. */
export const IMPORTS: Readonly<Record<ImportName, number>> = {
  /** (record): writes the record. */
  decode: 1,
  /** (word): raises what an instruction that does not exist raises. */
  reserved: 1,
  /** (record) → the operation that the record stands for, or -1: the engine is to stop in front of it. */
  breakpoint: 1,
  /** (va) → memory offset of the decoded code page, or 0 after a fault. */
  fetch: 1,
  /** (exception code). */
  raise: 1,
  /** (va, size) → memory offset where the value lies, or 0 after a fault. */
  load: 2,
  /** (va, size, value) → 0 after a fault. */
  store: 3,
  /** The same for user-access instructions; coprocessor 0 may be unusable. */
  loadUser: 2,
  storeUser: 3,
  /** (va) → memory offset of the word, or 0 after a fault. */
  loadLinked: 1,
  /** (va, value) → 0 after a fault, 1 if LLbit was clear, 2 if the word was stored. */
  storeConditional: 2,
  loadLinkedUser: 1,
  storeConditionalUser: 2,
  /** (memory offset): the value of the current load lies there; the careful interpreter is to take it. */
  served: 1,
  /** LL: (va) → memory offset of the word, or 0: nothing has happened then. */
  linkToRam: 1,
  /** SC: (va, value) → 1 if the word was stored, 0 if LLbit was clear, -1: nothing has happened. */
  storeToRam: 2,
  /** The mode has changed: time may stop or go on. */
  modeChanged: 0,
  mfc0: 2,
  mtc0: 3,
  mfhc0: 2,
  mthc0: 3,
  rdpgpr: 1,
  wrpgpr: 2,
  di: 0,
  ei: 0,
  tlbp: 0,
  tlbr: 0,
  tlbwi: 0,
  tlbwr: 0,
  tlbinv: 0,
  tlbinvf: 0,
  eret: 0,
  eretnc: 0,
  deret: 0,
  wait: 0,
  cache: 2,
  cachee: 2,
  prefe: 0,
  synci: 1,
  rdhwr: 1,
  sdbbp: 1,
  cfc1: 1,
  ctc1: 2,
  mfhc1: 1,
  mthc1: 2,
  ldc1: 2,
  sdc1: 2,
  ldxc1: 2,
  sdxc1: 2,
  luxc1: 2,
  suxc1: 2,
  fpuOperate: 5,
  fpuMultiplyAdd: 6,
  fpuCompare: 5,
  fpuMoveIf: 4,
  coprocessorUnusable: 1,
};
