import { describe, expect, test } from "vitest";
import { createInterpreter } from "../engine/index.ts";
import { CAUSE, CP0, STATUS } from "../isa/cp0.ts";
import { GPR } from "../isa/registers.ts";
import { CPU_MODELS } from "../machine/cpu-models.ts";
import type { Endian } from "../machine/memory.ts";
import type { Assembler } from "../uasm/assembler.ts";
import { entryLo, outcomeOf, TestGuest, type TestGuestOptions } from "./testing.ts";

const { zero, at, v0, a0, t0, t1, t2, t3, s0, k0, k1, ra } = GPR;
const CODE = 0x4000_1000;
const USER = 0x0001_0000;

/**
 * Runs `program` up to its WAIT with and without fast exits. What the guest can notice must be the same; returns
 * how many exits were settled inside the machine.
 */
function compare(options: TestGuestOptions, program: (guest: TestGuest) => void): number {
  const [on, off] = [true, false].map((fastExits) => {
    const guest = new TestGuest(createInterpreter, { ...options, fastExits });
    program(guest);
    guest.runToWait();
    return outcomeOf(guest);
  });
  expect(on!.seen).toEqual(off!.seen);
  expect(off!.fast).toBe(0);
  expect(on!.exits + on!.fast).toBeLessThanOrEqual(off!.exits);
  return on!.fast;
}

function kernel(emit: (asm: Assembler) => void, status: number = STATUS.IE) {
  return (guest: TestGuest): void => {
    guest.assemble(CODE, (asm) => {
      emit(asm);
      asm.wait();
    });
    guest.start(CODE, status);
    for (let reg = 1; reg < 32; reg++) guest.vcpu.regs.gpr[reg] = 0x0101_0000 * reg;
  };
}

const CODE_PAGE = 0x4000_0000;

/** One instruction each that is settled in kernel mode. */
const INSTRUCTIONS: readonly (readonly [string, (asm: Assembler) => void])[] = [
  ["di", (asm) => asm.di(0)],
  ["di v0", (asm) => asm.di(v0)],
  ["di t3", (asm) => asm.di(t3)],
  ["di k0", (asm) => asm.di(k0)],
  ["di k1", (asm) => asm.di(k1)],
  ["ei s0", (asm) => asm.ei(s0)],
  ["mtc0 $zero, Status", (asm) => asm.mtc0(zero, 12, 0)],
  ["mtc0 at, Status", (asm) => asm.mtc0(at, 12, 0)],
  ["mtc0 k1, Status", (asm) => asm.mtc0(k1, 12, 0)],
  ["mfc0 a0, Count", (asm) => asm.mfc0(a0, 9, 0)],
  ["mfc0 ra, Count", (asm) => asm.mfc0(ra, 9, 0)],
  ["mtc0 $zero, EntryHi", (asm) => asm.mtc0(zero, 10, 0)],
  ["mfc0 t3, Status", (asm) => asm.mfc0(t3, 12, 0)],
  ["mfc0 k1, PRId", (asm) => asm.mfc0(k1, 15, 0)],
  ["mfc0 $zero, Config1", (asm) => asm.mfc0(zero, 16, 1)],
  ["mfc0 s0, EntryLo1", (asm) => asm.mfc0(s0, 3, 0)],
  ["mtc0 s0, EPC", (asm) => asm.mtc0(s0, 14, 0)],
  ["mtc0 k1, Context", (asm) => asm.mtc0(k1, 4, 0)],
  ["mtc0 ra, EntryLo0", (asm) => asm.mtc0(ra, 2, 0)],
  ["mtc0 at, ErrorEPC", (asm) => asm.mtc0(at, 30, 0)],
  ["mtc0 s0, UserLocal", (asm) => asm.mtc0(s0, 4, 2)],
  ["cache on an index", (asm) => asm.cache(0x01, 0, s0)],
  ["rdhwr s0, UserLocal", (asm) => asm.rdhwr(s0, 29)],
  ["rdhwr k1, CC", (asm) => asm.rdhwr(k1, 2)],
];

