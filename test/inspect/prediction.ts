/**
 * Holds what `explain` says against what happens: looks at the guest's next instruction, says what it will do to host
 * TLB, tables and guest, has it executed, and compares.
 */
import type { Guest } from "../../src/index.ts";
import { CAUSE, STATUS, type CP0 } from "../../src/isa/cp0.ts";
import { decoderFor } from "../../src/isa/decode.ts";
import { excCodeName, VECTOR_OFFSET } from "../../src/isa/exceptions.ts";
import type { AccessKind, Inspection, Outcome } from "../../src/inspect/index.ts";
import { evaluate } from "../../src/kvm/emulate/evaluate.ts";

/** How a step of one instruction ended. */
export type StepEnd =
  | { readonly kind: "ran" }
  | { readonly kind: "device"; readonly physical: number | null }
  | { readonly kind: "waits" }
  | { readonly kind: "failed" };

/** What a step can be compared by. */
export interface Counts {
  /** Exits by cause. */
  readonly exits: Readonly<Record<string, number | undefined>>;
  readonly fastRefills: number;
}

/** A guest that can be looked at and executes one instruction at a time. */
export interface Subject {
  readonly inspection: Inspection;
  /** A step tells whether it was an access to a device. */
  readonly seesDevices: boolean;
  /** Hosts with BadInstr need not read the instruction of an exit. */
  readonly readsInstructions: boolean;
  /** Lets timers go off that are due. True if the guest is given an interrupt before its next instruction. */
  interruptIsDue(): boolean;
  step(): StepEnd;
  counts(): Counts;
}

/** Exits whose number a prediction is about. */
const PREDICTED_EXITS = ["tlbmod", "tlbmiss_ld", "tlbmiss_st", "addrerr_ld", "addrerr_st"] as const;

/** log2 of the bytes of two of the largest host pages. */
const LARGEST_PAIR_SHIFT = 15;

const hex = (value: number): string => value.toString(16).padStart(8, "0");

/** What the next instruction accesses: nothing, or one place; null if what it does is not to be foretold here. */
interface NextInstruction {
  readonly text: string;
  readonly access: { readonly kind: AccessKind; readonly address: number; readonly outcome: Outcome } | null;
  readonly mnemonic: string;
}

const decode = decoderFor("mips32r2");
const NOT_FORETOLD: ReadonlySet<string> = new Set([
  "sc",
  "ldc1",
  "sdc1",
  "lwc1",
  "swc1",
  "ldxc1",
  "sdxc1",
  "lwxc1",
  "swxc1",
]);

function nextInstruction(inspection: Inspection): NextInstruction | null {
  const { pc, gpr, mode } = inspection.registers();
  const [code] = inspection.code(pc, 0, 0);
  if (code === undefined || (pc & 3) !== 0) return { text: "", access: null, mnemonic: "" };
  const row = decode(code.word);
  if (row === null || NOT_FORETOLD.has(row.mnemonic)) return null;
  const signed = Int32Array.from(gpr, (value) => value | 0);
  const effect = evaluate(row, code.word, pc, signed);
  if (effect === null) return { text: code.text, access: null, mnemonic: row.mnemonic };
  if (effect.kind !== "load" && effect.kind !== "store") return null;
  const address = effect.address >>> 0;
  if (address % Number(effect.width) !== 0) return null;
  const outcome = inspection.explain(address)[mode].outcomes[effect.kind];
  return { text: code.text, access: { kind: effect.kind, address, outcome }, mnemonic: row.mnemonic };
}

/** What is counted by kind, so that a test can see that it met everything. */
export class Predictor {
  readonly seen = new Map<string, number>();
  compared = 0;
  /** Refills that were as foretold, and those that an eviction in between made more. */
  exact = 0;
  more = 0;
  private readonly subject: Subject;
  private readonly slow: boolean;

  constructor(subject: Subject) {
    this.subject = subject;
    this.slow = !subject.inspection.explain(0).fastRefill;
  }

  /** Foretells one step, makes it and compares. Throws if it was otherwise. False if the guest cannot go on. */
  step(prepare: () => void = () => {}, mode?: "kernel" | "user"): boolean {
    const { inspection } = this.subject;
    const before = inspection.registers();
    const inMode = mode ?? before.mode;
    const fetch = inspection.explain(before.pc)[inMode].outcomes.fetch;
    const next = this.nextIn(inMode);
    prepare();
    const isDue = this.subject.interruptIsDue();
    const counts = this.subject.counts();
    const end = this.subject.step();
    const after = this.subject.counts();
    if (end.kind === "waits") return false;
    if (next === null || before.inDelaySlot || isDue || this.interrupted(counts, after))
      return end.kind !== "failed";
    const goesOn = fetch.verdict === "hit" || fetch.verdict === "refill" || fetch.verdict === "fill";
    // A page that the guest maps may be too small for the host: that is no matter of an access.
    if (goesOn && end.kind === "failed" && /^tlbw[ir]$/.test(next.text.trim())) return false;
    const data = goesOn ? next.access : null;
    const last = data === null ? fetch : data.outcome;
    const kind: AccessKind = data === null ? "fetch" : data.kind;
    const address = data === null ? before.pc : data.address;
    const where = `${inMode} ${kind} at ${hex(address)} (pc ${hex(before.pc)} ${next.text})`;
    this.count(`${inMode} ${kind} ${last.verdict}`);
    if (goesOn && data !== null) this.count(`${inMode} fetch ${fetch.verdict}`);
    const exits = [...(data === null ? [] : fetch.exits), ...last.exits];
    const refills = last.fastRefills + (data === null ? 0 : fetch.fastRefills);
    // What brings one page of a pair brings the other.
    if (data !== null && fetch.verdict !== "hit" && (before.pc ^ address) >>> LARGEST_PAIR_SHIFT === 0)
      return true;
    this.compareExits(where, exits, counts, after);
    if (last.verdict !== "device" || !this.subject.readsInstructions)
      this.compareRefills(where, refills, after.fastRefills - counts.fastRefills);
    this.compareEnd(where, last, end, address);
    this.compared++;
    return end.kind !== "failed";
  }

