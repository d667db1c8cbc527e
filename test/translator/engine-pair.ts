import type { StopReason } from "../../src/machine/machine.ts";
import { STATE } from "../../src/machine/state-layout.ts";
import type { Assembler } from "../../src/uasm/assembler.ts";
import { InterpreterEngine } from "../../src/engine/index.ts";
import { TestMachine, type TestMachineOptions } from "../../src/engine/testing.ts";
import type { TranslationPolicy } from "../../src/engine/translator/translations.ts";

/** For tests: what is jumped to is translated almost at once. */
const EAGER: TranslationPolicy = { sampleEvery: 3, hot: 1, mostDoublings: 0, mostBytes: 1 << 20 };

/** Both engines were given the same and did something different. */
export class EnginesDifferError extends Error {
  override readonly name = "EnginesDifferError";
  constructor(what: string, interpreted: unknown, translated: unknown) {
    super(`${what}: interpreted ${String(interpreted)}, translated ${String(translated)}`);
  }
}

/** For tests: two machines that are given the same, one interpreted and one translated, compared after each run. */
export class EnginePair {
  readonly interpreted: TestMachine;
  readonly translated: TestMachine;
  private engine!: InterpreterEngine;

  constructor(options: TestMachineOptions = {}, policy: TranslationPolicy = EAGER) {
    this.interpreted = new TestMachine(options);
    this.translated = new TestMachine({
      ...options,
      engine: (machine) => (this.engine = new InterpreterEngine(machine, policy)),
    });
  }

  /** Translations made so far. */
  get translations(): number {
    return this.engine.translations;
  }

  /** Does the same to both machines. */
  both(action: (m: TestMachine) => void): this {
    action(this.interpreted);
    action(this.translated);
    return this;
  }

  /** Puts code at CODE of both. */
  code(build: (a: Assembler) => void): this {
    return this.both((m) => m.code(build));
  }

  /**
   * Runs both for `ticks`, compares them, RAM only `withRam`, and returns how they ended. Throws
   * {@link EnginesDifferError}.
   */
  run(ticks: number, withRam = true): number | StopReason {
    const expected = this.interpreted.run(ticks);
    const reason = this.translated.run(ticks);
    same("end", JSON.stringify(expected), JSON.stringify(reason));
    this.compare();
    if (withRam) this.compareRam();
    return expected;
  }

  /** Runs both in pieces of `piece` ticks until `ticks` have passed or SDBBP ended a piece. */
  runPieces(ticks: number, piece: number): number | StopReason {
    let reason = this.run(piece);
    for (let done = piece; done < ticks && typeof reason !== "number"; done += piece)
      reason = this.run(piece);
    return reason;
  }

  /** Compares all that a program can see but RAM, and where time stands. Throws {@link EnginesDifferError}. */
  private compare(): void {
    const [a, b] = [this.interpreted.machine, this.translated.machine];
    const hex = (address: number): string => address.toString(16);
    same("PC", hex(a.cpu.pc), hex(b.cpu.pc));
    same("in delay slot", a.cpu.inDelaySlot, b.cpu.inDelaySlot);
    same("instructions", a.instructions, b.instructions);
    same("time", a.timeline.now(), b.timeline.now());
    same("HI", a.cpu.hi, b.cpu.hi);
    same("LO", a.cpu.lo, b.cpu.lo);
    same("LL link", linkOf(this.interpreted), linkOf(this.translated));
    same("refills", a.cpu.refills, b.cpu.refills);
    sameArray("register", a.cpu.gpr, b.cpu.gpr);
    sameArray("CP0 register", a.cpu.cp0, b.cpu.cp0);
    sameArray("FPU register", fpuOf(this.interpreted), fpuOf(this.translated));
    sameArray("word of the TLB", tlbOf(this.interpreted), tlbOf(this.translated));
  }

  private compareRam(): void {
    sameArray("word of RAM", ramOf(this.interpreted), ramOf(this.translated));
  }
}

/** What LL has linked; null if there is no link. */
const linkOf = ({ machine: { cpu } }: TestMachine): number | null => (cpu.llBit ? cpu.linkedAddress : null);

/** FPU registers, their upper halves, and FCSR. */
function fpuOf({ machine: { cpu } }: TestMachine): Int32Array {
  return cpu.state.subarray(STATE.fpr >>> 2, (STATE.fcsr >>> 2) + 1);
}

const tlbOf = ({ machine: { cpu } }: TestMachine): Int32Array => cpu.tlb.snapshot();

function ramOf({ machine: { memory } }: TestMachine): Int32Array {
  const { i32, plan } = memory;
  return i32.subarray(plan.ram >>> 2, (plan.ram + plan.ramBytes) >>> 2);
}

function same(what: string, interpreted: unknown, translated: unknown): void {
  if (interpreted !== translated) throw new EnginesDifferError(what, interpreted, translated);
}

function sameArray(what: string, interpreted: Int32Array, translated: Int32Array): void {
  for (let n = 0; n < interpreted.length; n++)
    if (interpreted[n] !== translated[n])
      throw new EnginesDifferError(`${what} ${n}`, interpreted[n], translated[n]);
}
