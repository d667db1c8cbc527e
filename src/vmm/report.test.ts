import { expect, test } from "vitest";
import { createInterpreter } from "../engine/index.ts";
import { GPR } from "../isa/registers.ts";
import { entryLo, TestGuest } from "../kvm/testing.ts";
import { failureReport } from "./report.ts";

const { t0, t1 } = GPR;

/** A guest that goes astray: it reads a page of its own and jumps to where no segment is. */
function astray(): TestGuest {
  const guest = new TestGuest(createInterpreter);
  for (let n = 0; n < 10; n++)
    guest.mapPages(20 + n, 0x0040_0000 + 0x2000 * n, 0x5a, entryLo(0x2_0000, true), 0);
  guest.assemble(0x4000_1000, (asm) => {
    asm.addiu(t0, 0, 0x5a);
    asm.mtc0(t0, 10, 0);
    asm.lui(t0, 0x0040);
    asm.lw(t1, 0, t0);
    asm.lui(t0, 0xc000);
    asm.jr(t0);
    asm.nop();
  });
  guest.start(0x4000_1000);
  return guest;
}

test("a guest that cannot go on is described on one screen", () => {
  const exit = astray().run();
  if (exit.reason !== "internal-error") throw new Error(`it ended with ${exit.reason}`);
  const lines = failureReport(exit).split("\n");
  expect(lines.length).toBeLessThanOrEqual(36);
  expect(lines[0]).toMatch(/^the guest cannot go on: .*c0000000/);
  expect(lines.slice(1, 3).join("\n")).toMatch(/pc c0000000 {2}exception AdEL[^]*EntryHi 0000005a/);
  const tlb = lines.indexOf("  guest TLB: 10 of 512 entries valid, the nearest are");
  expect(lines.slice(tlb + 1, tlb + 3)).toEqual([
    "      29  00412000 4K ASID 5a: 00020000, invalid",
    "      28  00410000 4K ASID 5a: 00020000, invalid",
  ]);
  const last = lines.indexOf("  last exits, after guest instructions:");
  expect(last).toBeGreaterThan(tlb);
  expect(lines.at(-1)).toMatch(/^ +\d+ {2}pc c0000000 {2}AdEL +BadVAddr c0000000$/);
  const instructions = lines.slice(last + 1).map((line) => Number(line.trim().split(" ")[0]));
  expect(instructions).toEqual(instructions.toSorted((a, b) => a - b));
});

test("only the exits that came last are kept", () => {
  const guest = new TestGuest(createInterpreter, { fastExits: false });
  guest.assemble(0x4000_1000, (asm) => {
    for (let n = 0; n < 20; n++) asm.di(0);
    asm.lui(t0, 0xc000);
    asm.jr(t0);
    asm.nop();
  });
  guest.start(0x4000_1000);
  const exit = guest.run();
  if (exit.reason !== "internal-error") throw new Error(`it ended with ${exit.reason}`);
  const { lastExits } = exit.report;
  expect(lastExits).toHaveLength(8);
  expect(lastExits[0]).toMatchObject({ pc: 0x4000_1000 + 4 * 13, exception: "CpU" });
  expect(lastExits.at(-1)).toMatchObject({ pc: 0xc000_0000, exception: "AdEL" });
});

test("another VM in the same process goes on", () => {
  const other = new TestGuest(createInterpreter);
  other.assemble(0x4000_1000, (asm) => {
    const head = asm.bind();
    asm.addiu(t1, t1, 1);
    asm.b(head);
    asm.nop();
  });
  other.start(0x4000_1000);
  expect(other.run(3000).reason).toBe("intr");
  const before = other.vcpu.getRegs().gpr[t1]!;
  expect(astray().run().reason).toBe("internal-error");
  expect(other.run(3000).reason).toBe("intr");
  expect(other.vcpu.getRegs().gpr[t1]! - before).toBe(1000n);
});
