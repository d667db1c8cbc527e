import { describe, expect, test } from "vitest";
import { CP0 } from "../isa/cp0.ts";
import { CPU_MODELS } from "../machine/cpu-models.ts";
import { Machine } from "../machine/machine.ts";
import { ASID_MASK, FIRST_VERSION } from "./asid.ts";
import { HostKernel } from "./host-kernel.ts";
import { HostMm } from "./host-mm.ts";

function newHost(model = "24Kc") {
  const config = { endian: "little", ramBytes: 2 ** 20, guestTime: "user", hostCalls: true } as const;
  const machine = new Machine({ ...config, refillLog: true, model: CPU_MODELS[model]! }, () => ({
    run: () => 0,
  }));
  const host = new HostKernel(machine, { pageSize: 4096 });
  const page = host.pages.allocZeroed(4096);
  const mms = Array.from({ length: 300 }, (_, i) => new HostMm(machine.memory, page + 8 * i));
  return { machine, host, asids: host.asids, mms };
}

describe("host ASIDs", () => {
  test("a fresh context word belongs to no version, and ASID 0 is not given out in the first", () => {
    const { asids, mms } = newHost();
    expect(mms[0]!.context(0)).toBe(0);
    expect(asids.isCurrent(mms[0]!)).toBe(false);
    asids.getNew(mms[0]!);
    // The VMM's own address space came first.
    expect(mms[0]!.context(0)).toBe(FIRST_VERSION + 2);
    expect(asids.isCurrent(mms[0]!)).toBe(true);
  });

  test("guests and the VMM draw from one counter: no ASID twice within a version", () => {
    const { host, asids, mms } = newHost();
    const given = [asids.asid(host.vmmMm)];
    for (let i = 0; asids.wraps === 0; i++) {
      asids.getNew(mms[i]!);
      if (asids.wraps === 0) given.push(asids.asid(mms[i]!));
    }
    expect(new Set(given).size).toBe(given.length);
    expect(given.length).toBe(ASID_MASK);
  });

  test("checking renews only what is stale", () => {
    const { asids, mms } = newHost();
    const [mm] = mms as [HostMm];
    expect(asids.check(mm)).toBe(true);
    const first = mm.context(0);
    expect(asids.check(mm)).toBe(false);
    expect(mm.context(0)).toBe(first);
    mm.dropContexts();
    expect(asids.check(mm)).toBe(true);
    expect(mm.context(0)).not.toBe(first);
  });

  test("running out flushes the TLB but for wired entries, and every older context is stale", () => {
    const { machine, host, asids, mms } = newHost();
    const { ops, cpu } = machine;
    const entryHi = ops.readCp0(CP0.EntryHi);
    for (let index = 0; index < 4; index++) {
      cpu.tlb.write(index, { entryHi: 0x2000 * index + 0x11, pageMask: 0, entryLo0: 0x42, entryLo1: 0x82 });
    }
    ops.writeCp0(CP0.Wired, 2);
    const [mm] = mms as [HostMm];
    asids.getNew(mm);
    while (asids.wraps === 0) asids.getNew(mms[1]!);
    expect([0, 1].map((i) => cpu.tlb.read(i).entryHi)).toEqual([0x11, 0x2011]);
    expect(cpu.tlb.read(1).entryLo0).toBe(0x42);
    const others = Array.from({ length: cpu.tlb.entries - 2 }, (_, i) => cpu.tlb.read(i + 2));
    for (const entry of others) expect(entry.entryLo0 | entry.entryLo1).toBe(0);
    expect(new Set(others.map((entry) => entry.entryHi)).size).toBe(others.length);
    for (const entry of others) expect(entry.entryHi).toBeGreaterThanOrEqual(0x8000_0000);
    expect(asids.isCurrent(mm)).toBe(false);
    expect(asids.isCurrent(host.vmmMm)).toBe(false);
    expect(asids.isCurrent(mms[1]!)).toBe(true);
    expect(mms[1]!.context(0)).toBe(FIRST_VERSION * 2);
    expect(ops.readCp0(CP0.EntryHi)).toBe(entryHi);
    expect(ops.readCp0(CP0.Wired)).toBe(2);
  });

  test("what was refilled for an ASID is forgotten when another address space gets it", () => {
    const { machine, asids, mms } = newHost();
    const log = machine.cpu.refillLog!;
    asids.getNew(mms[0]!);
    const asid = asids.asid(mms[0]!);
    log.note(0, 0x1000, asid);
    log.note(1, 0x2000, asid + 1);
    const noted = (): number[] => [...log.before(2)].map((refill) => refill.asid);
    while (asids.wraps === 0) asids.getNew(mms[1]!);
    while (asids.asid(mms[1]!) < asid - 1) asids.getNew(mms[1]!);
    expect(noted()).toContain(asid);
    asids.getNew(mms[1]!);
    expect(noted()).not.toContain(asid);
  });

  test("when the context word itself runs over, counting starts with the first version again", () => {
    const { asids, mms } = newHost();
    asids.restore(0xffff_ffff);
    expect(asids.getNew(mms[0]!)).toBe(FIRST_VERSION);
    expect(asids.isCurrent(mms[0]!)).toBe(true);
    expect(mms[1]!.context(0)).toBe(0);
    expect(asids.isCurrent(mms[1]!)).toBe(false);
  });

  test("activating an address space after a wrap gives it an ASID of the new version", () => {
    const { host, asids, mms } = newHost("24Kc-kscratch");
    while (asids.wraps === 0) asids.getNew(mms[1]!);
    host.activate(host.vmmMm);
    expect(asids.isCurrent(host.vmmMm)).toBe(true);
    expect(host.liveAsid).toBe(asids.asid(host.vmmMm));
    expect(host.livePgd).toBe(host.vmmMm.pgd);
  });
});
