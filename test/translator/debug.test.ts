import { describe, expect, test } from "vitest";
import { CODE, type TestMachine } from "../../src/engine/testing.ts";
import { CP0, cp0Operands } from "../../src/isa/cp0.ts";
import { encode } from "../../src/isa/encode.ts";
import { GPR } from "../../src/isa/registers.ts";
import type { Breakpoint, DebugStop, Watchpoint } from "../../src/machine/debug.ts";
import { EnginePair } from "./engine-pair.ts";

const { zero, v0, v1, a0, a1, t0, t1, k0, ra } = GPR;
const BUDGET = { kind: "budget" };
/** Data in kseg0. */
const DATA = 0x8002_0000;

/** Where a machine stopped for a debugger, and after how many instructions; or why else it came back. */
type Stop = { readonly at: number; readonly pc: number } | string;

/** Runs both machines on; what for, and where, they stopped. */
function next(pair: EnginePair, ticks = 100_000): Stop {
  const reason = pair.run(ticks);
  const { machine } = pair.interpreted;
  if (typeof reason === "number") return `SDBBP ${reason}`;
  return reason.kind === "debug" ? { at: machine.instructions, pc: machine.cpu.pc } : reason.kind;
}

const breakpoint = (pair: EnginePair, address: number): void =>
  void pair.both(({ machine }) => machine.debug.addBreakpoint({ address }));

function watch(pair: EnginePair, address: number, length: number, access: Watchpoint["access"]): void {
  pair.both(({ machine }) => machine.debug.addWatchpoint({ address, length, access }));
}

/** What the access was for which the machine stopped last. */
function accessOf(pair: EnginePair, ticks = 100_000): Extract<DebugStop, { kind: "watchpoint" }> {
  const reason = pair.run(ticks);
  if (typeof reason === "number" || reason.kind !== "debug" || reason.stop.kind !== "watchpoint")
    throw new Error(`no watchpoint: ${JSON.stringify(reason)}`);
  return reason.stop;
}

/** Executes one step on both machines. */
function step(pair: EnginePair): Stop {
  pair.both(({ machine }) => machine.debug.beginStep("all", machine.cpu.pc));
  const stop = next(pair);
  pair.both(({ machine }) => machine.debug.endStep());
  return stop;
}

function warmUp(pair: EnginePair): void {
  pair.runPieces(300, 29);
  expect(pair.translations).toBeGreaterThan(0);
}

/** v0 counts rounds of four instructions. */
const loop = (): EnginePair =>
  new EnginePair().code((a) => {
    const again = a.bind();
    a.addiu(v0, v0, 1);
    a.addiu(v1, v1, 3);
    a.b(again);
    a.addu(a0, a0, v1);
  });

