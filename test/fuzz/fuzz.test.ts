import { describe, expect, test } from "vitest";
import { CP0 } from "../../src/isa/cp0.ts";
import { FuzzError, HostileVm } from "./hostile-vm.ts";
import { HOST_END } from "./layout.ts";
import { planOf } from "./plans.ts";
import { effortOf, runSeed } from "./seed.ts";

describe("hostile guests", () => {
  test.each([1, 2, 3, 4, 5])("seed %i only hurts itself, on every host alike", (seed) => {
    const result = runSeed(seed, effortOf(10_000));
    expect(result.exits).toBeGreaterThan(100);
    expect(result.compared + result.skipped).toBeGreaterThan(3);
  });

  test("a seed gives the same run each time", () => {
    const { guest, host } = planOf(9);
    const [first, second] = [1, 2].map(() => new HostileVm(guest, host, true).run(5000));
    expect(second).toEqual(first);
  });

  test("seeds vary what guests and hosts are", () => {
    const plans = Array.from({ length: 200 }, (_, seed) => planOf(seed));
    const kinds = (of: (plan: ReturnType<typeof planOf>) => unknown): number => new Set(plans.map(of)).size;
    expect(kinds(({ host }) => host.model)).toBe(4);
    expect(kinds(({ host }) => host.engine)).toBe(2);
    expect(kinds(({ host }) => host.gvaRoots)).toBe(3);
    expect(kinds(({ host }) => `${host.refill} ${host.dyntrans} ${host.pageSize}`)).toBe(8);
    expect(kinds(({ guest }) => `${guest.style} ${guest.endian} ${guest.victim}`)).toBe(8);
  });
});

describe("the fuzzer notices", () => {
  /** Runs seed 1 with something wrong that happens at tick 500. */
  function runWith(break_: (vm: HostileVm) => void): () => void {
    const { guest, host } = planOf(1);
    const vm = new HostileVm(guest, host, true);
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
    const change = ({ vcpu }: HostileVm): void => {
      vcpu.guestTlb.lookup = () => -1;
    };
    expect(runWith(change)).toThrow(/InvariantError/);
  });

  test("exits without end in which no time passes", () => {
    const change = ({ machine }: HostileVm): void => {
      machine.timeline.pass = () => {};
      machine.timeline.retire = () => {};
    };
    expect(runWith(change)).toThrow(FuzzError);
  });

  test("memory that a destroyed VM leaves", () => {
    const { guest, host } = planOf(1);
    const vm = new HostileVm({ ...guest, victim: false }, host, true);
    vm.run(1000);
    vm.vm.host.pages.alloc(1);
    expect(() => vm.destroy()).toThrow(/pages are left allocated/);
  });

  test("a register that differs between hosts", () => {
    const { guest, host } = planOf(9);
    const outcome = (refill: "fast" | "slow", spoil: boolean): unknown => {
      const vm = new HostileVm(guest, { ...host, refill }, false);
      if (spoil) vm.vcpu.cp0[CP0.DESAVE] = 7;
      return vm.run(2000).state;
    };
    expect(outcome("fast", true)).not.toEqual(outcome("fast", false));
  });
});
