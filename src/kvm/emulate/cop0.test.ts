import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createInterpreter } from "../../engine/index.ts";
import { CONFIG, CP0, cp0Index, STATUS } from "../../isa/cp0.ts";
import { EXC_CODE } from "../../isa/exceptions.ts";
import { disassemble } from "../../isa/disassemble.ts";
import { GPR } from "../../isa/registers.ts";
import { Assembler } from "../../uasm/assembler.ts";
import { MASKED_WHEN_READ } from "../guest-cp0.ts";
import { entryLo, TestGuest, type TestGuestOptions } from "../testing.ts";
import { HWR_OP } from "../trace.ts";

const CODE = 0x4000_1000;
const { s0, t0, t1, t2, t3, v0 } = GPR;

function run(
  emit: (asm: Assembler) => void,
  options: TestGuestOptions = {},
  prepare?: (guest: TestGuest) => void,
): TestGuest {
  const guest = new TestGuest(createInterpreter, options);
  guest.trapExceptions();
  guest.assemble(CODE, (asm) => {
    emit(asm);
    asm.wait();
  });
  guest.start(CODE);
  prepare?.(guest);
  guest.runToWait();
  return guest;
}

/** The guest's CPU without anything beyond a 24Kc. */
const PLAIN = { guestTlb: 64 };

/** Writes ones to a register and reads it back, twice: the second time dynamic translation has been there. */
function writeOnes(index: number): number {
  const guest = run((asm) => {
    const again = asm.label();
    asm.addiu(t0, 0, -1);
    asm.addiu(t3, 0, 2);
    asm.bind(again);
    asm.addu(t2, t1, 0);
    asm.mtc0(t0, index >>> 3, index & 7);
    asm.mfc0(t1, index >>> 3, index & 7);
    asm.addiu(t3, t3, -1);
    asm.bnez(t3, again);
    asm.nop();
  }, PLAIN);
  const { gpr } = guest.vcpu.regs;
  expect(gpr[t2]).toBe(gpr[t1]);
  return gpr[t1]! >>> 0;
}

