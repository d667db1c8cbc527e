import type { HelperName } from "../../isa/ir.ts";
import type { SlowAccess } from "../imports.ts";
import { I32 } from "../wasm/code.ts";
import { i32Function, type FunctionType } from "../wasm/module.ts";

/**
 * What translated code calls: `enter` goes on at an address, `comeBack` has exception handlers come back (`buildComeBack`),
 * the others are the engine's slow paths.
 */
export type CallTarget =
  "enter" | "comeBack" | SlowAccess | "raise" | "linkToRam" | "storeToRam" | HelperName;

/** How a region reaches other regions and the engine. */
export interface Linkage {
  /** Type index of regions, for indirect calls. */
  readonly regionType: number;
  /** Index of what the module imports. */
  readonly imported: (name: CallTarget) => number;
  /** Index of the function in the same module for code at `offset` of the same page, or null. */
  readonly inModule: (offset: number) => number | null;
  /** Memory offset of the table index (u16) of the translation at `offset` of the same page. */
  readonly functionAt: (offset: number) => number;
  /**
   * For code whose place in RAM no mapping decides: memory offset of its page's word in the code map, or null.
   */
  readonly codeMapWord: (va: number) => number | null;
}

/**
 * A translated function takes PC, the instructions that may still be executed, and how many calls deep it may go;
 * it returns PC and what remains of the instructions. A negative number instead of that says how it left:
 * ~remaining in front of an instruction for the careful interpreter, {@link STATE_LEFT} with everything in the
 * state block.
 */
export const REGION_TYPE: FunctionType = { parameters: [I32, I32, I32], results: [I32, I32] };

/** Parameter of a slow access: its size, and the instructions of the block that come behind it. */
export const slowAccess = (size: number, behind: number): number => (behind << SLOW_SIZE_BITS) | size;
export const SLOW_SIZE_BITS = 3;

/** The interpreter's slow paths as translated code calls them: see `buildSlowAccess`. */
export const SLOW_ACCESS_TYPE = i32Function(5, true);

/** Type of `comeBack`. */
export const COME_BACK_TYPE = i32Function(2, true);

/** Returned in place of the remaining instructions: PC, and what else there is, are in the state block. */
export const STATE_LEFT = -0x8000_0000;
