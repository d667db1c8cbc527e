import { CP0 } from "../../src/isa/cp0.ts";
import { CPU_MODELS } from "../../src/machine/cpu-models.ts";
import { Machine } from "../../src/machine/machine.ts";
import { STATE } from "../../src/machine/state-layout.ts";
import { HOST_AXES, type HostPlan } from "./axes.ts";
import { Digest } from "./digest.ts";
import { ENGINES } from "./engines.ts";
import { FuzzError } from "./hostile-vm.ts";
import { HANDLER_WORDS, VECTOR_PAGES, VECTORS } from "./image.ts";
import { CODE_END, targetsFor } from "./layout.ts";
import { Progress } from "./progress.ts";
import { Random } from "./random.ts";
import { WordSource } from "./words.ts";

const STREAM = { image: 20, pieces: 21 } as const;
const RAM_BYTES = 0x8_0000;
/** Physical addresses that a device answers. */
const DEVICE = 0x0700_0000;

/** Two runs of the same program came to different ends: how it was cut into pieces must not matter. */
class SplitError extends Error {
  override readonly name = "SplitError";
}

/** A machine without a hypervisor that executes random code in kernel mode and elsewhere. */
class BareProgram {
  readonly machine: Machine;
  private readonly trace = new Digest();

  constructor(seed: number, engine: HostPlan["engine"]) {
    const random = new Random(seed, STREAM.image);
    const model = CPU_MODELS[random.pick(HOST_AXES.model)[1]]!;
    const endian = random.pick(["little", "big"] as const);
    this.machine = new Machine(
      { model, endian, ramBytes: RAM_BYTES, guestTime: "all", hostCalls: false },
      ENGINES[engine],
    );
    new Progress(this.machine.timeline);
    this.addDevice(seed);
    this.fill(random);
  }

  private addDevice(seed: number): void {
    const random = new Random(seed, STREAM.image + 2);
    const { timeline, bus } = this.machine;
    bus.add({
      name: "fuzz",
      base: DEVICE,
      size: 0x10_0000,
      device: {
        read: (offset, size) => {
          this.trace.add(timeline.now(), offset, size);
          return random.word() >>> (32 - 8 * size);
        },
        write: (offset, size, value) => {
          this.trace.add(timeline.now(), offset, size, value);
          this.machine.cpu.setInterruptLine(2 + (offset & 3), (value & 1) !== 0);
        },
      },
    });
  }

  /** Code and vectors in low memory, the rest random. */
  private fill(random: Random): void {
    const { machine } = this;
    const aims = targetsFor("wild", {
      map: "eva",
      pageSize: 4096,
      commpage: true,
      branchesInSlots: true,
      fpu: true,
    });
    const words = new WordSource(random, aims);
    const code = words.code(CODE_END / 4);
    for (const page of VECTOR_PAGES)
      for (const offset of VECTORS)
        words
          .handler(HANDLER_WORDS, offset === 0)
          .forEach((word, i) => (code[(page + offset) / 4 + i] = word));
    code.forEach((word, i) => machine.write32(4 * i, word));
    for (let at = CODE_END; at < RAM_BYTES; at += 4)
      machine.write32(at, random.chance(60) ? 0 : random.word());
    const { cpu, ops } = machine;
    for (const index of [
      CP0.EntryHi,
      CP0.EntryLo0,
      CP0.EntryLo1,
      CP0.EPC,
      CP0.ErrorEPC,
      CP0.Wired,
      CP0.HWREna,
      CP0.Compare,
    ])
      ops.writeCp0(index, words.cp0Value(index));
    ops.writeCp0(CP0.Status, words.status() & ~0x0040_0006);
    for (let n = 1; n < 32; n++) cpu.gpr[n] = random.chance(60) ? aims.data(random) : aims.code(random);
    cpu.setPc(0x8000_0400 + 4 * random.below(0x3000));
    cpu.modeMayHaveChanged();
  }

  /** Runs until `limit` ticks have passed, in pieces of at most `piece` ticks. */
  runUntil(limit: number, piece: () => number): void {
    const { machine } = this;
    const { timeline } = machine;
    while (timeline.now() < limit) {
      const stop = machine.run(Math.min(limit - timeline.now(), piece()));
      // Nothing will wake it: it is over.
      if (stop.kind === "idle" || stop.kind === "halted") return;
    }
  }

  state(): string {
    const { cpu, memory, timeline } = this.machine;
    const ram = new Digest();
    for (let at = 0; at < RAM_BYTES; at += 4) ram.add(memory.read32(at));
    const tlb = new Digest();
    for (let index = 0; index < cpu.tlb.entries; index++) {
      const { entryHi, pageMask, entryLo0, entryLo1 } = cpu.tlb.read(index);
      tlb.add(entryHi, pageMask, entryLo0, entryLo1);
    }
    const registers = [...cpu.gpr, cpu.hi, cpu.lo, cpu.pc].map((value) => (value >>> 0).toString(16));
    return JSON.stringify({
      ...{
        registers,
        cp0: Array.from(cpu.cp0).join(),
        fpu: cpu.state.subarray(STATE.fpr >>> 2, (STATE.fcsr >>> 2) + 1).join(),
        tlb: tlb.value,
        ram: ram.value,
        trace: this.trace.value,
      },
      ...{ slot: cpu.inDelaySlot, now: timeline.now(), instructions: cpu.instructions, link: cpu.llBit },
    });
  }
}

/**
 * Runs random code on a bare machine, once in one go and, on each engine, cut into random pieces: it must come
 * back each time, and to the same end. Returns the instructions executed. Throws {@link FuzzError}.
 */
export function fuzzBare(seed: number, instructions: number): number {
  const random = new Random(seed, STREAM.pieces);
  try {
    const whole = new BareProgram(seed, "interpreter");
    whole.runUntil(instructions, () => Infinity);
    let executed = whole.machine.instructions;
    for (const engine of ["interpreter", "translator"] as const) {
      const split = new BareProgram(seed, engine);
      split.runUntil(instructions, () => (random.chance(50) ? 1 + random.below(10) : 1 + random.below(3000)));
      const [a, b] = [whole.state(), split.state()];
      if (a !== b) throw new SplitError(`in one go\n  ${a}\nin pieces, on the ${engine}\n  ${b}`);
      executed += split.machine.instructions;
    }
    return executed;
  } catch (error) {
    throw new FuzzError("on the bare machine", error);
  }
}