/** Branches with a delay slot, to the next word but one or not. */
const BRANCHES: readonly (readonly [string, (asm: Assembler, slot: () => void) => void])[] = (() => {
  const over = (emit: (asm: Assembler, target: number) => void) => (asm: Assembler, slot: () => void) => {
    emit(asm, asm.address + 16);
    slot();
    asm.addiu(s0, s0, 1);
    asm.addiu(s0, s0, 2);
  };
  return [
    ["b", over((asm, target) => asm.b(target))],
    ["beq, not taken", over((asm, target) => asm.beq(t0, zero, target))],
    ["bne", over((asm, target) => asm.bne(t0, t1, target))],
    ["bne, not taken", over((asm, target) => asm.bne(k1, k1, target))],
    ["blez", over((asm, target) => asm.blez(zero, target))],
    ["blez, not taken", over((asm, target) => asm.blez(t0, target))],
    ["bgtz", over((asm, target) => asm.bgtz(k0, target))],
    ["bgtz, not taken", over((asm, target) => asm.bgtz(zero, target))],
    ["bltz, not taken", over((asm, target) => asm.bltz(v0, target))],
    ["bgez", over((asm, target) => asm.bgez(v0, target))],
    ["bgezal", over((asm, target) => asm.bgezal(at, target))],
    ["bltzal, not taken", over((asm, target) => asm.bltzal(at, target))],
    ["beql", over((asm, target) => asm.beql(t2, t2, target))],
    ["bgezl", over((asm, target) => asm.bgezl(t2, target))],
    ["j", over((asm, target) => asm.j(target))],
    ["jal", over((asm, target) => asm.jal(target))],
    [
      "jr",
      (asm, slot) => {
        asm.loadAddress(t2, asm.address + 20);
        asm.jr(t2);
        slot();
        asm.addiu(s0, s0, 1);
        asm.addiu(s0, s0, 2);
      },
    ],
    [
      "jalr",
      (asm, slot) => {
        asm.loadAddress(t2, asm.address + 16);
        asm.jalr(k0, t2);
        slot();
        asm.addiu(s0, s0, 1);
      },
    ],
  ];
})();

const HOSTS: readonly (readonly [model: string, endian: Endian])[] = [
  ["24Kc", "little"],
  ["24Kc", "big"],
  ["24Kc-rixi", "little"],
  ["P5600", "little"],
];

