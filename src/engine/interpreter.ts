import type { Machine } from "../machine/machine.ts";
import { buildChain, buildDriver, buildEnter, buildNotTranslated } from "./chain.ts";
import { buildComeBack } from "./come-back.ts";
import { buildSpill, type Variant } from "./interpreter-frame.ts";
import { Interpreter } from "./interpreter-operations.ts";
import { addQuickForms } from "./quick/quick-forms.ts";
import { buildSlowAccess } from "./slow-access.ts";
import { IMPORTS, SLOW_ACCESSES, slowName, type ImportName } from "./imports.ts";
import { COME_BACK_TYPE, REGION_TYPE, SLOW_ACCESS_TYPE } from "./translator/calling.ts";
import type { Code } from "./wasm/code.ts";
import { i32Function, ModuleBuilder } from "./wasm/module.ts";

/**
 * Generates the interpreter: one WebAssembly function that dispatches with br_table over pre-decoded records.
 *
 * Two record pointers make delay slots free of charge: each dispatch takes
 *
 *     current <- next;  next <- current + 8
 *
 * and a taken branch in the same page dispatches its delay slot itself, with the target as `next`. Leaving the
 * page goes through the record `fetchRecord`, whose operation looks `pendingTarget` up in the code bank. Walking
 * off the end of a page meets the `pageEnd` records that each page has behind its last one.
 *
 * `branchRecord` is the branch executed last; an instruction is in a delay slot if and only if it is the record
 * behind it. A branch to its own delay slot would break that rule, so it takes the long way, and every fetch
 * sets `branchRecord` to none. PC is not kept: it is (current >>> 1) + pcDelta, records being twice as long as
 * instructions.
 *
 * With `quick`, the module has quick forms of operations as well, for one CPU.
 */
export function buildInterpreter(
  machine: Machine,
  fetchRecord: number,
  quick: boolean,
): Uint8Array<ArrayBuffer> {
  const { endian, plan } = machine.memory;
  const module = new ModuleBuilder("interpreter");
  const regionType = module.typeIndex(REGION_TYPE);
  const imports = new Map<ImportName, number>();
  for (const [name, parameters] of Object.entries(IMPORTS))
    imports.set(name as ImportName, module.importFunction(name, i32Function(parameters, true)));
  // What generated code calls.
  const called = new Map(imports);
  if (quick) addQuickForms(module, machine, imports, called);
  const spill = module.addFunction(i32Function(6, false), buildSpill(fetchRecord), "spill");
  module.importTable();
  const variant = (name: Variant): Code => new Interpreter(endian, fetchRecord, called, spill, name).build();
  const fast = module.addFunction(i32Function(0, true), variant("fast"), "fast");
  const careful = module.exportFunction(i32Function(1, true), variant("careful"), "careful");
  const chain = module.addFunction(
    i32Function(0, true),
    buildChain(regionType, called.get("fetch")!),
    "chain",
  );
  module.exportFunction(REGION_TYPE, buildEnter(regionType), "enter");
  module.exportFunction(REGION_TYPE, buildNotTranslated(), "notTranslated");
  module.exportFunction(COME_BACK_TYPE, buildComeBack(regionType), "comeBack");
  for (const name of SLOW_ACCESSES) {
    const isStore = name === "store" || name === "storeUser";
    const served = isStore ? null : called.get("served")!;
    const body = buildSlowAccess(called.get(name)!, served);
    module.exportFunction(SLOW_ACCESS_TYPE, body, slowName(name));
  }
  module.exportFunction(i32Function(0, true), buildDriver(fast, careful, chain), "run");
  return module.build(plan.totalBytes / 65536);
}