describe("a breakpoint", () => {
  test.each([
    ["at the head of a hot loop", 0],
    ["in its middle", 1],
    ["on its branch", 2],
    ["in its delay slot", 3],
  ])("%s stops each round, in front of the instruction", (_, index) => {
    const pair = loop();
    warmUp(pair);
    breakpoint(pair, CODE + 4 * index);
    const first = next(pair);
    if (typeof first === "string") throw new Error(first);
    expect(first.pc).toBe(CODE + 4 * index);
    expect(first.at % 4).toBe(index);
    for (let n = 1; n < 50; n++) expect(next(pair)).toEqual({ at: first.at + 4 * n, pc: first.pc });
  });

  test("that is removed lets the loop be translated again", () => {
    const pair = loop();
    const points: Breakpoint[] = [];
    warmUp(pair);
    pair.both(({ machine }) => {
      const point = { address: CODE + 4 };
      points.push(point);
      machine.debug.addBreakpoint(point);
    });
    expect(next(pair)).toMatchObject({ pc: CODE + 4 });
    const { translations } = pair;
    pair.both(({ machine }) => machine.debug.remove(points.shift()!));
    expect(pair.run(10_000)).toEqual(BUDGET);
    expect(pair.translations).toBeGreaterThan(translations);
  });

  test("that does not apply is executed as what it is", () => {
    const pair = loop();
    warmUp(pair);
    let asked = 0;
    pair.both(({ machine }) =>
      machine.debug.addBreakpoint({ address: CODE + 8, applies: () => (asked++, false) }),
    );
    expect(pair.run(1000)).toEqual(BUDGET);
    expect(asked).toBeGreaterThan(400);
    expect(pair.interpreted.gpr(v0)).toBe(Math.ceil(pair.interpreted.machine.instructions / 4));
  });

  test("stops once for an instruction, when it is at the end of a run too", () => {
    const pair = loop();
    breakpoint(pair, CODE + 8);
    expect(next(pair, 2)).toBe("budget");
    expect(next(pair)).toEqual({ at: 2, pc: CODE + 8 });
    expect(next(pair, 1)).toBe("budget");
    expect(pair.interpreted.machine.cpu.inDelaySlot).toBe(true);
    expect(next(pair)).toEqual({ at: 6, pc: CODE + 8 });
  });

  test("is met where hot code calls another page", () => {
    const callee = CODE + 0x2000;
    const pair = new EnginePair().code((a) => {
      const again = a.bind();
      a.jal(callee);
      a.addiu(v0, v0, 1);
      a.b(again);
      a.nop();
    });
    pair.both((m) =>
      m.load(callee, (a) => {
        a.addiu(v1, v1, 1);
        a.jr(ra);
        a.nop();
      }),
    );
    warmUp(pair);
    for (const address of [callee, callee + 4, callee + 8]) breakpoint(pair, address);
    const first = next(pair);
    if (typeof first === "string") throw new Error(first);
    let { at } = first;
    const order = [0, 4, 8];
    let place = order.indexOf(first.pc - callee);
    for (let n = 0; n < 30; n++) {
      at += place === 2 ? 5 : 1;
      place = (place + 1) % 3;
      expect(next(pair)).toEqual({ at, pc: callee + order[place]! });
    }
  });

  test("is met at the word that a program puts there", () => {
    const pair = new EnginePair().code((a) => {
      const again = a.bind();
      // Stores another instruction each round.
      a.addiu(t0, t0, 1);
      a.sw(t0, 0x1c, t1);
      a.addiu(v0, v0, 1);
      a.nop();
      a.b(again);
      a.nop();
      a.nop();
      a.nop();
    });
    pair.both((m) => {
      m.machine.cpu.gpr[t1] = CODE - 0x10;
      m.machine.cpu.gpr[t0] = encode("addiu", { rs: a0, rt: a0, imm: 0 });
    });
    breakpoint(pair, CODE + 0xc);
    for (let n = 0; n < 40; n++) expect(next(pair)).toEqual({ at: 3 + 6 * n, pc: CODE + 0xc });
    // 0 + 1 + ... + 39, as ADDIU with the immediate of each round but the last.
    expect(pair.interpreted.gpr(a0)).toBe((39 * 40) / 2);
  });

  test("is of a virtual address: code is executed at another one without a stop", () => {
    const pair = new EnginePair();
    const sub = 0x8003_0000;
    pair.code((a) => {
      a.lui(t0, sub >>> 16);
      a.lui(t1, 0xa003);
      const again = a.bind();
      a.jalr(ra, t0);
      a.nop();
      a.jalr(ra, t1);
      a.nop();
      a.b(again);
      a.nop();
    });
    pair.both((m) =>
      m.load(sub, (a) => {
        a.addiu(v0, v0, 1);
        a.jr(ra);
        a.addiu(v1, v1, 1);
      }),
    );
    warmUp(pair);
    breakpoint(pair, 0xa003_0000);
    for (let n = 0; n < 20; n++) {
      expect(next(pair)).toMatchObject({ pc: 0xa003_0000 });
      expect(pair.interpreted.gpr(v0) % 2).toBe(1);
    }
  });

  test("at mapped code stops in every address space, or in one", () => {
    const va = 0x0040_0000;
    const make = (): EnginePair => {
      const pair = new EnginePair();
      const [setAsid, select] = cp0Operands(CP0.EntryHi);
      pair.both((m) => {
        m.map(0, va, 1, 0x4_0000, 0x4_1000);
        m.map(1, va, 2, 0x4_2000, 0x4_3000);
        for (const pa of [0x4_0000, 0x4_2000])
          m.load(
            va,
            (a) => {
              a.addiu(v0, v0, 1);
              a.jr(ra);
              a.nop();
            },
            pa,
          );
        m.setCp0("EntryHi", 0);
      });
      return pair.code((a) => {
        a.lui(t0, va >>> 16);
        const again = a.bind();
        for (const asid of [1, 2]) {
          a.addiu(t1, zero, asid);
          a.mtc0(t1, setAsid, select);
          a.jalr(ra, t0);
          a.nop();
        }
        a.b(again);
        a.nop();
      });
    };
    const pair = make();
    warmUp(pair);
    breakpoint(pair, va);
    const asids = Array.from({ length: 20 }, () => {
      expect(next(pair)).toMatchObject({ pc: va });
      return pair.interpreted.machine.cpu.asid;
    });
    expect(new Set(asids)).toEqual(new Set([1, 2]));
    const one = make();
    one.both(({ machine }) =>
      machine.debug.addBreakpoint({ address: va, applies: () => machine.cpu.asid === 2 }),
    );
    for (let n = 0; n < 20; n++) {
      expect(next(one)).toMatchObject({ pc: va });
      expect(one.interpreted.machine.cpu.asid).toBe(2);
    }
  });
});