describe.each(HOSTS)("fast exits on %s, %s-endian", (model, endian) => {
  const host = HOSTS.findIndex(([name, order]) => name === model && order === endian);
  /** Where it would take too long: each of the instructions on one of the hosts. */
  const some = INSTRUCTIONS.filter((_, n) => n % HOSTS.length === host);

  test.each(INSTRUCTIONS)("%s is settled, and the guest cannot tell", (_name, emit) => {
    const fast = compare(
      { model, endian },
      kernel((asm) => {
        emit(asm);
        emit(asm);
      }),
    );
    expect(fast).toBe(2);
  });

  test.each(BRANCHES)("also in the delay slot of %s", (_name, branch) => {
    expect(some.length).toBeGreaterThan(5);
    for (const [, emit] of some)
      expect(
        compare(
          { model, endian },
          kernel((asm) => branch(asm, () => emit(asm))),
        ),
      ).toBe(1);
  });

  test("a delay slot at the start of a page is left to the hypervisor where the branch must be read", () => {
    const fast = compare({ model, endian }, (guest) => {
      guest.assemble(CODE + 0xff0, (asm) => {
        for (let i = 0; i < 3; i++) asm.nop();
        asm.b(CODE + 0x1008);
        asm.di(t0);
        asm.nop();
        asm.wait();
      });
      guest.start(CODE + 0xff0, STATUS.IE);
    });
    expect(fast).toBe(CPU_MODELS[model]!.badInstr ? 1 : 0);
  });

  test("system calls and ERET go between the modes without an exit", () => {
    const fast = compare({ model, endian }, (guest) => {
      guest.assemble(0x4000_0180, (asm) => {
        asm.mfc0(k0, 14, 0);
        asm.addiu(s0, s0, 1);
        asm.sltiu(k1, s0, 50);
        const more = asm.label();
        asm.bnez(k1, more);
        asm.addiu(k0, k0, 4);
        asm.wait();
        asm.bind(more);
        asm.mtc0(k0, 14, 0);
        asm.ehb();
        asm.eret();
      });
      guest.assemble(0x4002_0000, (asm) => {
        const again = asm.bind();
        asm.syscall();
        asm.rdhwr(t0, 29);
        asm.b(again);
        asm.nop();
      });
      guest.mapPages(0, USER, 0, entryLo(0x2_0000, false), 0);
      guest.start(USER, STATUS.UM | STATUS.IE);
      guest.vcpu.cp0[CP0.HWREna] = 0x2000_0000;
      guest.vcpu.cp0[CP0.UserLocal] = 0x1234;
    });
    expect(fast).toBeGreaterThan(80);
  });

  test("ERET ends an LL of the guest, and nothing else that is settled does", () => {
    const linked = (last: (asm: Assembler) => void) =>
      kernel((asm) => {
        asm.lui(t0, 0x4000);
        asm.ll(t1, 0x800, t0);
        asm.di(zero);
        asm.mfc0(t2, 9, 0);
        last(asm);
        asm.sc(t1, 0x800, t0);
      });
    for (const [value, last] of [
      [1, (asm: Assembler) => asm.nop()],
      [
        0,
        (asm: Assembler) => {
          asm.loadAddress(t2, asm.address + 20);
          asm.mtc0(t2, 14, 0);
          asm.ehb();
          asm.eret();
        },
      ],
    ] as const) {
      const guest = new TestGuest(createInterpreter, { model, endian });
      linked(last)(guest);
      guest.runToWait();
      expect(guest.vcpu.regs.gpr[t1]).toBe(value);
      expect(guest.vcpu.stats.fastExits.cop_unusable).toBeGreaterThan(1);
    }
  });

  test("a pending interrupt is delivered by the instruction that enables it", () => {
    for (const enable of [
      (asm: Assembler) => asm.ei(zero),
      (asm: Assembler) => (asm.ori(t0, zero, STATUS.IM | STATUS.IE), asm.mtc0(t0, 12, 0)),
    ]) {
      compare({ model, endian }, (guest) => {
        guest.assemble(0x4000_0180, (asm) => {
          asm.mfc0(v0, 14, 0);
          asm.mtc0(zero, 12, 0);
          asm.wait();
        });
        kernel((asm) => {
          asm.di(t1);
          enable(asm);
          asm.addiu(s0, s0, 1);
        }, STATUS.IM)(guest);
        guest.vcpu.interrupt(3);
      });
    }
  });

  test("Count never shows a time at which the timer interrupt should be there and is not", () => {
    for (let lead = 1; lead < 40; lead++)
      compare(
        { model, endian },
        kernel((asm) => {
          asm.mfc0(t0, 9, 0);
          asm.addiu(t0, t0, lead);
          asm.mtc0(t0, 11, 0);
          for (let i = 0; i < 6; i++) {
            asm.mfc0(t1, 9, 0);
            asm.mfc0(t2, 13, 0);
            asm.subu(t3, t1, t0);
            asm.lui(at, CAUSE.TI >>> 16);
            asm.and(t2, t2, at);
            // Not before: negative. Not after: TI.
            asm.slt(t3, zero, t3);
            asm.movz(t3, zero, t2);
            asm.addu(s0, s0, t3);
          }
        }),
      );
  });

  test("a guest that writes its CP0 registers as memory is left to the hypervisor", () => {
    for (const [register, value] of [
      [CP0.Status, STATUS.UM],
      [CP0.EntryHi, 5],
      [CP0.Cause, CAUSE.TI],
      [CP0.Cause, 0x100],
    ] as const)
      for (const [, emit] of some)
        compare({ model, endian, dyntrans: true }, (guest) => {
          guest.trapExceptions();
          guest.assemble(0x4000_0180, (asm) => {
            asm.mtc0(zero, 12, 0);
            asm.wait();
          });
          kernel((asm) => {
            asm.loadConstant(t0, value);
            asm.sw(t0, 0x7000 + 4 * register, zero);
            emit(asm);
            asm.lw(t1, 0x7000 + 4 * CP0.Cause, zero);
            asm.lw(t2, 0x7000 + 4 * CP0.Status, zero);
            asm.addiu(s0, s0, 1);
            // With an interrupt pending WAIT would end at once.
            asm.mtc0(zero, 12, 0);
          }, STATUS.IM | STATUS.IE)(guest);
        });
  });
});

