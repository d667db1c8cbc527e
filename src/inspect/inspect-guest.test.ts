import { expect, test } from "vitest";
import { createInterpreter } from "../engine/index.ts";
import { STATUS } from "../isa/cp0.ts";
import { GPR } from "../isa/registers.ts";
import { entryLo, TestGuest } from "../kvm/testing.ts";
import { explanationText, GuestInspection, guestTlbText, hostTlbText, rootsText } from "./index.ts";

const { t0, t1 } = GPR;
const PC = 0x4000_1000;
const DATA = 0x0040_2000;

/** A guest that has loaded from a page of its own, in ASID 5a, and from a device. */
function subject(): { readonly guest: TestGuest; readonly inspection: GuestInspection } {
  const guest = new TestGuest(createInterpreter);
  guest.mapPages(3, DATA, 0x5a, entryLo(0x2_0000, true), entryLo(0x2_4000, false));
  const end = guest.assemble(PC, (asm) => {
    asm.addiu(t0, 0, 0x5a);
    asm.mtc0(t0, 10, 0);
    asm.lui(t0, DATA >>> 16);
    asm.lw(t1, DATA & 0xffff, t0);
    asm.wait();
  });
  guest.write(0x2_0000, 0x1234_5678);
  guest.start(PC);
  guest.runToWait();
  expect(guest.vcpu.regs.pc).toBe(end);
  const device = { read: () => 0, write: () => {} };
  const serial = { name: "serial", base: 0x1f00_0900, size: 0x40, device };
  return { guest, inspection: new GuestInspection(guest.vcpu, () => [serial]) };
}

test("shows registers, and CP0 with its fields", () => {
  const { guest, inspection } = subject();
  const { pc, gpr, mode, asid, inDelaySlot } = inspection.registers();
  expect({ pc, mode, asid, inDelaySlot }).toEqual({
    pc: PC + 20,
    mode: "kernel",
    asid: 0x5a,
    inDelaySlot: false,
  });
  expect(gpr[t1]).toBe(0x1234_5678);
  guest.start(PC, STATUS.UM | STATUS.IE | 0xa500);
  const cp0 = new Map(inspection.cp0().map((register) => [register.name, register]));
  expect(cp0.get("Status")).toMatchObject({ register: [12, 0], fields: { IE: 1, EXL: 0, KSU: 2, IM: 0xa5 } });
  expect(cp0.get("EntryHi")?.fields).toEqual({ VPN2: 0, EHINV: 0, ASID: 0x5a });
  expect(cp0.has("KScratch1")).toBe(false);
  expect(inspection.hostCp0().map(({ name }) => name)).toContain("EBase");
});

test("shows registers that are still in the CPU", () => {
  const { guest, inspection } = subject();
  guest.assemble(PC, (asm) => {
    const loop = asm.bind();
    asm.addiu(t0, t0, 1);
    asm.b(loop);
    asm.nop();
  });
  guest.start(PC);
  guest.vcpu.waiting = false;
  expect(guest.run(3000).reason).toBe("intr");
  expect(guest.vcpu.inGuest).toBe(true);
  const { gpr, pc } = inspection.registers();
  expect([pc, gpr[t0]]).toEqual([PC, 0x0040_0000 + 1000]);
});

test("shows the entries of both TLBs and whose they are", () => {
  const { inspection } = subject();
  const [entry, ...others] = inspection.guestTlb();
  expect(others).toEqual([]);
  expect(entry).toMatchObject({ index: 3, vpn2: DATA, asid: 0x5a, global: false, pageSize: 4096 });
  expect(entry?.halves[0]).toMatchObject({ virtual: DATA, physical: 0x2_0000, valid: true, dirty: true });
  expect(entry?.halves[1]).toMatchObject({ virtual: DATA + 4096, physical: 0x2_4000, dirty: false });
  expect(guestTlbText(inspection.guestTlb())).toBe(
    "   3  00402000   4K  ASID 5a  00020000 writable | 00024000 read-only",
  );
  const data = inspection.hostTlb().find(({ vpn2 }) => vpn2 === DATA);
  expect(data?.space).toEqual({ of: "guest", mode: "kernel", guestAsid: 0x5a });
  expect(data?.halves[0]?.physical).toBe(subject().guest.ram + 0x2_0000);
  expect(hostTlbText(inspection.hostTlb())).toContain("(guest kernel, guest ASID 5a)");
});