describe("a watchpoint", () => {
  /** Stores v0 to DATA + 8 as a word each round, and loads the byte at DATA + 0x100. */
  const writer = (): EnginePair => {
    const pair = new EnginePair().code((a) => {
      const again = a.bind();
      a.addiu(v0, v0, 1);
      a.sw(v0, 8, t0);
      a.lbu(v1, 0x100, t0);
      a.b(again);
      a.sb(v0, 0x201, t0);
    });
    return pair.both((m) => void (m.machine.cpu.gpr[t0] = DATA));
  };

  test.each([
    ["stores", "write", 8, 4, 1, 8, "write"],
    ["one byte of a word that is stored", "write", 11, 1, 1, 11, "write"],
    ["loads", "read", 0x100, 1, 2, 0x100, "read"],
    ["all accesses", "access", 0x100, 4, 2, 0x100, "read"],
    ["a store in a delay slot", "access", 0x200, 4, 4, 0x201, "write"],
  ] as const)("for %s stops in front of each", (_, access, offset, length, index, found, kind) => {
    const pair = writer();
    warmUp(pair);
    watch(pair, DATA + offset, length, access);
    for (let n = 0; n < 30; n++) {
      const before = pair.interpreted.machine.memory.read32(DATA & 0x1fff_ffff);
      expect(accessOf(pair)).toMatchObject({ address: DATA + found, access: kind });
      const { machine } = pair.interpreted;
      expect(machine.cpu.pc).toBe(CODE + 4 * index);
      expect(machine.instructions % 5).toBe(index);
      expect(machine.memory.read32(DATA & 0x1fff_ffff)).toBe(before);
    }
  });

  test("is not met by loads if it is for stores, nor by what lies beside it", () => {
    const pair = writer();
    watch(pair, DATA + 0x100, 1, "write");
    watch(pair, DATA + 8, 4, "read");
    watch(pair, DATA + 4, 4, "write");
    watch(pair, DATA + 12, 4, "write");
    watch(pair, DATA + 0x200, 1, "access");
    expect(pair.run(5000)).toEqual(BUDGET);
  });

  test("that is removed costs nothing any more", () => {
    const pair = writer();
    const point = { address: DATA + 8, length: 4, access: "write" } as const;
    pair.both(({ machine }) => machine.debug.addWatchpoint(point));
    accessOf(pair);
    pair.both(({ machine }) => machine.debug.remove(point));
    expect(pair.run(5000)).toEqual(BUDGET);
    expect(pair.translations).toBeGreaterThan(0);
  });

  test("knows the bytes of LWL, LWR, SWL and SWR", () => {
    for (const endian of ["little", "big"] as const) {
      const pair = new EnginePair({ endian }).code((a) => {
        a.lwl(v0, 1, t0);
        a.lwr(v0, 1, t0);
        a.swl(v0, 0x11, t0);
        a.swr(v0, 0x11, t0);
        a.sdbbp(1);
      });
      pair.both((m) => void (m.machine.cpu.gpr[t0] = DATA));
      const towardsEnd = endian === "little" ? 4 : 0;
      const towardsStart = endian === "little" ? 0 : 4;
      for (const base of [0, 0x10]) {
        watch(pair, DATA + base + 3, 1, "access");
        watch(pair, DATA + base, 1, "access");
      }
      const first = (base: number): [number, number][] =>
        [[towardsStart, base] as [number, number], [towardsEnd, base + 3] as [number, number]].sort(
          (x, y) => x[0] - y[0],
        );
      for (const [code, base] of [
        [0, 0],
        [8, 0x10],
      ] as const)
        for (const [offset, byte] of first(base)) {
          expect(accessOf(pair)).toMatchObject({ address: DATA + byte });
          expect(pair.interpreted.machine.cpu.pc).toBe(CODE + code + offset);
        }
      expect(next(pair)).toBe("SDBBP 1");
    }
  });

  test("sees LL and SC, and not CACHE", () => {
    const pair = new EnginePair().code((a) => {
      const again = a.bind();
      a.cache(0x15, 0, t0);
      a.ll(v0, 0, t0);
      a.addiu(v0, v0, 1);
      a.sc(v0, 0, t0);
      a.b(again);
      a.addiu(v1, v1, 1);
    });
    pair.both((m) => void (m.machine.cpu.gpr[t0] = DATA));
    warmUp(pair);
    watch(pair, DATA, 4, "access");
    for (let n = 0; n < 20; n++) {
      expect(accessOf(pair)).toMatchObject({ access: n % 2 === 0 ? "read" : "write" });
      expect(pair.interpreted.machine.cpu.pc).toBe(CODE + (n % 2 === 0 ? 4 : 12));
    }
    const stored = pair.interpreted.machine.memory.read32(DATA & 0x1fff_ffff);
    expect(stored).toBe(pair.interpreted.gpr(v1));
  });

  test("is of a virtual address: a store by another one is not seen", () => {
    const pair = new EnginePair().code((a) => {
      a.sw(v0, 0, t1);
      a.sw(v0, 0, t0);
      a.sdbbp(1);
    });
    pair.both((m) => {
      m.machine.cpu.gpr[t0] = DATA;
      m.machine.cpu.gpr[t1] = (DATA | 0x2000_0000) >> 0;
    });
    watch(pair, DATA, 4, "write");
    accessOf(pair);
    expect(pair.interpreted.machine.cpu.pc).toBe(CODE + 4);
    expect(next(pair)).toBe("SDBBP 1");
  });

  test("of a device stops before the device notices", () => {
    const reads: number[] = [];
    const pair = new EnginePair().code((a) => {
      const again = a.bind();
      a.lw(v0, 0, t0);
      a.b(again);
      a.addiu(v1, v1, 1);
    });
    pair.both((m) => {
      m.machine.cpu.gpr[t0] = 0xbf00_0000 | 0;
      const place = reads.push(0) - 1;
      const device = { read: () => ++reads[place]!, write() {} };
      m.machine.bus.add({ name: "counter", base: 0x1f00_0000, size: 16, device });
    });
    warmUp(pair);
    watch(pair, 0xbf00_0000, 4, "read");
    for (let n = 0; n < 10; n++) {
      accessOf(pair);
      expect(reads).toEqual([pair.interpreted.gpr(v1), pair.interpreted.gpr(v1)]);
    }
  });

  test("and a breakpoint on one instruction both stop, once each", () => {
    const pair = writer();
    breakpoint(pair, CODE + 4);
    watch(pair, DATA + 8, 4, "write");
    for (let n = 0; n < 10; n++) {
      expect(next(pair)).toEqual({ at: 1 + 5 * n, pc: CODE + 4 });
      expect(accessOf(pair)).toMatchObject({ address: DATA + 8 });
    }
  });
});

