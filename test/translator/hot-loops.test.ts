import { describe, expect, test } from "vitest";
import { CODE, UNEXPECTED } from "../../src/engine/testing.ts";
import { DEFAULT_POLICY, type TranslationPolicy } from "../../src/engine/translator/translations.ts";
import { CAUSE, CP0, cp0Operands, STATUS } from "../../src/isa/cp0.ts";
import { encode } from "../../src/isa/encode.ts";
import { EXC_CODE } from "../../src/isa/exceptions.ts";
import { GPR } from "../../src/isa/registers.ts";
import { RECORD, SOFT_TLB, STATE, TRANSLATED_FLAG } from "../../src/machine/state-layout.ts";
import type { Assembler } from "../../src/uasm/assembler.ts";
import { EnginePair } from "./engine-pair.ts";

const { zero, v0, v1, a0, a1, a2, t0, t1, t2, t3, k0, k1, ra } = GPR;
const CODE_PA = CODE & 0x1fff_ffff;
const PAGE = 0x1000;
const BUDGET = { kind: "budget" };

/** Runs a machine until nothing new is reached any more, so that its loop is translated. */
function warmUp(pair: EnginePair, ticks = 300): void {
  pair.runPieces(ticks, 29);
  expect(pair.translations).toBeGreaterThan(0);
}

describe("a hot loop", () => {
  const loop = (policy?: TranslationPolicy): EnginePair =>
    new EnginePair({}, policy).code((a) => {
      const again = a.bind();
      a.addiu(v0, v0, 3);
      a.xor(v1, v1, v0);
      a.b(again);
      a.addu(a0, a0, v1);
    });

  test("is executed by its translation, not by records", () => {
    const { sampleEvery, hot } = DEFAULT_POLICY;
    const pair = loop(DEFAULT_POLICY);
    pair.run(hot * sampleEvery - 80);
    expect(pair.translations).toBe(0);
    // After each sample some instructions more, up to the next jump.
    const seeking = 8 * hot;
    pair.run(seeking);
    expect(pair.translations).toBe(1);
    // A record that would raise. Only the one at the start of the block is still looked at.
    const { memory } = pair.translated.machine;
    const records = memory.i32[(memory.plan.codeMap >>> 2) + CODE_PA / PAGE]!;
    for (const index of [1, 2, 3]) memory.u8.fill(3, records + index * RECORD.bytes, records + index * 8 + 1);
    expect(pair.run(4000)).toEqual(BUDGET);
    expect(pair.translated.gpr(v0)).toBe((3 * (hot * sampleEvery - 80 + seeking + 4000)) / 4);
  });

  test("ends at every budget exactly", () => {
    const pair = loop();
    warmUp(pair);
    for (let budget = 1; budget < 60; budget++) pair.run(budget);
  });

  test("is interrupted at every instruction exactly", () => {
    const pair = loop().both((m) => {
      m.load(0x8000_0180, (a) => {
        a.mfc0(k0, ...cp0Operands(CP0.EPC));
        a.sw(k0, 0x600, k1);
        a.lui(t0, 0xbf00);
        a.sw(zero, 0, t0);
        a.eret();
      });
      const { bus, cpu, timeline } = m.machine;
      const lower = { read: () => 0, write: () => cpu.setInterruptLine(3, false) };
      bus.add({ name: "lower", base: 0x1f00_0000, size: 4, device: lower });
      timeline.register("raise", () => cpu.setInterruptLine(3, true));
      cpu.gpr[k1] = 0x8000_0000;
      m.setCp0("Status", STATUS.IE | 0x800);
    });
    warmUp(pair);
    const places = new Set<number>();
    for (let wait = 1; wait < 40; wait++) {
      pair.both(({ machine: { timeline } }) => timeline.schedule("raise", timeline.now() + wait));
      // With the handler a multiple of the loop: each wait ends at another instruction.
      pair.run(101);
      places.add(pair.translated.machine.memory.read32(0x600));
    }
    // In a delay slot EPC is the branch.
    expect(places).toEqual(new Set([CODE, CODE + 4, CODE + 8]));
    expect(pair.translated.cp0("Cause") & CAUSE.IP).toBe(0);
  });

  test("is left for WAIT, and the timer wakes it", () => {
    const pair = new EnginePair()
      .code((a) => {
        const again = a.bind();
        a.addiu(t0, zero, 50);
        const spin = a.bind();
        a.addiu(t0, t0, -1);
        a.bnez(t0, spin);
        a.addiu(v0, v0, 1);
        a.mfc0(t1, ...cp0Operands(CP0.Count));
        a.addiu(t1, t1, 400);
        a.mtc0(t1, ...cp0Operands(CP0.Compare));
        a.wait();
        a.b(again);
        a.addiu(v1, v1, 1);
      })
      .both((m) => m.setCp0("Status", 0x8000));
    pair.runPieces(20_000, 97);
    expect(pair.translated.gpr(v1)).toBeGreaterThan(15);
    expect(pair.translated.gpr(v0)).toBeGreaterThanOrEqual(50 * pair.translated.gpr(v1));
    expect(pair.translations).toBeGreaterThan(0);
  });

  test("reads and writes a device once for each access", () => {
    const logs: number[][] = [];
    const pair = new EnginePair()
      .both((m) => {
        const log: number[] = [];
        logs.push(log);
        const write = (offset: number, size: number, value: number): void =>
          void log.push(m.machine.timeline.now(), offset, size, value);
        const read = (): number => log.push(m.machine.timeline.now());
        m.machine.bus.add({ name: "log", base: 0x1f00_0000, size: 16, device: { read, write } });
        m.machine.cpu.gpr[a0] = 0xbf00_0000 | 0;
      })
      .code((a) => {
        const again = a.bind();
        a.lw(v0, 4, a0);
        a.addiu(v1, v1, 1);
        a.sh(v1, 10, a0);
        a.b(again);
        a.sb(v1, 3, a0);
      });
    pair.runPieces(500, 17);
    expect(logs[1]).toEqual(logs[0]);
    // One access by each of the 500 instructions that is one.
    expect(logs[0]!.length).toBeGreaterThan(500 * 1.5);
    expect(pair.translations).toBeGreaterThan(0);
  });
});