test("shows roots and what they map", () => {
  const { guest, inspection } = subject();
  const roots = inspection.roots();
  expect(roots.map(({ mode, guestAsid, inUse }) => [mode, guestAsid, inUse])).toEqual([
    ["kernel", 0, false],
    ["kernel", 0x5a, true],
    ["user", 0, true],
  ]);
  expect(rootsText(roots).split("\n")).toHaveLength(3);
  const map = inspection.gvaMap({ mode: "kernel" }, 0x40_0000, 0x40_ffff, 0x2000)!;
  expect(map.present).toEqual([0, 2, 0, 0, 0, 0, 0, 0]);
  expect(map.writable).toEqual([0, 1, 0, 0, 0, 0, 0, 0]);
  expect(map.user).toEqual([0, 2, 0, 0, 0, 0, 0, 0]);
  expect(inspection.gvaMap({ mode: "kernel", guestAsid: 0 }, 0x40_0000, 0x40_ffff, 0x2000)?.present).toEqual([
    0, 0, 0, 0, 0, 0, 0, 0,
  ]);
  expect(inspection.gvaMap({ mode: "user", guestAsid: 7 }, 0, 0xffff, 4096)).toBeNull();
  expect(() => inspection.gvaMap({ mode: "kernel" }, 0, 0xffff, 1000)).toThrow(RangeError);
  const table = inspection.pageTable({ mode: "kernel" }, DATA)!;
  expect(table).toMatchObject({ first: 0x40_0000 });
  expect(table.ptes).toHaveLength(1024);
  const present = table.ptes.filter((pte) => pte.present);
  expect(present.map(({ gva, hpa, writable }) => [gva, hpa, writable])).toEqual([
    [DATA, guest.ram + 0x2_0000, true],
    [DATA + 4096, guest.ram + 0x2_4000, false],
  ]);
  expect(inspection.pageTable({ mode: "user" }, DATA)).toBeNull();
});

test("shows memory, devices and code", () => {
  const { guest, inspection } = subject();
  expect(inspection.physical()).toEqual([
    { kind: "memory", name: "memslot 0", first: 0, size: 1 << 20, host: guest.ram, readonly: false },
    { kind: "device", name: "serial", first: 0x1f00_0900, size: 0x40, host: null, readonly: false },
  ]);
  expect(inspection.code(PC + 4, 1, 1).map(({ address, text }) => [address, text])).toEqual([
    [PC, "li t0,90"],
    [PC + 4, "mtc0 t0,EntryHi"],
    [PC + 8, "lui t0,0x40"],
  ]);
  expect(inspection.code(0x60_0000, 1, 1)).toEqual([]);
});

test("explains an address as data and in words", () => {
  const { inspection } = subject();
  const explanation = inspection.explain(DATA);
  const { kernel, user } = explanation;
  expect([kernel.current, user.current]).toEqual([true, false]);
  expect(kernel.outcomes.load).toMatchObject({ verdict: "hit", exits: [], physical: 0x2_0000 });
  expect(user.outcomes.load).toMatchObject({ verdict: "fill", fastRefills: 2, exits: ["tlbmiss_ld"] });
  expect(inspection.explain(DATA + 4096).kernel.outcomes.store).toMatchObject({
    verdict: "exception",
    exits: ["tlbmod"],
    exception: { name: "Mod", vector: "general" },
  });
  expect(inspection.explain(0x10_0000).kernel.outcomes.load.exception).toEqual({
    name: "TLBL",
    vector: "refill",
  });
  expect(inspection.explain(0xbf00_0900).kernel.outcomes.store).toMatchObject({
    verdict: "device",
    exits: ["addrerr_st"],
    physical: 0x1f00_0900,
  });
  expect(inspection.explain(0xbf00_0900).kernel.outcomes.fetch.exception?.name).toBe("IBE");
  expect(inspection.explain(0xc000_0000).kernel.outcomes.fetch.verdict).toBe("failure");
  expect(inspection.explain(PC).user.outcomes.load.exception?.name).toBe("AdEL");
  const text = explanationText(explanation);
  expect(text).toMatch(/^00402000, loads and stores of 4 bytes\nkernel mode, which the guest is in:\n/);
  expect(text).toContain("guest TLB     entry 3 of 00402000, 4K, ASID 5a: 00020000 writable\n");
  expect(text).toMatch(/GVA table {5}pgd\[1\] at [0-9a-f]{8} leads to [0-9a-f]{8}; PTE at/);
  expect(text).toMatch(/a load {8}2 refills, exit \(tlbmiss_ld\), the page is mapped, then goes through/);
  expect(explanationText(inspection.explain(0xbf00_0900))).toContain("guest memory  1f000900: serial\n");
});