describe("a step", () => {
  test("executes one instruction, and a branch with its delay slot", () => {
    const pair = loop();
    warmUp(pair);
    while (pair.interpreted.machine.cpu.pc !== CODE) step(pair);
    const at = pair.interpreted.machine.instructions;
    expect(step(pair)).toEqual({ at: at + 1, pc: CODE + 4 });
    expect(step(pair)).toEqual({ at: at + 2, pc: CODE + 8 });
    expect(step(pair)).toEqual({ at: at + 4, pc: CODE });
  });

  test("does not meet the breakpoint that it begins at, but one in the delay slot", () => {
    const pair = loop();
    for (const index of [0, 3]) breakpoint(pair, CODE + 4 * index);
    expect(step(pair)).toEqual({ at: 1, pc: CODE + 4 });
    expect(step(pair)).toEqual({ at: 2, pc: CODE + 8 });
    expect(step(pair)).toEqual({ at: 3, pc: CODE + 12 });
    expect(pair.interpreted.machine.cpu.inDelaySlot).toBe(true);
    expect(step(pair)).toEqual({ at: 4, pc: CODE });
    expect(next(pair)).toEqual({ at: 4, pc: CODE });
  });

  test("goes to the vector with an exception, back with ERET, and over WAIT", () => {
    const pair = new EnginePair().code((a) => {
      a.syscall(0);
      a.wait();
      a.sdbbp(1);
    });
    const [epc, select] = cp0Operands(CP0.EPC);
    pair.both((m) => {
      m.load(0x8000_0180, (a) => {
        a.mfc0(k0, epc, select);
        a.addiu(k0, k0, 4);
        a.mtc0(k0, epc, select);
        a.eret();
      });
    });
    const pcs = Array.from({ length: 6 }, () => {
      const stop = step(pair);
      return typeof stop === "string" ? stop : stop.pc;
    });
    expect(pcs).toEqual([0x8000_0180, 0x8000_0184, 0x8000_0188, 0x8000_018c, CODE + 4, CODE + 8]);
    expect(pair.interpreted.machine.cpu.waiting).toBe(true);
  });

  test("stops at the vector when an interrupt comes", () => {
    const pair = loop();
    pair.both((m) => {
      m.setCp0("Status", 0x0401);
      m.machine.cpu.setInterruptLine(2, true);
    });
    expect(step(pair)).toEqual({ at: 0, pc: 0x8000_0180 });
  });
});

