import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GuestConfigError, type GuestConfig } from "../guest.ts";
import { CPU_MODELS, type CpuModel } from "../machine/cpu-models.ts";
import { TICKS_PER_SECOND } from "../machine/timeline.ts";
import { SnapshotError } from "../state/snapshot-error.ts";
import { createGuest, restoreGuest } from "./create-guest.ts";
import { checkModel } from "./check-model.ts";

const image = (name: string): Uint8Array =>
  readFileSync(new URL(`../../guests/demo/${name}.elf`, import.meta.url));
const BASE = CPU_MODELS["24Kc"]!;

/** Models that can be, and most of the ways in which they can differ. */
const models: fc.Arbitrary<CpuModel> = fc
  .record({
    base: fc.constantFrom(...Object.values(CPU_MODELS)),
    tlbEntries: fc.constantFrom(8, 16, 32, 64, 128, 1024),
    kscratch: fc.integer({ min: 0, max: 63 }).map((bits) => bits << 2),
    flags: fc.record({
      rixi: fc.boolean(),
      badInstr: fc.boolean(),
      userLocal: fc.boolean(),
      vectoredInterrupts: fc.boolean(),
      tlbMachineCheck: fc.boolean(),
      tlbInvalidate: fc.boolean(),
    }),
    physicalBits: fc.integer({ min: 0, max: 3 }),
    cacheLine: fc.constantFrom(16 as const, 32 as const),
    ways: fc.integer({ min: 1, max: 8 }),
    ccres: fc.integer({ min: 1, max: 8 }),
  })
  .map(({ base, flags, physicalBits, ways, ...rest }) => ({
    ...{ ...base, ...flags, ...rest, name: "mine" },
    rixi: flags.rixi || base.xpa,
    physicalBits: (base.xpa ? 37 : 33) + physicalBits,
    dcacheWays: ways,
    icacheWays: 9 - ways,
  }));

describe("a CPU model of the embedder's", () => {
  it("runs guests, under the hypervisor and bare, and kernels that were not built for it if it has EVA", () => {
    const boot = (config: Omit<GuestConfig, "onConsole" | "memory">): string => {
      let console = "";
      const guest = createGuest({
        ...{ ...config, memory: 32 << 20, checkInvariants: true },
        onConsole: (bytes) => (console += String.fromCharCode(...bytes)),
      });
      guest.sendInput(new TextEncoder().encode("ps\npoweroff\n"));
      const result = guest.run(TICKS_PER_SECOND);
      expect(result, console).toEqual({ kind: "off", how: "power-off" });
      guest.destroy();
      return console;
    };
    const te = boot({ kernel: image("demo-te") });
    fc.assert(
      fc.property(models, (hostCpu) => {
        expect(boot({ kernel: image("demo-te"), hostCpu })).toBe(te);
        boot({ kernel: image("demo-bare"), mode: "bare", hostCpu });
        if (hostCpu.segmentControl) boot({ kernel: image("demo-bare"), hostCpu });
      }),
      { numRuns: 8, seed: 5 },
    );
  });

  it("is what snapshots are restored with", () => {
    const hostCpu = { ...BASE, name: "mine", tlbEntries: 32 };
    const guest = createGuest({ kernel: image("demo-te"), hostCpu, onConsole() {} });
    guest.run(3_000_000);
    const restored = restoreGuest(guest.save(), { hostCpu, onConsole() {} });
    expect(restored.hash()).toBe(guest.hash());
    guest.run(1_000_000);
    restored.run(1_000_000);
    expect(restored.hash()).toBe(guest.hash());
    const refused = (given?: CpuModel) => (): unknown =>
      restoreGuest(guest.save(), { onConsole() {}, ...(given === undefined ? {} : { hostCpu: given }) });
    expect(refused()).toThrow(SnapshotError);
    expect(refused()).toThrow("the snapshot is of a host CPU mine: give its model as hostCpu");
    expect(refused({ ...hostCpu, name: "other" })).toThrow(SnapshotError);
    expect(refused("24Kc" as never)).toThrow("hostCpu is no model");
    expect(refused({ ...hostCpu, tlbEntries: 16 })).toThrow(SnapshotError);
  });

  it.each<[Record<string, unknown>, string]>([
    [{ name: "" }, "name has to have"],
    [{ name: "34Kc" }, "name is that of another model"],
    [{ isa: "mips64r2" }, "isa has to be one of"],
    [{ rixi: 1 }, "rixi has to be true or false"],
    [{ llb: true }, "llb needs isa mips32r5"],
    [{ isa: "mips32r5", segmentControl: true }, "segmentControl needs ebaseWriteGate"],
    [{ isa: "mips32r5", xpa: true, physicalBits: 40 }, "xpa needs rixi"],
    [{ tlbEntries: 4 }, "tlbEntries has to be a whole number from 8 to 1024"],
    [{ tlbEntries: 16.5 }, "tlbEntries"],
    [{ tlbEntries: 24 }, "tlbEntries has to be a power of two"],
    [{ physicalBits: 40 }, "physicalBits has to be a whole number from 32 to 36"],
    [{ kscratch: 2 }, "kscratch may have"],
    [{ statusWritable: 0 }, "statusWritable"],
    [{ cacheLine: 64 }, "cacheLine has to be"],
    [{ fpu: { fir: 0, fcsrReset: 0, fcsrWritable: 0 } }, "fpu has to be null"],
    [{ ccres: 0 }, "ccres"],
  ])("cannot have %o", (change, message) => {
    const check = (): void => checkModel({ ...BASE, name: "mine", ...change });
    expect(check).toThrow(GuestConfigError);
    expect(check).toThrow(message);
  });
});
