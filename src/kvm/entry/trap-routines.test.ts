import { describe, expect, test } from "vitest";
import { createInterpreter, createTranslator } from "../../engine/index.ts";
import { CP0, STATUS } from "../../isa/cp0.ts";
import { encode } from "../../isa/encode.ts";
import { GPR } from "../../isa/registers.ts";
import type { Assembler } from "../../uasm/assembler.ts";
import { fromKseg0 } from "../addresses.ts";
import { entryLo, outcomeOf, TestGuest, type TestGuestOptions } from "../testing.ts";
import { TABLE_BYTES } from "./trap-routine.ts";

const { zero, v0, s0, k0, t0 } = GPR;
const P5600 = { model: "P5600" };
const CODE = 0x4000_1000;
const ALL = Array.from({ length: 32 }, (_, reg) => reg);
const cp0 = (index: number): [number, number] => [index >>> 3, index & 7];

/** Makes all routines of a guest unreachable. */
function removeRoutines({ vcpu, machine }: TestGuest): void {
  const { base, words } = vcpu.code.routines!;
  const none = words[TABLE_BYTES / 4 - 1]!;
  for (let at = 0; at < TABLE_BYTES; at += 4) machine.write32(fromKseg0(base) + at, none);
}

type Program = (guest: TestGuest) => void;

/** A kernel's code up to WAIT, with a different value in each register. */
function kernel(emit: (asm: Assembler) => void, status: number = STATUS.IE): Program {
  return (guest) => {
    guest.assemble(CODE, (asm) => {
      emit(asm);
      asm.wait();
    });
    guest.start(CODE, status);
    for (const reg of ALL.slice(1)) guest.vcpu.regs.gpr[reg] = 0x0101_0000 * reg + 0x0300 * reg;
  };
}

/**
 * Runs `program` up to its WAIT with routines, without them, and without fast exits: the guest must not notice. Returns
 * the fast exits, and how many host instructions routines have saved.
 */
function compare(program: Program, options: TestGuestOptions = P5600): { fast: number; saved: number } {
  const run = (fastExits: boolean, routines: boolean) => {
    const guest = new TestGuest(createInterpreter, { ...options, fastExits });
    if (fastExits && !routines) removeRoutines(guest);
    program(guest);
    guest.runToWait();
    return { ...outcomeOf(guest), host: guest.machine.instructions };
  };
  const [on, without, off] = [run(true, true), run(true, false), run(false, false)] as const;
  expect(on.seen).toEqual(off.seen);
  expect([on.seen, on.exits, on.fast]).toEqual([without.seen, without.exits, without.fast]);
  return { fast: on.fast, saved: without.host - on.host };
}

/** Where the guest finds 2 KiB of memory by an offset from $zero. */
const mapLog: Program = (guest) => guest.mapPages(0, 0, 0, entryLo(0x2_0000, true), entryLo(0x2_1000, true));

/** Emits: notes what `register` reads as at `offset`; all general registers are as before. */
function note(asm: Assembler, register: number, offset: number): void {
  asm.sw(v0, 0x7f0, zero);
  asm.mfc0(v0, ...cp0(register));
  asm.sw(v0, offset, zero);
  asm.lw(v0, 0x7f0, zero);
}

const READ = [
  "Index",
  "EntryLo0",
  "EntryLo1",
  "Context",
  "BadVAddr",
  "EntryHi",
  "Status",
  "Cause",
  "EPC",
] as const;
const WRITTEN = ["EntryLo0", "EntryLo1", "EPC", "UserLocal", "Status", "EntryHi"] as const;

describe("instructions with routines, with each register", () => {
  test.each(READ)("MFC0 of %s", (name) => {
    const { fast, saved } = compare((guest) => {
      kernel((asm) => ALL.slice(1).forEach((rt) => asm.mfc0(rt, ...cp0(CP0[name]))))(guest);
      if (name !== "Status") guest.vcpu.cp0[CP0[name]] = 0x1234_5678;
    });
    expect(fast).toBe(31);
    expect(saved).toBeGreaterThan(31 * 50);
  });

  test.each(WRITTEN)("MTC0 of %s", (name) => {
    const { fast, saved } = compare((guest) => {
      mapLog(guest);
      kernel((asm) => {
        for (const rt of ALL) {
          asm.mtc0(rt, ...cp0(CP0[name]));
          note(asm, CP0[name], 4 * rt);
        }
      }, 0)(guest);
      // Neither another ASID nor another mode.
      for (const reg of ALL.slice(1)) if (name === "EntryHi") guest.vcpu.regs.gpr[reg] = 0x0100_2000 * reg;
    });
    expect(fast).toBe(64);
    expect(saved).toBeGreaterThan(32 * 30);
  });

  test.each([
    ["DI", (asm: Assembler, rt: number) => asm.di(rt)],
    ["EI", (asm: Assembler, rt: number) => asm.ei(rt)],
  ])("%s", (_name, emit) => {
    const { fast, saved } = compare((guest) => {
      mapLog(guest);
      kernel((asm) => {
        for (const rt of ALL) {
          if (rt % 2 === 0) asm.di(zero);
          emit(asm, rt);
          note(asm, CP0.Status, 4 * rt);
        }
      })(guest);
    });
    expect(fast).toBe(80);
    expect(saved).toBeGreaterThan(80 * 20);
  });

  test("MFC0 of Count", () => {
    const { fast, saved } = compare(
      kernel((asm) => ALL.slice(1).forEach((rt) => asm.mfc0(rt, ...cp0(CP0.Count)))),
    );
    expect(fast).toBe(31);
    expect(saved).toBeGreaterThan(31 * 50);
  });
});

