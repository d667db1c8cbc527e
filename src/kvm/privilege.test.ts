import { describe, expect, test } from "vitest";
import { createInterpreter } from "../engine/index.ts";
import { CAUSE, CP0, STATUS } from "../isa/cp0.ts";
import { encode } from "../isa/encode.ts";
import { EXC_CODE } from "../isa/exceptions.ts";
import { GPR } from "../isa/registers.ts";
import { entryLo, TestGuest } from "./testing.ts";

const { t0, t1 } = GPR;
const USER = 0x0040_0000;

const HOSTS = [{ model: "24Kc" }, { model: "P5600" }, { model: "P5600", eva: true }] as const;

/** Runs `words` in guest user mode up to the exception that ends them. Returns its ExcCode and coprocessor. */
function inUser(guest: TestGuest, words: readonly number[], status = 0): [code: number, coprocessor: number] {
  guest.trapExceptions();
  words.forEach((word, i) => guest.write(0x2_0000 + 4 * i, word));
  guest.mapPages(0, USER, 0, entryLo(0x2_0000, true), entryLo(0x3_0000, true));
  guest.start(USER, STATUS.UM | status);
  expect(guest.runToTrap()).toBe(0x180);
  const cause = guest.vcpu.cp0[CP0.Cause]!;
  return [(cause & CAUSE.ExcCode) >>> 2, (cause & CAUSE.CE) >>> CAUSE.CE_SHIFT];
}

const SYSCALL = encode("syscall", { code: 0 });
/** DMFC0, which no 32-bit CPU has. */
const RESERVED_COP0 = 0x4020_0000;

describe.each(HOSTS)("guest user mode on %o", (options) => {
  const newGuest = (): TestGuest => new TestGuest(createInterpreter, options);

  test("has coprocessor 0 if its kernel sets Status.CU0", () => {
    const words = [
      encode("mfc0", { rt: t0, rdNumber: 15, sel: 0 }),
      encode("rdhwr", { rt: t1, rdNumber: 1 }),
      SYSCALL,
    ];
    const guest = newGuest();
    expect(inUser(guest, words, STATUS.CU0)).toEqual([EXC_CODE.Sys, 0]);
    expect([guest.vcpu.regs.gpr[t0], guest.vcpu.regs.gpr[t1]]).toEqual([0x19300, 32]);
    expect(inUser(newGuest(), words)).toEqual([EXC_CODE.CpU, 0]);
  });

  test("finds reserved encodings of coprocessor 0 reserved only if it has that", () => {
    expect(inUser(newGuest(), [RESERVED_COP0], STATUS.CU0)).toEqual([EXC_CODE.RI, 0]);
    expect(inUser(newGuest(), [RESERVED_COP0])).toEqual([EXC_CODE.CpU, 0]);
  });

  test("has no instructions of EVA, whatever the host has", () => {
    const access = { rt: t0, rs: t1, imm: 0 };
    const words = [
      ...(["lwe", "lbe", "lhue", "swe", "sbe", "lle", "sce", "lwle", "swre"] as const).map((name) =>
        encode(name, access),
      ),
      encode("cachee", { op: 0x15, rs: t1, imm: 0 }),
      encode("prefe", { hint: 0, rs: t1, imm: 0 }),
    ];
    for (const word of words)
      for (const status of [0, STATUS.CU0])
        expect(inUser(newGuest(), [word], status), word.toString(16)).toEqual([EXC_CODE.RI, 0]);
  });

  test("is given an address error for CACHE on the kernel's addresses", () => {
    const guest = newGuest();
    const words = [encode("lui", { rt: t1, uimm: 0x4000 }), encode("cache", { op: 0x15, rs: t1, imm: 0 })];
    expect(inUser(guest, words, STATUS.CU0)).toEqual([EXC_CODE.AdEL, 0]);
    expect(guest.vcpu.cp0[CP0.BadVAddr]).toBe(0x4000_0000);
  });
});