test("CACHE is settled where the TLB has a page, of either kind and half, and raises elsewhere as ever", () => {
  for (const options of [{}, { model: "P5600", eva: true }, { pageSize: 16384 }] as const)
    for (const [op, half] of [
      [0x10, 0],
      [0x15, 1],
      [0x19, 1],
    ] as const) {
      const fast = compare(options, (guest) => {
        guest.trapExceptions();
        guest.assemble(0x4000_0000, (asm) => asm.wait());
        const pageSize = guest.vcpu.pageSize;
        const address = 0x0010_0000 + half * pageSize;
        guest.mapPages(
          0,
          0x0010_0000,
          0,
          half === 0 ? entryLo(0x2_0000, true) : 0,
          half === 1 ? entryLo(0x3_0000, true) : 0,
          pageSize === 4096 ? 0 : 0x6000,
        );
        kernel((asm) => {
          asm.loadConstant(t0, address);
          asm.lw(t1, 0, t0);
          asm.cache(op, 4, t0);
          // The other half is not valid, and nothing is mapped beyond.
          asm.cache(0x01, 0, t0);
        })(guest);
      });
      expect(fast, `${op.toString(16)} on ${JSON.stringify(options)}`).toBe(2);
      const raised = compare(options, (guest) => {
        guest.assemble(CODE_PAGE, (asm) => asm.wait());
        kernel((asm) => {
          asm.loadConstant(t0, 0x0010_0000);
          asm.cache(op, 4, t0);
        }, 0)(guest);
      });
      expect(raised).toBe(0);
    }
});

test("what is not settled exits: another ASID, the way to user mode, unknown hardware registers, WAIT", () => {
  const fast = compare(
    {},
    kernel((asm) => {
      asm.addiu(t0, zero, 7);
      asm.mtc0(t0, 10, 0);
      asm.rdhwr(t1, 0);
      asm.tlbp();
    }),
  );
  expect(fast).toBe(0);
});

describe("exits for TLB misses that are saved", () => {
  /** Exits of kernel code that loads a word of each page in 64 KiB from `gva`, with and without fast exits. */
  function exitsOf(gva: number, prepare: (guest: TestGuest) => void): number[] {
    return [true, false].map((fastExits) => {
      const guest = new TestGuest(createInterpreter, { fastExits });
      prepare(guest);
      kernel((asm) => {
        asm.loadConstant(t0, gva);
        for (let page = 0; page < 16; page++) asm.lw(t1, page * 2048, t0);
        asm.ori(t0, t0, 0x8000);
        for (let page = 0; page < 16; page++) asm.lw(t1, page * 2048, t0);
      })(guest);
      guest.runToWait();
      return guest.vcpu.stats.totalExits;
    });
  }

  test("a fault in KSeg0 fills the pairs around it", () => {
    // The pair of the code, the data, and WAIT.
    expect(exitsOf(0x4007_0000, () => {})).toEqual([3, 10]);
  });

  test("a fault in a large guest page fills around as far as that goes", () => {
    // Pages of 16 KiB: an entry is half of the block.
    const prepare = (guest: TestGuest): void => {
      guest.mapPages(0, 0x0001_0000, 0, entryLo(0x1_0000, false), entryLo(0x1_4000, false), 0x6000);
      guest.mapPages(1, 0x0001_8000, 0, entryLo(0x1_8000, false), entryLo(0x1_c000, false), 0x6000);
    };
    expect(exitsOf(0x0001_0000, prepare)).toEqual([4, 10]);
  });

  test("the guest's refill handler fills the table by its TLBWR", () => {
    const exits = [true, false].map((fastExits) => {
      const guest = new TestGuest(createInterpreter, { fastExits });
      guest.assemble(0x4000_0000, (asm) => {
        asm.loadConstant(k0, entryLo(0x2_0000, true));
        asm.mtc0(k0, 2, 0);
        asm.mtc0(zero, 3, 0);
        asm.tlbwr();
        asm.eret();
      });
      kernel((asm) => asm.lw(t1, 0, zero))(guest);
      guest.runToWait();
      return guest.vcpu.stats.totalExits;
    });
    // The code's pairs, the miss, TLBWR and WAIT stay; two MTC0, ERET and the second miss are saved.
    expect(exits[1]! - exits[0]!).toBe(4);
  });
});