describe("the guest's CP0", () => {
  test.each([
    ["PRId", CP0.PRId, 0x0001_9300],
    ["BadVAddr", CP0.BadVAddr, 0],
    ["Config1", CP0.Config1, null],
    ["Config7", CP0.Config7, 0x8000_0400],
    ["Index", CP0.Index, 63],
    ["EntryLo0", CP0.EntryLo0, 0x03ff_ffff],
    ["EntryLo1", CP0.EntryLo1, 0x03ff_ffff],
    ["Context", CP0.Context, 0xff80_0000],
    ["Wired", CP0.Wired, 63],
    ["EntryHi", CP0.EntryHi, 0xffff_e0ff],
    ["PageMask", CP0.PageMask, 0x1fff_e000],
    ["EBase", CP0.EBase, 0x5fff_f000],
    ["HWREna", CP0.HWREna, 0x2000_000f],
    ["ErrCtl", CP0.ErrCtl, 0],
    ["EPC", CP0.EPC, 0xffff_ffff],
    ["DESAVE, without EJTAG", CP0.DESAVE, 0],
    ["a KScratch that Config4 does not announce", CP0.KScratch1, 0],
  ] as const)("%s keeps what it should of ones", (_name, index, expected) => {
    const kept = writeOnes(index);
    if (expected === null) expect(kept).toBe(run(() => {}).vcpu.cp0[index]! >>> 0);
    else expect(kept).toBe(expected);
  });

  test("words that are remembered at one place are not taken for each other", () => {
    const guest = run(
      (asm) => {
        for (let round = 0; round < 2; round++) {
          asm.addiu(s0, 0, -1);
          asm.mfc0(t0, CP0.PRId >>> 3, 0);
          asm.mfc0(s0, CP0.Status >>> 3, 0);
        }
      },
      { fastExits: false },
    );
    const { gpr } = guest.vcpu.regs;
    expect([gpr[t0], gpr[s0]]).toEqual([0x0001_9300, 0]);
  });

  test("it says that there are 64 TLB entries, and no FPU, watch registers or counters", () => {
    const { cp0 } = new TestGuest(createInterpreter).vcpu;
    expect((cp0[CP0.Config1]! >>> CONFIG.C1_MMU_SIZE_SHIFT) & 63).toBe(63);
    expect(cp0[CP0.Config1]! & 0x7f).toBe(0);
    expect(cp0[CP0.Status]).toBe(STATUS.BEV | STATUS.ERL);
  });

  test("TLBP alone sets Index.P, and software cannot clear it", () => {
    const guest = run((asm) => {
      asm.loadConstant(t0, 0x0010_0000);
      asm.mtc0(t0, 10, 0);
      asm.tlbp();
      asm.addiu(t0, 0, 5);
      asm.mtc0(t0, 0, 0);
      asm.mfc0(t1, 0, 0);
    });
    expect(guest.vcpu.regs.gpr[t1]! >>> 0).toBe(0x8000_0005);
  });

  test("a TLB entry has the frame bits that the guest's CPU has, also after a translated MTC0", () => {
    const guest = run((asm) => {
      const again = asm.label();
      asm.addiu(t0, 0, -1);
      asm.addiu(t3, 0, 2);
      asm.bind(again);
      asm.mtc0(t0, 2, 0);
      asm.mtc0(t0, 3, 0);
      asm.tlbwi();
      asm.addiu(t3, t3, -1);
      asm.bnez(t3, again);
      asm.nop();
      asm.tlbr();
      asm.mfc0(t1, 2, 0);
    });
    expect(guest.vcpu.regs.gpr[t1]).toBe(0x03ff_ffff);
    expect(guest.vcpu.guestTlb.read(0).entryLo1).toBe(0x03ff_ffff);
  });

  test.each(["tlbwi", "tlbwr"] as const)(
    "%s of a second entry for an address raises a machine check and is not carried out",
    (write) => {
      const guest = new TestGuest(createInterpreter);
      guest.trapExceptions();
      guest.mapPages(3, 0x0010_0000, 5, entryLo(0, true), entryLo(0, true));
      const { cp0, guestTlb } = guest.vcpu;
      let at = 0;
      guest.assemble(CODE, (asm) => {
        asm.loadConstant(t0, 0x0010_0000 | 6);
        asm.mtc0(t0, 10, 0);
        asm.addiu(t1, 0, 4);
        asm.mtc0(t1, 0, 0);
        asm.tlbwi();
        // Another ASID was no conflict; the same one is, also for an entry that is not valid.
        asm.addiu(t0, t0, -1);
        asm.mtc0(t0, 10, 0);
        asm.addiu(t1, 0, 63);
        asm.mtc0(t1, 6, 0);
        asm.mtc0(t1, 0, 0);
        at = asm.address;
        asm[write]();
        asm.wait();
      });
      guest.start(CODE);
      expect(guest.runToTrap()).toBe(0x180);
      expect((cp0[CP0.Cause]! >>> 2) & 31).toBe(EXC_CODE.MCheck);
      expect(cp0[CP0.EPC]! >>> 0).toBe(at);
      expect(cp0[CP0.Status]! & STATUS.TS).toBe(STATUS.TS);
      expect([4, 63].map((index) => guestTlb.isUsed(index))).toEqual([true, false]);
    },
  );

  test("Random falls with each instruction, stays above Wired, and TLBWR follows it", () => {
    const wired = 40;
    const guest = run((asm) => {
      asm.addiu(t0, 0, wired);
      asm.mtc0(t0, 6, 0);
      asm.mfc0(t1, 1, 0);
      asm.mfc0(t2, 1, 0);
      asm.loadConstant(t0, 0x0010_0000);
      asm.mtc0(t0, 10, 0);
      const loop = asm.label();
      asm.addiu(t3, 0, 200);
      asm.bind(loop);
      asm.tlbwr();
      asm.addiu(t3, t3, -1);
      asm.addiu(t0, t0, 0x2000);
      asm.bnez(t3, loop);
      asm.mtc0(t0, 10, 0);
    }, PLAIN);
    const { gpr } = guest.vcpu.regs;
    expect(gpr[t2]).toBe(gpr[t1]! - 1);
    for (let index = 0; index < 64; index++)
      if (index < wired) expect(guest.vcpu.guestTlb.isUsed(index)).toBe(false);
    const used = Array.from({ length: 64 }, (_, index) => guest.vcpu.guestTlb.isUsed(index)).filter(Boolean);
    expect(used.length).toBeGreaterThan(12);
  });

  test("TLBP, TLBR and TLBWI work on the guest's TLB; an index beyond it is reduced", () => {
    const guest = run(
      (asm) => {
        asm.loadConstant(t0, 0x0010_0005);
        asm.mtc0(t0, 10, 0);
        asm.tlbp();
        asm.mfc0(t1, 0, 0);
        asm.tlbr();
        asm.mfc0(t2, 2, 0);
        asm.loadConstant(t0, 0x0050_0005);
        asm.mtc0(t0, 10, 0);
        asm.tlbp();
        asm.mfc0(t3, 0, 0);
        asm.addiu(t0, 0, 64 + 9);
        asm.mtc0(t0, 0, 0);
        asm.tlbwi();
      },
      PLAIN,
      (made) => made.mapPages(17, 0x0010_0000, 5, entryLo(0x3_0000, true), 0),
    );
    const { gpr } = guest.vcpu.regs;
    expect(gpr[t1]).toBe(17);
    expect(gpr[t2]).toBe(entryLo(0x3_0000, true));
    expect(gpr[t3]! < 0).toBe(true);
    expect(guest.vcpu.guestTlb.read(9).entryHi).toBe(0x0050_0005);
  });

  test.each(["24Kc", "P5600"])("Status has the bits of the guest's CPU on a %s", (model) => {
    const guest = run(
      (asm) => {
        asm.addiu(t0, 0, -1);
        asm.mtc0(t0, 12, 0);
        asm.mfc0(t1, 12, 0);
      },
      { model },
    );
    expect(guest.vcpu.regs.gpr[t1]! >>> 0).toBe(0x1070_ff17);
  });

  test("DI and EI return the old Status, ERET leaves ERL before EXL", () => {
    const guest = run(
      (asm) => {
        asm.ei(t1);
        asm.di(t2);
        asm.mfc0(t3, 12, 0);
        asm.loadAddress(t0, CODE + 0x100);
        asm.mtc0(t0, 30, 0);
        asm.addiu(t0, 0, STATUS.ERL | STATUS.EXL);
        asm.mtc0(t0, 12, 0);
        asm.loadAddress(t0, CODE + 0x200);
        asm.mtc0(t0, 14, 0);
        asm.eret();
      },
      {},
      (made) => {
        made.assemble(CODE + 0x100, (asm) => asm.eret());
        made.assemble(CODE + 0x200, (asm) => asm.wait());
      },
    );
    const { gpr, pc } = guest.vcpu.regs;
    expect([gpr[t1], gpr[t2], gpr[t3]]).toEqual([0, STATUS.IE, 0]);
    expect(pc).toBe(CODE + 0x204);
    expect(guest.vcpu.cp0[CP0.Status]! & 6).toBe(0);
  });

  test("what the CPU does not have is reserved, and a hypercall is answered", () => {
    const guest = run(
      (asm) => asm.c0(0x28),
      {},
      () => {},
    );
    expect(guest.vcpu.regs.gpr[v0]).toBe(-1000);
    const reserved = new TestGuest(createInterpreter, PLAIN);
    reserved.trapExceptions();
    reserved.assemble(CODE, (asm) => asm.c0(0x3));
    reserved.start(CODE);
    expect(reserved.runToTrap()).toBe(0x180);
    expect((reserved.vcpu.cp0[CP0.Cause]! >>> 2) & 31).toBe(10);
  });

  test.each<[string, (asm: Assembler) => void]>([
    ["LWE", (asm) => asm.lwe(t1, 0, t0)],
    ["SCE", (asm) => asm.sce(t1, 0, t0)],
    ["CACHEE", (asm) => asm.cachee(0x15, 0, t0)],
    ["ERETNC", (asm) => asm.eretnc()],
    ["TLBINVF", (asm) => asm.tlbinvf()],
    ["MTHC0", (asm) => asm.mthc0(t1, 2, 0)],
  ])("%s is reserved in a guest, also where the host has it", (_name, emit) => {
    const later = new Assembler({ level: "mips32r5", baseAddress: CODE });
    emit(later);
    for (const model of ["24Kc", "P5600"]) {
      const guest = new TestGuest(createInterpreter, { ...PLAIN, model });
      guest.trapExceptions();
      guest.write(CODE & 0x1fff_ffff, later.words()[0]!);
      guest.start(CODE);
      expect(guest.runToTrap(), model).toBe(0x180);
      expect((guest.vcpu.cp0[CP0.Cause]! >>> 2) & 31, model).toBe(10);
    }
  });

  test("ERET clears LLbit, a TLB refill between LL and SC does not", () => {
    const llSc = (between: (asm: Assembler) => void): number => {
      const guest = run(
        (asm) => {
          asm.lui(t0, 0x4005);
          asm.ll(t1, 0, t0);
          between(asm);
          asm.sc(t1, 0, t0);
        },
        {},
        (made) =>
          made.assemble(CODE + 0x100, (asm) => {
            asm.sc(t1, 0, t0);
            asm.wait();
          }),
      );
      return guest.vcpu.regs.gpr[t1]!;
    };
    expect(llSc((asm) => asm.lw(t2, 0x3000, t0))).toBe(1);
    expect(llSc((asm) => asm.tlbp())).toBe(1);
    expect(
      llSc((asm) => {
        asm.loadAddress(t2, CODE + 0x100);
        asm.mtc0(t2, 14, 0);
        asm.eret();
      }),
    ).toBe(0);
  });
});