test("LL in a hot loop links the address that it loads from, each time another one", () => {
  const pair = new EnginePair().code((a) => {
    const again = a.bind();
    a.lw(t1, 0, a0);
    a.ll(t1, 0, a0);
    a.xori(a0, a0, 0x40);
    a.b(again);
    a.addu(v0, v0, t1);
  });
  pair.both((m) => void (m.machine.cpu.gpr[a0] = 0x8002_0000 | 0));
  warmUp(pair);
  const linked = new Set<number>();
  for (let n = 0; n < 10; n++) {
    pair.run(5);
    linked.add(pair.translated.machine.cpu.linkedAddress);
  }
  expect(linked).toEqual(new Set([0x2_0000, 0x2_0040]));
});

test("LL and SC in a hot loop are linked each time", () => {
  const pair = new EnginePair().both((m) => {
    m.load(0x8000_0180, (a) => {
      a.mfc0(k0, ...cp0Operands(CP0.EPC));
      a.addiu(k0, k0, 4);
      a.mtc0(k0, ...cp0Operands(CP0.EPC));
      a.eret();
    });
    m.code((a) => {
      const again = a.bind();
      const spin = a.label();
      // ERET breaks the link; the wait brings translated code back.
      a.syscall();
      // With the page at hand, LL taken for a plain load would not be noticed otherwise.
      a.lw(t2, 0, a0);
      a.addiu(t0, zero, 40);
      a.bind(spin);
      a.addiu(t0, t0, -1);
      a.bnez(t0, spin);
      a.nop();
      a.ll(t1, 0, a0);
      a.addiu(t1, t1, 1);
      a.sc(t1, 0, a0);
      a.b(again);
      a.addu(v0, v0, t1);
    });
    m.machine.cpu.gpr[a0] = 0x8002_0000 | 0;
  });
  pair.runPieces(6000, 251);
  // Each SC stored; the last one may not be counted yet.
  const stored = pair.translated.machine.memory.read32(0x2_0000);
  expect(stored).toBeGreaterThan(40);
  expect(stored - pair.translated.gpr(v0)).toBeLessThanOrEqual(1);
  expect(pair.translations).toBeGreaterThan(0);
});

