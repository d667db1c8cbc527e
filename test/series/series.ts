import { ASIDS } from "./patches-asids.ts";
import { CLEANUP } from "./patches-cleanup.ts";
import { FAULTS } from "./patches-faults.ts";
import { GROUNDWORK } from "./patches-groundwork.ts";
import { TABLES } from "./patches-tables.ts";
import type { Host, Patch } from "./patch.ts";

/** The series, in order. */
export const SERIES: readonly Patch[] = [...GROUNDWORK, ...ASIDS, ...TABLES, ...FAULTS, ...CLEANUP];

/** What a patch's test said on one host. */
export interface Outcome extends Host {
  readonly patch: number;
  readonly passed: boolean;
  /** What failed, in one line. */
  readonly message: string;
  /** True if an assertion of the test failed, not something on the way to it. */
  readonly asserted: boolean;
}

/** Runs the test of `patch` on `host`. */
export function runPatch(patch: Patch, host: Host): Outcome {
  const result = { patch: patch.number, ...host };
  try {
    patch.test(host);
    return { ...result, passed: true, message: "", asserted: false };
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    const line = message.split("\n")[0]!;
    return { ...result, passed: false, message: line, asserted: name === "AssertionError" };
  }
}