describe("RDHWR", () => {
  test("the kernel may read every register, UserLocal is the guest's", () => {
    const guest = run((asm) => {
      asm.loadConstant(t0, 0x1234_5678);
      asm.mtc0(t0, 4, 2);
      asm.rdhwr(t1, 29);
      asm.rdhwr(t2, 1);
      asm.rdhwr(t3, 3);
    });
    const { gpr } = guest.vcpu.regs;
    expect([gpr[t1], gpr[t2], gpr[t3]]).toEqual([0x1234_5678, 32, 2]);
  });

  test("Count reads alike by MFC0 and RDHWR, and follows the instructions", () => {
    const guest = run((asm) => {
      asm.mfc0(t1, 9, 0);
      asm.rdhwr(t2, 2);
      for (let i = 0; i < 19; i++) asm.nop();
      asm.rdhwr(t3, 2);
    });
    const { gpr } = guest.vcpu.regs;
    expect(gpr[t3]! - gpr[t2]!).toBe(10);
    expect(gpr[t2]! - gpr[t1]!).toBeLessThanOrEqual(1);
  });
});

describe("dynamic translation", () => {
  const TRANSLATED = { dyntrans: true } as const;
  const shown = (guest: TestGuest, index: number): string =>
    disassemble(guest.read((CODE & 0xffff) + 4 * index), CODE + 4 * index);

  test("what traps and only touches the register array is replaced, other instructions stay", () => {
    const guest = run((asm) => {
      asm.mfc0(t0, 12, 0);
      asm.mtc0(t0, 14, 0);
      asm.mfc0(t1, 9, 0);
      asm.mtc0(t0, 12, 0);
      asm.mfc0(t1, 26, 0);
      asm.lui(t2, 0x4000);
      asm.cache(0x15, 0x20, t2);
      asm.cache(0x01, 0, t2);
      asm.tlbp();
    }, TRANSLATED);
    expect(Array.from({ length: 9 }, (_, index) => shown(guest, index))).toEqual([
      "lw t0,29056(zero)",
      "sw t0,29120(zero)",
      "mfc0 t1,$9",
      "mtc0 t0,$12",
      "add t1,zero,zero",
      "lui t2,0x4000",
      "synci 32(t2)",
      "nop",
      "tlbp",
    ]);
    expect(guest.vcpu.stats.translated).toBe(5);
    expect(guest.vcpu.stats.counters.cache).toBe(2);
  });

  test("with 16K pages the commpage is at 4000", () => {
    const guest = run((asm) => asm.mfc0(t0, 12, 0), { pageSize: 16384, dyntrans: true });
    expect(shown(guest, 0)).toBe(`lw t0,${0x4180}(zero)`);
  });

  test("code that the guest could not write stays as it is", () => {
    const guest = new TestGuest(createInterpreter, TRANSLATED);
    guest.trapExceptions();
    guest.assemble(0x4002_0000, (asm) => {
      asm.mfc0(t0, 15, 0);
      asm.wait();
    });
    guest.mapPages(0, 0x6000_0000, 0, entryLo(0x2_0000, false), 0);
    guest.start(0x6000_0000);
    guest.runToWait();
    expect(guest.vcpu.regs.gpr[t0]).toBe(0x19300);
    expect(guest.vcpu.stats.translated).toBe(0);
  });

  test("in a mapped segment and in a delay slot it works as in KSeg0", () => {
    const guest = new TestGuest(createInterpreter, TRANSLATED);
    guest.assemble(0x4002_0000, (asm) => {
      const on = asm.label();
      asm.b(on);
      asm.mfc0(t0, 15, 0);
      asm.bind(on);
      asm.wait();
    });
    guest.mapPages(0, 0x6000_0000, 0, entryLo(0x2_0000, true), 0);
    for (let pass = 0; pass < 2; pass++) {
      guest.start(0x6000_0000);
      guest.vcpu.waiting = false;
      guest.runToWait();
      expect(guest.vcpu.regs.gpr[t0]).toBe(0x19300);
    }
    expect(guest.vcpu.stats.translated).toBe(1);
    expect(guest.vcpu.stats.exits.cop_unusable).toBe(3);
  });

  /** Registers whose writes change no mode, time or address space. */
  const registers = [
    ...[CP0.Index, CP0.EntryLo1, CP0.UserLocal, CP0.PageMask, CP0.Wired, CP0.HWREna, CP0.BadVAddr, CP0.EBase],
    ...[CP0.PRId, CP0.Config, CP0.Config1, CP0.Config4, CP0.LLAddr, CP0.ErrCtl, CP0.ErrorEPC, CP0.KScratch1],
    ...[CP0.ITagLo, CP0.DTagLo, CP0.IntCtl, cp0Index(25, 0), cp0Index(31, 0)],
  ];
  /** One instruction that a kernel may execute on its virtual CP0, by way of t0 and t1. */
  const instruction = fc.constantFrom<(asm: Assembler) => void>(
    (asm) => asm.mfc0(t0, 12, 0),
    (asm) => asm.mfc0(t1, 14, 0),
    (asm) => asm.mtc0(t0, 14, 0),
    (asm) => asm.mtc0(t1, 4, 0),
    (asm) => asm.mfc0(t1, 4, 0),
    (asm) => asm.mtc0(t0, 2, 0),
    (asm) => asm.mfc0(t0, 2, 0),
    (asm) => asm.mfc0(t0, 9, 0),
    (asm) => asm.mfc0(t1, 1, 0),
    (asm) => asm.mfc0(t1, 26, 0),
    ...registers.flatMap((index) => [
      (asm: Assembler) => asm.mfc0(t1, index >>> 3, index & 7),
      (asm: Assembler) => asm.mtc0(t0, index >>> 3, index & 7),
    ]),
    (asm) => asm.loadConstant(t0, 0xffff_ffff),
    (asm) => asm.loadConstant(t0, 0x5a5a_a5a5),
    (asm) => asm.ei(t0),
    (asm) => asm.di(t1),
    (asm) => asm.addu(t1, t1, t0),
    (asm) => asm.rdhwr(t0, 2),
    (asm) => asm.tlbp(),
    (asm) => (asm.b(asm.address + 8), asm.mfc0(t1, 13, 0)),
  );

  test("a guest with and without it and fast exits, and with either refill, does the same in the same time", () => {
    fc.assert(
      fc.property(fc.array(instruction, { minLength: 1, maxLength: 30 }), (program) => {
        const results = (
          [
            [true, "fast", true],
            [false, "fast", true],
            [true, "slow", true],
            [true, "fast", false],
            [false, "fast", false],
          ] as const
        ).map(([dyntrans, refill, fastExits]) => {
          const guest = run(
            (asm) => {
              const loop = asm.label();
              asm.addiu(t3, 0, 3);
              asm.bind(loop);
              for (const emit of program) emit(asm);
              asm.addiu(t3, t3, -1);
              asm.bnez(t3, loop);
              asm.nop();
            },
            { dyntrans, refill, fastExits },
          );
          return [
            Array.from(guest.vcpu.regs.gpr),
            Array.from(
              guest.vcpu.cp0,
              (value, index) =>
                value & (MASKED_WHEN_READ.has(index) ? guest.vcpu.guestCpu.readMask(index) : -1),
            ),
            guest.machine.timeline.now(),
          ];
        });
        for (const result of results) expect(result).toEqual(results[0]);
      }),
      { numRuns: 25 },
    );
  });
});