test("the FPU is usable in a hot loop while Status says so", () => {
  const pair = new EnginePair({ model: "P5600" }).code((a) => {
    a.lui(t1, STATUS.CU1 >>> 16);
    const again = a.bind();
    for (let times = 0; times < 2; times++) {
      a.mfc0(t0, ...cp0Operands(CP0.Status));
      a.xor(t0, t0, t1);
      a.mtc0(t0, ...cp0Operands(CP0.Status));
      if (times === 0) a.mfc1(v0, 2);
    }
    a.addiu(v1, v1, 1);
    a.b(again);
    a.nop();
  });
  warmUp(pair);
  expect(pair.run(4000)).toEqual(BUDGET);
  expect(pair.translated.gpr(v1)).toBeGreaterThan(300);
  // Off at last: the next use raises.
  pair.code((a) => {
    a.mfc1(v0, 2);
  });
  pair.both((m) => m.setCp0("Status", 0));
  pair.both((m) => m.machine.cpu.setPc(CODE));
  expect(pair.run(100)).toBe(UNEXPECTED);
});

test("what the kernel does before it returns to user mode is translated, too", () => {
  const USER = 0x0001_0000;
  const policy = { ...DEFAULT_POLICY, sampleEvery: 64, hot: 2 };
  const pair = new EnginePair({}, policy).both((m) => {
    m.load(0x8000_0180, (a) => {
      a.mfc0(k0, ...cp0Operands(CP0.EPC));
      a.addiu(k0, k0, 4);
      a.mtc0(k0, ...cp0Operands(CP0.EPC));
      // Writes what is there already. Whatever was translated so far is left here.
      a.tlbwi();
      a.addiu(v1, v1, 1);
      a.addu(a0, a0, v1);
      a.eret();
    });
    const loop = (a: Assembler): void => {
      const again = a.bind();
      a.addiu(v0, v0, 1);
      a.syscall(0);
      a.b(again);
      a.nop();
    };
    m.load(USER, loop, CODE_PA);
    m.map(0, USER, 0, CODE_PA, CODE_PA);
    m.setCp0("Status", STATUS.UM);
    m.machine.cpu.setPc(USER);
  });
  expect(pair.run(6000)).toEqual(BUDGET);
  const { memory } = pair.translated.machine;
  const records = memory.i32[memory.plan.codeMap >>> 2]!;
  const behind = records + (0x190 / 4) * RECORD.bytes;
  expect(memory.u8[behind + RECORD.op + 1]! & (TRANSLATED_FLAG >>> 8)).not.toBe(0);
});

test("where user mode goes on is translated, too, where the kernel finds something else at its addresses", () => {
  const [USER, FRAME, CALLS] = [0x8004_0000, 0x0005_0000, 64];
  const policy = { ...DEFAULT_POLICY, sampleEvery: 64, hot: 2 };
  const pair = new EnginePair({ model: "P5600" }, policy).both((m) => {
    m.load(0x8000_0180, (a) => {
      // What is followed from user mode to the next jump ends here, and the careful interpreter's turn before it.
      for (let n = 0; n < 20; n++) a.nop();
      const handler = a.label();
      a.b(handler);
      a.nop();
      a.bind(handler);
      a.mfc0(k0, ...cp0Operands(CP0.EPC));
      // The next of all system calls in turn: user mode itself never jumps.
      a.addiu(k1, k0, 4);
      a.ins(k0, k1, 0, 8);
      a.mtc0(k0, ...cp0Operands(CP0.EPC));
      a.eret();
    });
    const calls = (a: Assembler): void => {
      for (let n = 0; n < CALLS; n++) a.syscall(0);
    };
    m.load(USER, calls, FRAME);
    m.map(0, USER, 0, FRAME, FRAME);
    // 80000000 up stays unmapped for the kernel, and is mapped for the user (MUSUK).
    m.setCp0("SegCtl1", (0x0043 << 16) | 0x0002);
    m.setCp0("Status", STATUS.UM);
    m.machine.cpu.setPc(USER);
  });
  expect(pair.run(60_000)).toEqual(BUDGET);
  const { memory } = pair.translated.machine;
  const records = memory.i32[(memory.plan.codeMap >>> 2) + (FRAME >>> 12)]!;
  for (let n = 0; n < CALLS; n++)
    expect(memory.u8[records + n * RECORD.bytes + RECORD.op + 1]! & (TRANSLATED_FLAG >>> 8)).not.toBe(0);
});