test("however often a program is stopped, it does the same at the same times", () => {
  const program = (): EnginePair => {
    const pair = new EnginePair().code((a) => {
      a.addiu(a1, zero, 200);
      const again = a.bind();
      a.addiu(v0, v0, 1);
      a.sw(v0, 0, t0);
      a.lw(v1, 0, t0);
      a.addu(a0, a0, v1);
      a.sb(v1, 4, t0);
      a.bne(v0, a1, again);
      a.lbu(t1, 4, t0);
      a.sdbbp(1);
    });
    return pair.both((m) => void (m.machine.cpu.gpr[t0] = 0x0040_0000));
  };
  /** A TLB handler that maps the page with an entry. */
  const map = (m: TestMachine): void => m.map(0, 0x0040_0000, 0, 0x4_0000, 0x4_1000);
  const plain = program().both(map);
  expect(next(plain)).toBe("SDBBP 1");
  const debugged = program().both(map);
  for (const index of [1, 3, 6, 7]) breakpoint(debugged, CODE + 4 * index);
  watch(debugged, 0x0040_0000, 4, "access");
  let stops = 0;
  while (typeof next(debugged) !== "string") stops++;
  expect(stops).toBe(200 * 6);
  const [a, b] = [plain.interpreted.machine, debugged.interpreted.machine];
  expect(b.instructions).toBe(a.instructions);
  expect(b.timeline.now()).toBe(a.timeline.now());
  expect([...b.cpu.gpr]).toEqual([...a.cpu.gpr]);
});
