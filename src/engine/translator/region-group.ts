import { CODE_PAGE } from "../../machine/state-layout.ts";
import { IMPORTS, SLOW_ACCESSES, type SlowAccess } from "../imports.ts";
import { i32Function, ModuleBuilder, type FunctionType } from "../wasm/module.ts";
import { COME_BACK_TYPE, REGION_TYPE, SLOW_ACCESS_TYPE, type CallTarget } from "./calling.ts";
import type { Instruction, Region } from "./region.ts";
import { translateRegion, type TargetCpu } from "./translate-region.ts";

/** A region, and the decoded code page (memory offset) that it is of. */
export interface PlacedRegion {
  readonly region: Region;
  readonly records: number;
}

/** What the module of a group depends on beside the guest's code. */
export interface GroupTarget extends TargetCpu {
  /** Size of the memory, in WebAssembly's pages of 64 KiB. */
  readonly memoryPages: number;
  /** Where the code map has the page of an address whose translation is fixed: a memory offset, or null. */
  readonly codeMapWord: (va: number) => number | null;
}

/** Name under which the module of a group exports its region number `n`. */
export const regionName = (n: number): string => `r${n}`;

/** The binary module of regions that are translated together. */
export function groupModule(group: readonly PlacedRegion[], target: GroupTarget): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder("translated");
  module.importTable();
  const targets = new Map<CallTarget, number>();
  targets.set("enter", module.importFunction("enter", REGION_TYPE));
  for (const name of calledBy(group)) targets.set(name, module.importFunction(name, typeOf(name)));
  const functionOf = new Map<number, number>();
  group.forEach(({ records, region }, n) => {
    for (const entry of region.entries) functionOf.set(records + entry, targets.size + n);
  });
  const linkage = {
    regionType: module.typeIndex(REGION_TYPE),
    imported: (name: CallTarget) => targets.get(name)!,
    codeMapWord: target.codeMapWord,
  };
  group.forEach(({ region, records }, n) => {
    const body = translateRegion(region, target, {
      ...linkage,
      inModule: (offset) => functionOf.get(records + offset) ?? null,
      functionAt: (offset) => records + CODE_PAGE.functions + (offset >>> 1),
    });
    module.exportFunction(REGION_TYPE, body, regionName(n));
  });
  return module.build(target.memoryPages);
}

/** Names of all that the code of a group may call, `enter` apart. */
function calledBy(group: readonly PlacedRegion[]): Set<Exclude<CallTarget, "enter">> {
  const names = new Set<Exclude<CallTarget, "enter">>();
  const visit = ({ traits: { calls } }: Instruction): void => {
    if (calls.length > 0) for (const name of calls) names.add(name);
  };
  for (const { region } of group)
    for (const { body, branch, delaySlot } of region.blocks.values()) {
      body.forEach(visit);
      if (branch !== null) visit(branch);
      if (delaySlot !== null) visit(delaySlot);
    }
  return names;
}

const isSlowAccess = (name: CallTarget): name is SlowAccess => SLOW_ACCESSES.includes(name as SlowAccess);

function typeOf(name: Exclude<CallTarget, "enter">): FunctionType {
  if (name === "comeBack") return COME_BACK_TYPE;
  return isSlowAccess(name) ? SLOW_ACCESS_TYPE : i32Function(IMPORTS[name], true);
}