describe("CACHE", () => {
  test("operations that have nothing to do on the machine do nothing: secondary caches, locks, write-backs of code", () => {
    for (let op = 0; op < 32; op++)
      run((asm) => {
        asm.lui(t0, 0x4000);
        asm.cache(op, 0x2000, t0);
      });
  });

  test("LL and SC at a device are a plain load, and a failure", () => {
    const guest = new TestGuest(createInterpreter);
    guest.assemble(CODE, (asm) => {
      asm.lui(t0, 0xb800);
      asm.ll(t1, 0x3f8, t0);
      asm.addiu(t2, 0, 1);
      asm.sc(t2, 0x3f8, t0);
      asm.wait();
    });
    guest.start(CODE);
    const exit = guest.run();
    expect(exit).toMatchObject({ reason: "mmio", physAddr: 0x1800_03f8, len: 4, isWrite: false });
    if (exit.reason === "mmio") exit.data = 0x123;
    guest.runToWait();
    expect([guest.vcpu.regs.gpr[t1], guest.vcpu.regs.gpr[t2]]).toEqual([0x123, 0]);
  });

  test("a hit operation on an address without a mapping is a TLB exception, once mapped it is done", () => {
    const guest = new TestGuest(createInterpreter);
    guest.trapExceptions();
    guest.assemble(CODE, (asm) => {
      asm.lui(t0, 0x0010);
      asm.cache(0x10, 0x10, t0);
      asm.wait();
    });
    guest.start(CODE);
    expect(guest.runToTrap()).toBe(0);
    expect(guest.vcpu.cp0[CP0.BadVAddr]).toBe(0x0010_0010);
    guest.mapPages(0, 0x0010_0000, 0, entryLo(0x2_0000, true), 0);
    guest.start(CODE);
    guest.runToWait();
  });

  test("written code runs after CACHE", () => {
    const guest = run(
      (asm) => {
        asm.lui(t0, 0x4003);
        asm.jalr(31, t0);
        asm.nop();
        asm.lw(t1, 0x100, t0);
        asm.sw(t1, 0, t0);
        asm.cache(0x15, 0, t0);
        asm.cache(0x10, 0, t0);
        asm.jalr(31, t0);
        asm.nop();
      },
      {},
      (made) => {
        made.assemble(0x4003_0000, (asm) => (asm.addiu(t2, t2, 1), asm.jr(31), asm.nop()));
        made.assemble(0x4003_0100, (asm) => asm.addiu(t2, t2, 100));
      },
    );
    expect(guest.vcpu.regs.gpr[t2]).toBe(101);
  });
});