test("LL and SC whose page nothing else uses enter it into the soft TLB", () => {
  const DATA = 0x8002_0000;
  const pair = new EnginePair().code((a) => {
    a.loadConstant(a0, DATA);
    const again = a.bind();
    a.ll(v0, 0, a0);
    a.addiu(v0, v0, 1);
    a.sc(v0, 0, a0);
    a.b(again);
    a.nop();
  });
  expect(pair.run(400)).toEqual(BUDGET);
  expect(pair.translations).toBeGreaterThan(0);
  const { memory, cpu } = pair.translated.machine;
  const entry =
    cpu.state[STATE.dataBank >>> 2]! + (((DATA >>> 12) % SOFT_TLB.dataEntries) << SOFT_TLB.dataEntryShift);
  expect(memory.i32[(entry + SOFT_TLB.writeTag) >>> 2]! >>> 0).toBe(DATA);
});

test("MTC0 to LLAddr ends a link where ERET does not, and nowhere else", () => {
  for (const keeps of [true, false]) {
    const pair = new EnginePair().code((a) => {
      a.loadConstant(a0, 0x8002_0000);
      const again = a.bind();
      a.ll(v0, 0, a0);
      a.mtc0(zero, ...cp0Operands(CP0.LLAddr));
      a.addiu(v0, v0, 1);
      a.sc(v0, 0, a0);
      a.addu(v1, v1, v0);
      a.b(again);
      a.nop();
    });
    pair.both(({ machine: { cpu } }) => (cpu.eretKeepsLink = keeps));
    expect(pair.run(700)).toEqual(BUDGET);
    expect(pair.translations).toBeGreaterThan(0);
    if (keeps) expect(pair.translated.gpr(v1)).toBe(0);
    else expect(pair.translated.gpr(v1)).toBeGreaterThan(50);
  }
});

test.each(["24Kc", "P5600"])("MTC0 to EBase on a %s writes what the CPU lets it", (model) => {
  const pair = new EnginePair({ model }).code((a) => {
    const again = a.bind();
    // With EBase.WG the upper bits too, every other time.
    a.addiu(t0, t0, 0x5800);
    a.sll(t1, t0, 8);
    a.addu(t1, t1, t0);
    a.mtc0(t1, ...cp0Operands(CP0.EBase));
    a.mfc0(v0, ...cp0Operands(CP0.EBase));
    a.xor(v1, v1, v0);
    a.b(again);
    a.nop();
  });
  for (let run = 0; run < 20; run++) expect(pair.run(97)).toEqual(BUDGET);
  expect(pair.translations).toBeGreaterThan(0);
});