  private nextIn(mode: "kernel" | "user"): NextInstruction | null {
    const { inspection } = this.subject;
    const next = nextInstruction(inspection);
    const access = next?.access ?? null;
    if (next === null || access === null || mode === inspection.registers().mode) return next;
    const { kind, address } = access;
    return { ...next, access: { kind, address, outcome: inspection.explain(address)[mode].outcomes[kind] } };
  }

  private count(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1);
  }

  /** The guest was given an interrupt before or instead of the instruction. */
  private interrupted(before: Counts, after: Counts): boolean {
    return ["interrupt", "signal"].some((cause) => before.exits[cause] !== after.exits[cause]);
  }

  private compareExits(where: string, expected: readonly string[], before: Counts, after: Counts): void {
    for (const cause of PREDICTED_EXITS) {
      const count = (after.exits[cause] ?? 0) - (before.exits[cause] ?? 0);
      const foretold = expected.filter((exit) => exit === cause).length;
      // What one access brings into the host TLB can drive out what the other one needs.
      if (this.slow && cause === "tlbmiss_ld" && count > foretold && expected.length > 0) {
        this.more++;
        continue;
      }
      if (count !== foretold)
        throw new Error(`${where}: ${count} exits by ${cause}, foretold were [${expected.join()}]`);
    }
  }

  private compareRefills(where: string, expected: number, actual: number): void {
    if (actual === expected) this.exact++;
    else if (actual > expected && expected > 0) this.more++;
    else throw new Error(`${where}: ${actual} refills instead of ${expected}`);
  }

  private compareEnd(where: string, outcome: Outcome, end: StepEnd, address: number): void {
    const { inspection } = this.subject;
    const isAt = (kind: StepEnd["kind"]): void => {
      if (end.kind !== kind) throw new Error(`${where}: ${end.kind}, foretold was ${outcome.verdict}`);
    };
    switch (outcome.verdict) {
      case "failure":
        return isAt("failed");
      case "device":
        if (!this.subject.seesDevices) return;
        isAt("device");
        if (end.kind === "device" && end.physical !== null && end.physical !== outcome.physical)
          throw new Error(`${where}: device at ${hex(end.physical)}, not ${hex(outcome.physical ?? 0)}`);
        return;
      case "exception": {
        isAt("ran");
        const { name, vector } = outcome.exception!;
        const code = excCodeName((cp0Of(inspection, "Cause") & CAUSE.ExcCode) >>> 2);
        const { pc } = inspection.registers();
        const badVAddr = cp0Of(inspection, "BadVAddr");
        if (code !== name || (name !== "IBE" && badVAddr !== address))
          throw new Error(`${where}: ${code} on ${hex(badVAddr)} instead of ${name}`);
        if ((pc & 0x1ff) !== VECTOR_OFFSET[vector])
          throw new Error(`${where}: pc is ${hex(pc)}, not at the ${vector} vector`);
        return;
      }
      default:
        isAt("ran");
    }
  }
}

/** A CP0 register of the guest, as it reads it. */
function cp0Of(inspection: Inspection, name: keyof typeof CP0): number {
  return inspection.cp0().find((register) => register.name === name)!.value;
}

/** A guest as the library makes them, a step of which is one instruction. */
export function guestSubject(guest: Guest): Subject {
  const inspection = guest.inspect();
  const { fastRefill: fast, host } = inspection.explain(0);
  return {
    inspection,
    readsInstructions: true,
    seesDevices: host === "hypervisor",
    interruptIsDue: () => {
      const [status, cause] = [cp0Of(inspection, "Status"), cp0Of(inspection, "Cause")];
      const gate = STATUS.IE | STATUS.EXL | STATUS.ERL;
      return (status & gate) === STATUS.IE && (status & cause & STATUS.IM) !== 0;
    },
    step: () => {
      const before = guest.stats().counters["mmio_exits"];
      const { kind } = guest.run(1);
      if (kind === "failed") return { kind };
      if (kind !== "running") return { kind: "waits" };
      const isDevice = guest.stats().counters["mmio_exits"] !== before;
      return isDevice ? { kind: "device", physical: null } : { kind: "ran" };
    },
    counts: () => {
      const { exits, refills } = guest.stats();
      return { exits, fastRefills: fast ? refills.fast : 0 };
    },
  };
}
