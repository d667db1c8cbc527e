import { describe, expect, test, vi } from "vitest";
import { CP0 } from "../../src/isa/cp0.ts";
import { FuzzError, HostileVm } from "./hostile-vm.ts";
import { ShadowMmu } from "../../src/kvm/shadow-mmu.ts";
import { HOST_END } from "./layout.ts";
import { comparableHosts, HOST_AXES, planOf, wrongOnly, type HostPlan } from "./axes.ts";
import { fuzzBare } from "./bare.ts";
import { effortOf, runSeed } from "./seed.ts";
import { shrink } from "./shrink.ts";

describe("hostile guests", () => {
  test.each([1, 2, 3, 4, 5])("seed %i only hurts itself, on every host alike", (seed) => {
    const result = runSeed(seed, effortOf(10_000));
    expect(result.exits).toBeGreaterThan(100);
    expect(result.compared + result.skipped).toBeGreaterThan(3);
  });

  test("a seed gives the same run each time", () => {
    const { guest, host } = planOf(9);
    const [first, second] = [1, 2].map(() => new HostileVm(guest, host, "all").run(5000));
    expect(second).toEqual(first);
  });

  test("a bare machine that waits with every interrupt masked is at its end", () => {
    expect(fuzzBare(831243, 10_000)).toBeLessThan(200);
  });

  test("seeds vary what guests and hosts are", () => {
    const plans = Array.from({ length: 500 }, (_, seed) => planOf(seed));
    const kinds = (of: (plan: ReturnType<typeof planOf>) => unknown): number => new Set(plans.map(of)).size;
    for (const [name, values] of Object.entries(HOST_AXES))
      expect(kinds(({ host }) => host[name as keyof HostPlan])).toBe(values.length);
    expect(kinds(({ guest }) => guest.guestTlb)).toBe(3);
    expect(kinds(({ guest, host }) => guest.fpu && host.model)).toBe(4);
    expect(kinds(({ host }) => `${host.refill} ${host.dyntrans} ${host.pageSize}`)).toBe(8);
    expect(kinds(({ guest, host }) => `${guest.map} ${host.model === "P5600"} ${host.xpa}`)).toBe(5);
    expect(kinds(({ guest }) => `${guest.style} ${guest.endian} ${guest.victim}`)).toBe(8);
  });
});

test("every guest has hosts to be compared on", () => {
  for (let seed = 0; seed < 500; seed++) {
    const hosts = comparableHosts(planOf(seed).guest, 5);
    expect(new Set(hosts).size).toBe(5);
  }
});

test("axes can be confined to a value", () => {
  const only = { map: "eva", refill: "slow", victim: "true" };
  expect(wrongOnly(only)).toBeNull();
  const { guest, host } = planOf(3, only);
  expect([guest.map, host.model, host.refill, guest.victim]).toEqual(["eva", "P5600", "slow", true]);
  expect(wrongOnly({ map: "xyz" })).toBe("map is one of te, eva");
  expect(wrongOnly({ colour: "red" })).toMatch(/^no axis colour; there are style, map, /);
});

describe("the fuzzer notices", () => {
  /** Runs a seed with something wrong that happens at tick 500. */
  function runWith(break_: (vm: HostileVm) => void): () => void {
    const { guest, host } = planOf(5, { map: "te", model: "24Kc", guestPage: "4096", refill: "fast" });
    const vm = new HostileVm(guest, host, "all");
    vm.machine.timeline.register("mischief", () => break_(vm));
    vm.machine.timeline.schedule("mischief", 500);
    return () => vm.run(3000);
  }

  test("a write between memslots", () => {
    expect(runWith(({ machine }) => machine.memory.write32(HOST_END + 8, 1))).toThrow(/memory between slots/);
  });

  test("a write to a page that the hypervisor does not use", () => {
    expect(runWith(({ machine }) => machine.memory.write32(HOST_END - 4096, 1))).toThrow(
      /unused host memory/,
    );
  });

  test("a change of the generated code", () => {
    const change = ({ machine, vcpu }: HostileVm): void =>
      machine.memory.write32((vcpu.code.block & 0x1fff_ffff) + 0x100, 1);
    expect(runWith(change)).toThrow(/the vcpu's code/);
  });

  test("a GVA table that says what the guest has not mapped", () => {
    // Tables are filled by what `lookup` says, and held against what `find` says.
    const change = ({ vcpu: { guestTlb } }: HostileVm): void => {
      const found = guestTlb.find.bind(guestTlb);
      guestTlb.lookup = (gva, asid) => found(gva, asid);
      guestTlb.find = () => -1;
    };
    expect(runWith(change)).toThrow(/InvariantError/);
  });

  test("exits without end in which no time passes", () => {
    const change = ({ machine: { timeline } }: HostileVm): void => {
      const at = timeline.now();
      timeline.now = () => at;
    };
    expect(runWith(change)).toThrow(FuzzError);
  });

  test("memory that a destroyed VM leaves", () => {
    const { guest, host } = planOf(1);
    const vm = new HostileVm({ ...guest, victim: false }, host, "all");
    vm.run(1000);
    vm.vm.host.pages.alloc(1);
    expect(() => vm.destroy()).toThrow(/pages are left allocated/);
  });

  test("a register that differs between hosts", () => {
    const { guest, host } = planOf(9);
    const outcome = (refill: "fast" | "slow", spoil: boolean): unknown => {
      const vm = new HostileVm(guest, { ...host, refill }, "none");
      if (spoil) vm.vcpu.cp0[CP0.DESAVE] = 7;
      return vm.run(2000).state;
    };
    expect(outcome("fast", true)).not.toEqual(outcome("fast", false));
  });
});

test("a guest that fails is made smaller", { timeout: 120_000 }, () => {
  // A guest TLB entry that goes leaves what was derived from it.
  const forget = vi.spyOn(ShadowMmu.prototype, "dropRange").mockImplementation(() => {});
  try {
    let error: unknown = null;
    for (let seed = 20; error === null; seed++) {
      const only = { refill: "fast", guestPage: "4096", style: "tame", fpu: "false" };
      const { guest, host } = planOf(seed, only);
      try {
        new HostileVm(guest, host, "all").run(20_000);
      } catch (thrown) {
        error = thrown;
      }
    }
    const text = shrink(error, 20_000);
    expect(text).toMatch(/InvariantError: .* the guest does not/);
    const [, instructions, words] = /^shrunk to (\d+) instructions and (\d+) words of code:/.exec(text)!;
    expect(Number(instructions)).toBeLessThan(1000);
    expect(Number(words)).toBeLessThan(50);
    expect(text).toMatch(/^ {2}[0-9a-f]{8} {2}[0-9a-f]{8} {2}tlbw[ir]$/m);
  } finally {
    forget.mockRestore();
  }
  expect(shrink(new Error("something else"), 1)).toBe("only guests are shrunk");
});