test("the tracepoints tell registers, ASIDs and exits", () => {
  const log: string[] = [];
  run(
    (asm) => {
      asm.addiu(t0, 0, 7);
      asm.mtc0(t0, 10, 0);
      asm.mfc0(t1, 15, 0);
      asm.rdhwr(t2, 1);
    },
    {
      fastExits: false,
      tracer: {
        kvm_enter: (pc) => log.push(`enter ${pc.toString(16)}`),
        kvm_out: (pc) => log.push(`out ${pc.toString(16)}`),
        kvm_reenter: (pc) => log.push(`reenter ${pc.toString(16)}`),
        kvm_exit: (pc, reason) => log.push(`exit ${pc.toString(16)} ${reason}`),
        kvm_hwr: (value, register, op) => log.push(`hwr ${value} ${register.toString(16)} ${op}`),
        kvm_asid_change: (_pc, from, to) => log.push(`asid ${from} ${to}`),
      },
    },
  );
  expect(log).toEqual([
    "enter 40001000",
    "exit 40001000 2",
    "reenter 40001000",
    "exit 40001004 11",
    `hwr 7 50 ${HWR_OP.MTC0}`,
    "asid 0 7",
    "reenter 40001008",
    "exit 40001008 11",
    `hwr ${0x19300} 78 ${HWR_OP.MFC0}`,
    "reenter 4000100c",
    "exit 4000100c 10",
    `hwr 32 108 ${HWR_OP.RDHWR}`,
    "reenter 40001010",
    "exit 40001010 11",
    "exit 40001014 32",
    "out 40001014",
  ]);
});
