/** Has Node's WebAssembly compiler use what the engine says about branches. */
import process from "node:process";
import { setFlagsFromString } from "node:v8";

/** Versions of V8 that read the section "metadata.code.branch_hint", but only if told to. */
const HEEDS_IF_TOLD: ReadonlySet<string> = new Set(["13", "14"]);

/**
 * From here on V8 compiles modules with their branch hints: what slow paths need does not take registers from the
 * fast ones. The hints change nothing else, and a V8 that does not know them ignores the section.
 */
export function heedBranchHints(): void {
  const [major] = process.versions.v8.split(".");
  if (HEEDS_IF_TOLD.has(major!)) setFlagsFromString("--experimental-wasm-branch-hinting");
}