describe("exceptions in translated code", () => {
  test.each(["taken", "not taken", "likely", "jump", "none"] as const)(
    "name the right instruction: branch %s",
    (kind) => {
      // Counts t0 down; then the access faults. The handler is the SDBBP of the test machine.
      for (const piece of [13, 50, 200]) {
        const pair = new EnginePair().code((a) => {
          const again = a.bind();
          a.addiu(t0, t0, -1);
          a.movz(a0, a1, t0);
          const out = a.label();
          if (kind === "taken") a.bne(a2, zero, again);
          else if (kind === "likely") a.bnel(a2, zero, again);
          else if (kind === "not taken") a.beq(a2, zero, out);
          else if (kind === "jump") a.j(again);
          a.lw(v0, 0, a0);
          a.bind(out);
          a.b(again);
          a.nop();
        });
        pair.both(({ machine: { cpu } }) => {
          cpu.gpr[t0] = 60;
          cpu.gpr[a0] = 0x8002_0000 | 0;
          cpu.gpr[a1] = 0x8002_0001 | 0;
          cpu.gpr[a2] = 1;
        });
        expect(pair.runPieces(1000, piece)).toBe(UNEXPECTED);
        const m = pair.translated;
        expect(m.excCode).toBe(EXC_CODE.AdEL);
        expect(m.cp0("BadVAddr")).toBe(0x8002_0001);
        expect(m.cp0("EPC")).toBe(CODE + 8);
        expect((m.cp0("Cause") & CAUSE.BD) !== 0).toBe(kind !== "none");
        expect(pair.translations).toBeGreaterThan(0);
      }
    },
  );

  test("belong to the branch that was not taken, also where its delay slot is jumped to", () => {
    const pair = new EnginePair().code((a) => {
      const slot = a.label();
      const again = a.bind();
      a.andi(t1, t0, 1);
      a.addiu(t0, t0, -1);
      a.bnez(t1, slot);
      a.movz(a0, a1, t0);
      a.beq(t3, t0, again);
      a.bind(slot);
      a.lw(v0, 0, a0);
      a.b(again);
      a.nop();
    });
    pair.both(({ machine: { cpu } }) => {
      cpu.gpr[t0] = 61;
      cpu.gpr[t3] = -1;
      cpu.gpr[a0] = 0x8002_0000 | 0;
      cpu.gpr[a1] = 0x8002_0002 | 0;
    });
    expect(pair.runPieces(600, 23)).toBe(UNEXPECTED);
    expect(pair.translations).toBeGreaterThan(0);
  });

  test.each([
    ["overflow", EXC_CODE.Ov, encode("add", { rd: v0, rs: a0, rt: t0 })],
    ["a trap", EXC_CODE.Tr, encode("teq", { rs: t0, rt: a1, code: 0 })],
    ["a load from an empty page", EXC_CODE.TLBL, encode("lw", { rt: v0, rs: a2, imm: 0 })],
  ] as const)("leave the register as it was: %s", (_, code, word) => {
    const pair = new EnginePair().both((m) => {
      // a2 follows t0 so that the load fails when t0 reaches 40.
      m.code((a) => {
        const again = a.bind();
        a.addiu(t0, t0, 1);
        a.sltiu(t1, t0, 40);
        a.xori(t1, t1, 1);
        a.sll(t1, t1, 31);
        a.subu(a2, GPR.a3, t1);
        a.nop();
        a.b(again);
        a.nop();
      });
      m.machine.write32(CODE_PA + 20, word);
      m.machine.cpu.gpr[v0] = 0x1234;
      m.machine.cpu.gpr[a0] = 0x7fff_ffff - 39;
      m.machine.cpu.gpr[a1] = 40;
      m.machine.cpu.gpr[GPR.a3] = 0x8002_0000 | 0;
    });
    expect(pair.runPieces(2000, 31)).toBe(UNEXPECTED);
    expect([pair.translated.excCode, pair.translated.gpr(t0)]).toEqual([code, 40]);
    expect(pair.translated.cp0("EPC")).toBe(CODE + 20);
    expect(pair.translations).toBeGreaterThan(0);
  });
});

