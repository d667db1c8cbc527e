import type { Machine } from "../../machine/machine.ts";
import type { ImportName } from "../imports.ts";

/** What the quick forms of operations depend on. */
export interface QuickTarget {
  readonly machine: Machine;
  /** Function index of the complete form of an operation, or of what else generated code calls outside. */
  readonly complete: (name: ImportName) => number;
}