test("TLBP and ERET, which have one entry, are told apart", () => {
  const { fast, saved } = compare(
    kernel((asm) => {
      asm.lui(t0, 0x0040);
      asm.mtc0(t0, ...cp0(CP0.EntryHi));
      asm.mtc0(zero, ...cp0(CP0.Index));
      asm.tlbwi();
      asm.tlbp();
      asm.loadAddress(t0, asm.address + 20);
      asm.mtc0(t0, ...cp0(CP0.EPC));
      asm.ehb();
      asm.eret();
    }),
  );
  expect(fast).toBe(5);
  expect(saved).toBeGreaterThan(4 * 40);
});

describe("what is not a routine's", () => {
  /** Words with the entry of one that has a routine. */
  const others: readonly (readonly [string, number])[] = [
    ["TLBWI", encode("tlbwi", {})],
    ["TLBR", encode("tlbr", {})],
    ["MFC0 with select 1", encode("mfc0", { rt: t0, rdNumber: 12, sel: 1 })],
    ["MTC0 with select 3", encode("mtc0", { rt: t0, rdNumber: 14, sel: 3 })],
    ["MTC0 of Context", encode("mtc0", { rt: t0, rdNumber: 4, sel: 0 })],
    ["MFC0 with a bit that should be 0", encode("mfc0", { rt: t0, rdNumber: 12, sel: 0 }) | 0x100],
    ["DI with a bit that should be 0", encode("di", { rt: t0 }) | 1],
    ["MFC0 to $zero", encode("mfc0", { rt: zero, rdNumber: 12, sel: 0 })],
    ["CACHE", 0xbc00_0000 | (encode("mtc0", { rt: t0, rdNumber: 14, sel: 0 }) & 0x00ff_ffff)],
  ];
  test.each(others)("%s", (_name, word) => {
    compare((guest) => {
      guest.trapExceptions();
      kernel((asm) => asm.nop())(guest);
      guest.write(0x1000, word);
      // A vector that is reached tells by its address, and waits.
      for (const offset of [0, 0x180])
        guest.assemble(0x4000_0000 + offset, (asm) => (asm.ori(s0, zero, offset), asm.wait()));
    });
  });

  test("a privileged instruction of user mode, which the guest's kernel is told of", () => {
    const { saved } = compare((guest) => {
      guest.assemble(0x4000_0180, (asm) => {
        asm.mfc0(s0, ...cp0(CP0.Cause));
        asm.wait();
      });
      guest.assemble(0x4002_0000, (asm) => asm.mfc0(k0, ...cp0(CP0.EPC)));
      guest.mapPages(0, 0x0001_0000, 0, entryLo(0x2_0000, false), 0);
      guest.start(0x0001_0000, STATUS.UM | STATUS.IE);
    });
    // Of the kernel's MFC0; the user's took a few more.
    expect(saved).toBeGreaterThan(40);
  });

  test("MTC0 of Status to user mode, to ERL, and where an interrupt waits for it", () => {
    for (const status of [STATUS.UM, STATUS.ERL, STATUS.IM | STATUS.IE])
      compare((guest) => {
        guest.assemble(0x4000_0180, (asm) => {
          asm.mtc0(zero, ...cp0(CP0.Status));
          asm.wait();
        });
        kernel((asm) => {
          asm.loadConstant(t0, status);
          asm.mtc0(t0, ...cp0(CP0.Status));
          asm.mtc0(zero, ...cp0(CP0.Status));
        }, 0)(guest);
        guest.vcpu.interrupt(3);
      });
  });
});

test("hosts without BadInstr, with dynamic translation or without fast exits have no routines", () => {
  const has = (options: TestGuestOptions): boolean =>
    new TestGuest(createInterpreter, options).vcpu.code.routines !== null;
  expect(has(P5600)).toBe(true);
  expect(has({})).toBe(false);
  expect(has({ ...P5600, dyntrans: true })).toBe(false);
  expect(has({ ...P5600, fastExits: false })).toBe(false);
});

test("translated code finds the routines as the interpreter does", () => {
  const [interpreted, translated] = [createInterpreter, createTranslator].map((engine) => {
    const guest = new TestGuest(engine, P5600);
    kernel((asm) => {
      asm.addiu(s0, zero, 2000);
      const again = asm.bind();
      asm.mfc0(t0, ...cp0(CP0.Status));
      asm.mtc0(t0, ...cp0(CP0.Status));
      asm.mtc0(s0, ...cp0(CP0.EPC));
      asm.di(k0);
      asm.addiu(s0, s0, -1);
      asm.bnez(s0, again);
      asm.nop();
    })(guest);
    guest.runToWait();
    return { ...outcomeOf(guest), host: guest.machine.instructions };
  });
  expect(translated).toEqual(interpreted);
  expect(interpreted!.fast).toBe(8000);
});

test("a vcpu gives the memory of its routines back", () => {
  const guest = new TestGuest(createInterpreter, P5600);
  const { pages } = guest.kvm.host;
  const before = pages.allocated;
  const [one, other] = [guest.vm.createVcpu(1), guest.vm.createVcpu(2)];
  expect(other.code.routines!.base).not.toBe(one.code.routines!.base);
  one.destroy();
  other.destroy();
  expect(pages.allocated).toBe(before);
});