describe("jumps through a table", () => {
  const HANDLER = 0x10;
  /** A generator of numbers whose bits choose one of four handlers of equal length, and the rest of the way. */
  const interpreter = (): EnginePair =>
    new EnginePair().code((a) => {
      const next = a.label();
      const handlers = a.address + 8;
      a.lui(a0, handlers >>> 16);
      a.ori(a0, a0, handlers & 0xffff);
      for (let n = 0; n < 4; n++) {
        a.addiu(v0, v0, n + 1);
        a.xor(v1, v1, v0);
        a.b(next);
        a.addu(t3, t3, v1);
      }
      a.bind(next);
      a.sll(t0, v0, 5);
      a.xor(v0, v0, t0);
      a.srl(t0, v0, 7);
      a.xor(v0, v0, t0);
      a.andi(t1, v0, 3 * HANDLER);
      a.addu(t1, t1, a0);
      a.addu(t1, t1, a1);
      a.jr(t1);
      a.addiu(t2, t2, 1);
    });
  const jumpedTo = ({ translated }: EnginePair): number =>
    translated.machine.memory.i32[STATE.jumpedTo >>> 2]!;

  test("stay in one region once their targets are known", () => {
    const pair = interpreter();
    warmUp(pair);
    expect(jumpedTo(pair)).not.toBe(0);
    // From an entry on: what ends in a handler's middle goes on in a region of its own until the next jump.
    while (pair.translated.machine.cpu.pc >>> 0 !== CODE + 8 + HANDLER) pair.run(1);
    pair.translated.machine.memory.i32[STATE.jumpedTo >>> 2] = 0;
    pair.run(12_000);
    expect(jumpedTo(pair)).toBe(0);
    expect(pair.translated.gpr(t2)).toBeGreaterThan(900);
  });

  test.each([
    ["into a handler's middle", 4, 0],
    ["between instructions", 2, EXC_CODE.AdEL],
    ["to another page", 0x1000, 0],
    ["in front of all handlers", -8, 0],
  ])("lead %s all the same", (_, distance, exception) => {
    const pair = interpreter().both((m) => {
      // The page behind: the same handlers, and the way back.
      m.load(CODE + 0x1000 + 8, (a) => {
        for (let n = 0; n < 16; n++) a.addiu(t3, t3, n);
        a.lui(a1, 0);
        a.j(CODE + 8);
        a.nop();
      });
    });
    warmUp(pair);
    pair.both((m) => (m.machine.cpu.gpr[a1] = distance));
    if (exception === 0) for (const piece of [5, 100, 999]) pair.runPieces(3000, piece);
    else {
      expect(pair.runPieces(3000, 1000)).toBe(UNEXPECTED);
      expect(pair.translated.excCode).toBe(exception);
    }
  });

  test("are found anew when the code has changed", () => {
    const pair = interpreter();
    warmUp(pair);
    // The second handler counts in another register.
    pair.both((m) => m.load(CODE + 8 + HANDLER, (a) => a.addiu(a2, a2, 1)));
    pair.runPieces(4000, 100);
    expect(pair.translated.gpr(a2)).toBeGreaterThan(20);
  });
});