describe("TLBP", () => {
  const EPC = CP0.EPC >>> 3;
  /** Its result into s0, then on behind the instruction that raised the exception. */
  const probeAndSkip = (asm: Assembler): void => {
    asm.tlbp();
    asm.mfc0(s0, 0, 0);
    asm.mfc0(k0, EPC, 0);
    asm.addiu(k0, k0, 4);
    asm.mtc0(k0, EPC, 0);
    asm.eret();
  };
  const touch = kernel((asm) => {
    asm.lui(t0, 0x0040);
    asm.lw(t1, 0, t0);
  });
  /** Exits by CP0 instructions besides that of WAIT, once the outcome is the same without fast exits. */
  function exits(program: (guest: TestGuest) => void): number {
    compare({}, program);
    const guest = new TestGuest(createInterpreter);
    program(guest);
    guest.runToWait();
    return guest.vcpu.stats.exits.cop_unusable! - 1;
  }

  test("of the address of a TLB exception is settled where the entry is invalid", () => {
    const program = (guest: TestGuest): void => {
      guest.mapPages(5, 0x0040_0000, 0, 0, 0);
      guest.assemble(0x4000_0180, probeAndSkip);
      touch(guest);
    };
    expect(exits(program)).toBe(0);
    const guest = new TestGuest(createInterpreter);
    program(guest);
    guest.runToWait();
    expect(guest.vcpu.regs.gpr[s0]).toBe(5);
  });

  test("and where there is none", () => {
    const program = (guest: TestGuest): void => {
      guest.assemble(0x4000_0000, probeAndSkip);
      touch(guest);
    };
    expect(exits(program)).toBe(0);
    const guest = new TestGuest(createInterpreter);
    program(guest);
    guest.runToWait();
    expect(guest.vcpu.regs.gpr[s0]! < 0).toBe(true);
  });

  test("of the entry that was just written is settled, of another one is not", () => {
    const write = (then: (asm: Assembler) => void) =>
      kernel((asm) => {
        asm.lui(t0, 0x0040);
        asm.mtc0(t0, 10, 0);
        asm.addiu(t1, zero, 7);
        asm.mtc0(t1, 0, 0);
        asm.tlbwi();
        then(asm);
        asm.tlbp();
        asm.mfc0(s0, 0, 0);
      });
    expect(exits(write(() => {}))).toBe(1);
    const other = write((asm) => {
      asm.lui(t0, 0x0050);
      asm.mtc0(t0, 10, 0);
    });
    expect(exits(other)).toBe(2);
  });

  test("of the address of an exception asks the hypervisor once the TLB was written", () => {
    const rewrite = kernel((asm) => {
      asm.lui(t0, 0x0040);
      asm.lw(t1, 0, t0);
      // Another entry now, and then none at all, for the address that was just looked up.
      asm.mtc0(zero, 0, 0);
      asm.lui(t1, 0x0050);
      asm.mtc0(t1, 10, 0);
      asm.tlbwi();
      asm.mtc0(t0, 10, 0);
      asm.tlbp();
      asm.mfc0(s0, 0, 0);
    });
    const program = (guest: TestGuest): void => {
      guest.mapPages(0, 0x0040_0000, 0, 0, 0);
      guest.assemble(0x4000_0180, probeAndSkip);
      rewrite(guest);
    };
    expect(exits(program)).toBe(2);
    const guest = new TestGuest(createInterpreter);
    program(guest);
    guest.runToWait();
    expect(guest.vcpu.regs.gpr[s0]! < 0).toBe(true);
  });
});
