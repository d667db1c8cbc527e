import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { GuestInspection } from "../../src/inspect/index.ts";
import { CP0, STATUS } from "../../src/isa/cp0.ts";
import { createGuest, type GuestConfig } from "../../src/index.ts";
import { demoFile } from "../cli/kseg.ts";
import { isGuestUser } from "../../src/kvm/guest-mode.ts";
import { planOf } from "../fuzz/axes.ts";
import type { VcpuExit } from "../../src/kvm/index.ts";
import { FuzzError, HostileVm } from "../fuzz/hostile-vm.ts";
import { Random } from "../fuzz/random.ts";
import { guestSubject, Predictor, type StepEnd, type Subject } from "./prediction.ts";

/** Guests, and for each how often it is stopped to look at what it does next. More of them by KSEG_EXPLAIN_SEEDS. */
const FIRST = 1;
const SEEDS = Number(process.env["KSEG_EXPLAIN_SEEDS"] ?? 8);
const ROUNDS = 20;

/** A hostile guest, a step of which is one instruction. */
function subjectOf(vm: HostileVm): Subject {
  const { vcpu, machine } = vm;
  const step = (): StepEnd => {
    const began = machine.timeline.now();
    let exit = vcpu.run(1);
    // Its VMM had asked it to stop.
    if (exit.reason === "intr" && machine.timeline.now() === began) exit = vcpu.run(1);
    switch (exit.reason) {
      case "mmio":
        // It is over when the guest has gone on with it.
        for (let rest: VcpuExit = exit; rest.reason === "mmio"; rest = vcpu.run(0));
        return { kind: "device", physical: exit.physAddr };
      case "internal-error":
        return { kind: "failed" };
      case "irq-window-open":
        return { kind: "waits" };
      default:
        return { kind: "ran" };
    }
  };
  return {
    inspection: new GuestInspection(vcpu, () => []),
    seesDevices: true,
    readsInstructions: !vcpu.host.target.badInstr,
    interruptIsDue: () => {
      machine.timeline.fireDue();
      return vcpu.interrupts.deliverable;
    },
    step,
    counts: () => ({
      exits: { ...vcpu.stats.exits },
      fastRefills: vcpu.mmu.refill === "fast" ? machine.refills : 0,
    }),
  };
}

/** Puts a guest into its other mode, outside of all exceptions. */
function changeMode({ vcpu }: HostileVm): void {
  const status = vcpu.status & ~(STATUS.EXL | STATUS.ERL);
  const id = vcpu.getRegList().find((reg) => (reg & 0xffff_ffffn) === ((1n << 16n) | BigInt(CP0.Status)))!;
  vcpu.setOneReg(id, BigInt(isGuestUser(vcpu.status) ? status & ~STATUS.KSU : status | STATUS.UM));
}

/** Runs a hostile guest, and holds against it what `explain` says of some of its instructions. */
function foretell(seed: number, rounds: number): Predictor {
  const { guest, host } = planOf(seed);
  const vm = new HostileVm(guest, host, "none");
  const predictor = new Predictor(subjectOf(vm));
  const random = new Random(seed, 77);
  try {
    for (let round = 0; round < rounds; round++) {
      vm.run(random.between(1, 400));
      // What is left of an access to a device is not the next instruction's.
      while (vm.vcpu.pendingAccess !== null) vm.vcpu.run(0);
      if (random.chance(30))
        predictor.step(() => changeMode(vm), isGuestUser(vm.vcpu.status) ? "kernel" : "user");
      for (let n = 0; n < 20; n++) if (!predictor.step()) break;
    }
  } catch (error) {
    throw error instanceof FuzzError ? error : new FuzzError("explain", error, guest, [host]);
  }
  vm.destroy();
  return predictor;
}

const demo = readFileSync(demoFile("demo-te.elf"));
const demoBare = readFileSync(demoFile("demo-bare.elf"));

/** Has the demo guest do what it can, and looks at it some thousand times. */
function foretellDemo(config: Partial<GuestConfig>): Predictor {
  const guest = createGuest({ kernel: demo, memory: 64 << 20, ...config, onConsole: () => {} });
  guest.sendInput(new TextEncoder().encode("tour\n"));
  const predictor = new Predictor(guestSubject(guest));
  const random = new Random(5, 78);
  for (let stop = 0; stop < 500; stop++) {
    guest.run(random.between(1, 60_000));
    for (let n = 0; n < 30; n++) if (!predictor.step()) break;
  }
  guest.destroy();
  return predictor;
}

/** Fails unless each of these was among what was foretold. */
function expectSeen(seen: ReadonlyMap<string, number>, expected: readonly string[]): void {
  const times = JSON.stringify(Object.fromEntries(seen));
  for (const what of expected) expect(seen.get(what) ?? 0, `${what} among ${times}`).toBeGreaterThan(0);
}

describe("explain foretells what an access does", () => {
  const hits = ["kernel fetch hit", "kernel load hit", "kernel store hit", "user fetch hit", "user load hit"];
  test.each<[Partial<GuestConfig>, readonly string[]]>([
    [{}, [...hits, "kernel load refill", "user load refill", "user load exception"]],
    [{ refill: "slow" }, [...hits, "kernel load fill", "user load fill", "user load exception"]],
    [{ mode: "bare", kernel: demoBare }, [...hits.slice(0, 4), "user fetch exception"]],
  ])("to the demo guest (%#)", (config, expected) => {
    const { seen, exact, more, compared } = foretellDemo(config);
    expectSeen(seen, expected);
    expect(compared).toBeGreaterThan(2000);
    // Two pages can drive one another out of a TLB of random replacement, and are refilled once more then.
    expect(more).toBeLessThan(exact / 50);
  });

  test("to hostile guests on every kind of host", () => {
    const seen = new Map<string, number>();
    for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
      const predictor = foretell(seed, ROUNDS);
      for (const [what, count] of predictor.seen) seen.set(what, (seen.get(what) ?? 0) + count);
      expect(predictor.compared).toBeGreaterThan(20);
      expect(predictor.more).toBeLessThan(Math.max(3, predictor.exact / 20));
    }
    expectSeen(seen, [
      "kernel fetch fill",
      "kernel fetch failure",
      "kernel load fill",
      "kernel load exception",
    ]);
    expectSeen(seen, ["kernel store fill", "kernel store exception", "user fetch exception"]);
  });
});