describe("translated code that changes", () => {
  test("is executed as it is now, written from its own page and from another, again and again", () => {
    const pair = new EnginePair().both((m) => {
      // Adds 1 or 2, as the second word says; swaps it when the count is a multiple of 16.
      m.code((a) => {
        const again = a.bind();
        const keep = a.label();
        a.addiu(t0, t0, 1);
        a.addiu(v0, v0, 1);
        a.andi(t1, t0, 15);
        a.bnez(t1, keep);
        a.nop();
        a.lw(t2, 0, a0);
        a.xor(t2, t2, a1);
        a.andi(t1, t0, 31);
        a.bnez(t1, CODE + 2 * PAGE);
        a.nop();
        a.sw(t2, 0, a0);
        a.bind(keep);
        a.b(again);
        a.nop();
      });
      m.load(CODE + 2 * PAGE, (a) => {
        a.sw(t2, 0, a0);
        a.j(CODE);
        a.nop();
      });
      m.machine.cpu.gpr[a0] = (CODE + 4) | 0;
      m.machine.cpu.gpr[a1] = 3;
    });
    // Long pieces: what was written is executed before the page is translated anew.
    for (const piece of [37, 701]) pair.runPieces(6000, piece);
    const { translated } = pair;
    const counted = translated.gpr(t0);
    expect(counted).toBeGreaterThan(500);
    expect(translated.gpr(v0)).toBeGreaterThan(1.4 * counted);
    expect(translated.gpr(v0)).toBeLessThan(1.6 * counted);
    expect(pair.translations).toBeGreaterThan(20);
  });

  test("has to be hotter each time before it is translated again", () => {
    const policy = { sampleEvery: 4, hot: 1, mostDoublings: 8, mostBytes: 1 << 20 };
    const pair = new EnginePair({}, policy).code((a) => {
      const again = a.bind();
      a.addiu(v0, v0, 1);
      a.b(again);
      a.nop();
    });
    const made: number[] = [];
    for (let n = 0; n < 40; n++) {
      pair.runPieces(200, 20);
      pair.both((m) => m.machine.write32(CODE_PA, encode("addiu", { rt: v0, rs: v0, imm: n })));
      made.push(pair.translations);
    }
    expect(made[3]).toBeGreaterThan(3);
    expect(made.at(-1)).toBeLessThan(15);
  });

  test("gets another translation where it leads to code that was never reached before", () => {
    const pair = new EnginePair({}, { ...DEFAULT_POLICY, sampleEvery: 20, hot: 16 }).code((a) => {
      const again = a.bind();
      const rare = a.label();
      a.addiu(t0, t0, 1);
      a.srl(t1, t0, 9);
      a.bnez(t1, rare);
      a.addiu(v0, v0, 1);
      a.b(again);
      a.nop();
      a.bind(rare);
      for (let n = 0; n < 12; n++) a.addu(v1, v1, t0);
      a.b(again);
      a.addiu(v0, v0, 7);
    });
    pair.runPieces(3000, 3000);
    expect(pair.translations).toBe(1);
    pair.runPieces(8000, 8000);
    expect(pair.translations).toBe(2);
    pair.runPieces(4000, 4000);
    expect(pair.translations).toBe(2);
  });

  test("is forgotten with all other code when there is no room for more", () => {
    const pages = 4208;
    const pair = new EnginePair({ ramBytes: 0x1_0000 + pages * PAGE }).both((m) => {
      // Each page: a short loop, then on to the next page.
      for (let page = 0; page < pages; page++)
        m.load(CODE + page * PAGE, (a) => {
          a.addiu(t0, zero, 40);
          const spin = a.bind();
          a.addiu(t0, t0, -1);
          a.bnez(t0, spin);
          a.addu(v0, v0, ra);
          a.j(page === pages - 1 ? CODE : CODE + (page + 1) * PAGE);
          a.addiu(v1, v1, page & 15);
        });
    });
    // Pages are large to compare: a few long pieces, most of them short of a page's end.
    for (let n = 0; n < 14; n++) pair.run(40_013);
    expect(pair.translated.gpr(v1)).toBeGreaterThan(pages);
    expect(pair.translations).toBeGreaterThan(pages);
  });
});

test("a TLB write that takes the running page away is seen by translated code at once", () => {
  const pair = new EnginePair().both((m) => {
    m.map(2, 0x40_0000, 0, CODE_PA, CODE_PA + PAGE, 0x1f);
    m.code((a) => {
      const again = a.bind();
      const go = a.label();
      a.addiu(t0, t0, -1);
      a.bnez(t0, go);
      a.addiu(v0, v0, 1);
      a.tlbwi();
      a.bind(go);
      a.b(again);
      a.addiu(v1, v1, 1);
    });
    m.setCp0("EntryLo0", 0x1d & ~2);
    m.setCp0("EntryHi", 0x40_0000);
    m.machine.cpu.gpr[t0] = 70;
    m.machine.cpu.setPc(0x40_0000);
  });
  expect(pair.runPieces(3000, 19)).toBe(UNEXPECTED);
  const m = pair.translated;
  expect([m.excCode, m.cp0("EPC"), m.gpr(v0)]).toEqual([EXC_CODE.TLBL, 0x40_0010, 70]);
  expect(pair.translations).toBeGreaterThan(0);
});
