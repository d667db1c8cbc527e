/** `explain` for a bare machine. */
import { CP0, STATUS } from "../isa/cp0.ts";
import { EXC_CODE, excCodeName, type ExcCode } from "../isa/exceptions.ts";
import type { Machine } from "../machine/machine.ts";
import { MODE, type Mode } from "../machine/modes.ts";
import type { AccessKind, Explanation, ModeExplanation, Outcome, Step } from "./explanation.ts";
import {
  alignedSize,
  deniedBy,
  hostRoute,
  isMisaligned,
  matchingEntry,
  physicalBy,
  walkedEntry,
} from "./host-access.ts";
import { halfFor } from "./tlb-view.ts";
import type { GuestMode } from "./views.ts";

/** The way of `va` through the machine, and what accesses do there now. */
export function explainBare(machine: Machine, va: number): Explanation {
  const address = va >>> 0;
  return {
    gva: address,
    size: alignedSize(address),
    host: "bare",
    fastRefill: false,
    kernel: explainMode(machine, address, "kernel"),
    user: explainMode(machine, address, "user"),
  };
}

function explainMode(machine: Machine, va: number, name: GuestMode): ModeExplanation {
  const { cpu } = machine;
  const inError = (cpu.cp0[CP0.Status]! & STATUS.ERL) !== 0;
  const mode = name === "user" ? MODE.user : inError ? MODE.error : MODE.kernel;
  const current = name === "user" ? cpu.mode === MODE.user : cpu.isKernel;
  const outcome = (access: AccessKind): Outcome => bareOutcome(machine, va, access, mode, current);
  return {
    mode: name,
    current,
    steps: bareSteps(machine, va, mode),
    outcomes: { load: outcome("load"), store: outcome("store"), fetch: outcome("fetch") },
  };
}

function bareSteps(machine: Machine, va: number, mode: Mode): Step[] {
  const { cpu } = machine;
  const route = hostRoute(cpu, va, mode);
  if (typeof route === "number")
    return [{ step: "host-segment", route: "unmapped" }, physicalStep(machine, route)];
  const steps: Step[] = [{ step: "host-segment", route }];
  if (route === "error") return steps;
  const entry = matchingEntry(cpu, va, cpu.asid);
  const half = entry === null ? null : halfFor(entry, va);
  steps.push({ step: "host-tlb", asid: cpu.asid, entry, half });
  if (entry !== null && half!.valid) steps.push(physicalStep(machine, physicalBy(entry, va)));
  return steps;
}

function physicalStep(machine: Machine, physical: number): Step {
  const host = machine.mmu.ramOffset(physical);
  const memory = host < 0 ? null : { name: "RAM", host, readonly: false };
  const device = memory === null ? (machine.bus.find(physical)?.name ?? null) : null;
  return { step: "physical", physical, memory, device };
}

function bareOutcome(
  machine: Machine,
  va: number,
  access: AccessKind,
  mode: Mode,
  current: boolean,
): Outcome {
  const { cpu } = machine;
  const addressError = access === "store" ? EXC_CODE.AdES : EXC_CODE.AdEL;
  if (isMisaligned(va, access)) return raised(addressError);
  const route = hostRoute(cpu, va, mode);
  if (route === "error") return raised(addressError);
  if (route !== "mapped") return reached(machine, route, access, "hit");
  const known = matchingEntry(cpu, va, cpu.asid);
  const entry = known ?? walkedEntry(machine, va);
  const isNested = current && (cpu.cp0[CP0.Status]! & STATUS.EXL) !== 0;
  if (entry === null) return raised(access === "store" ? EXC_CODE.TLBS : EXC_CODE.TLBL, !isNested);
  const denied = deniedBy(cpu, halfFor(entry, va), access);
  if (denied !== null) return raised(denied);
  return reached(machine, physicalBy(entry, va), access, known === null ? "refill" : "hit");
}

function raised(code: ExcCode, refill = false): Outcome {
  const exception = { name: excCodeName(code), vector: refill ? "refill" : "general" } as const;
  return { verdict: "exception", fastRefills: 0, exits: [], exception, physical: null };
}

function reached(machine: Machine, physical: number, access: AccessKind, verdict: "hit" | "refill"): Outcome {
  const isMemory = machine.mmu.ramOffset(physical) >= 0;
  if (access === "fetch" && !isMemory) return raised(EXC_CODE.IBE);
  return {
    verdict: isMemory ? verdict : "device",
    fastRefills: 0,
    exits: [],
    exception: null,
    physical,
  };
}
