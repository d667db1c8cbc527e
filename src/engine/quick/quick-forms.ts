import type { Machine } from "../../machine/machine.ts";
import { IMPORTS, type ImportName } from "../imports.ts";
import type { Code } from "../wasm/code.ts";
import { i32Function, type ModuleBuilder } from "../wasm/module.ts";
import {
  buildFetch,
  buildLinkToRam,
  buildLoad,
  buildStore,
  buildStoreToRam,
  emitEnterRefilled,
} from "./accesses.ts";
import {
  buildEnterException,
  buildEret,
  buildInstructionAt,
  buildMtc0,
  buildPrivileged,
  buildRaise,
} from "./exceptions.ts";
import type { QuickTarget } from "./target.ts";
import { buildProbe, buildTlbp, buildTlbwi, buildTlbwr } from "./tlb.ts";

/** Those of which only one case is quick: that coprocessor 0 is not usable, by which guests' kernels leave user mode. */
const PRIVILEGED = [
  ...["mfc0", "mfhc0", "mthc0", "rdpgpr", "wrpgpr", "di", "ei", "tlbr", "tlbinv", "tlbinvf"],
  ...["eretnc", "wait", "cache"],
] as readonly ImportName[];

/** The operations that have a quick form. */
export const QUICK_FORMS = [
  ...PRIVILEGED,
  ...["raise", "eret", "mtc0", "tlbp", "tlbwi", "tlbwr"],
  ...["load", "store", "fetch", "linkToRam", "storeToRam"],
] as readonly ImportName[];

/** Name under which the interpreter's module exports a quick form for translated code. */
export const quickName = (name: ImportName): string => `quick:${name}`;

/**
 * Adds quick forms of operations to a module: they do in WebAssembly what is common, and call the complete form in
 * TypeScript for all else, before anything has changed. `called` says from now on that they are called instead.
 */
export function addQuickForms(
  module: ModuleBuilder,
  machine: Machine,
  imports: ReadonlyMap<ImportName, number>,
  called: Map<ImportName, number>,
): void {
  const target: QuickTarget = { machine, complete: (name) => imports.get(name)! };
  const add = (name: string, parameters: number, body: Code): number =>
    module.addFunction(i32Function(parameters, true), body, name);
  const instructionAt = add("instructionAt", 1, buildInstructionAt());
  const enterException = add("enterException", 2, buildEnterException(target, instructionAt));
  const probe = add("probe", 1, buildProbe(target));
  const form = (name: ImportName, parameters: number, body: Code): number => {
    const index = module.exportFunction(i32Function(parameters, true), body, quickName(name));
    called.set(name, index);
    return index;
  };
  const raise = form("raise", 1, buildRaise(target, enterException));
  for (const name of PRIVILEGED)
    form(name, IMPORTS[name], buildPrivileged(target, name, IMPORTS[name], raise));
  form("eret", 0, buildEret(target, raise));
  form("mtc0", 3, buildMtc0(target, raise));
  form("tlbp", 0, buildTlbp(target, probe, raise));
  form("tlbwi", 0, buildTlbwi(target, raise));
  form("tlbwr", 0, buildTlbwr(target, emitEnterRefilled, raise));
  const helpers = { probe, enterException };
  form("load", 2, buildLoad(target, helpers));
  form("store", 3, buildStore(target, helpers));
  form("fetch", 1, buildFetch(target, helpers));
  form("linkToRam", 1, buildLinkToRam(target, helpers));
  form("storeToRam", 2, buildStoreToRam(target));
}
