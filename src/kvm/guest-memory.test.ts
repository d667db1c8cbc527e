import { describe, expect, test } from "vitest";
import { createInterpreter } from "../engine/index.ts";
import { CP0, STATUS } from "../isa/cp0.ts";
import { EXC_CODE } from "../isa/exceptions.ts";
import { GPR } from "../isa/registers.ts";
import { HOST_CALL } from "./entry/host-code.ts";
import { accessGuest, readGuestWord, writeGuestInstruction } from "./guest-memory.ts";
import { entryLo, TestGuest, type TestGuestOptions } from "./testing.ts";
import { TRACE_EXIT } from "./trace.ts";

const CODE = 0x4000_1000;
const KSEG2 = 0x6000_0000;
const USER = 0x0010_0000;
const { t0, t1 } = GPR;

const HOSTS = [
  { model: "24Kc" },
  { model: "24Kc", refill: "slow" },
  { model: "34Kc", pageSize: 16384 },
  { model: "P5600" },
  { model: "P5600", eva: true },
] as const;

/** A guest that has executed a DI, with its exit handled and the CPU still in the host. */
function parked(options: TestGuestOptions): TestGuest {
  const guest = new TestGuest(createInterpreter, { ...options, fastExits: false, dyntrans: true });
  guest.trapExceptions();
  guest.assemble(CODE, (asm) => {
    asm.di(0);
    asm.wait();
  });
  guest.start(CODE);
  expect(guest.run(1).reason).toBe("intr");
  expect(guest.vcpu.inGuest).toBe(false);
  return guest;
}

describe.each(HOSTS)("guest memory, as the hypervisor reaches it on %o", (options) => {
  test("is what the guest's current mode has mapped, and nothing else", () => {
    const guest = parked(options);
    const { vcpu } = guest;
    const mask = "pageSize" in options ? 0x6000 : 0;
    guest.write(0x2_0000, 0x222);
    guest.mapPages(0, USER, 0, entryLo(0x2_0000, false), 0, mask);
    expect(readGuestWord(vcpu, CODE)).toBe(guest.read(0x1000));
    expect(readGuestWord(vcpu, USER)).toBe(0x222);
    expect(writeGuestInstruction(vcpu, USER, 1), "read-only for the guest").toBe(false);
    for (const gva of [KSEG2, CODE + 1, CODE + 2, 0x8000_0000, 0xbfc0_0000, 0xc000_0000, 0xffff_fffc])
      expect(readGuestWord(vcpu, gva), gva.toString(16)).toBe(null);
    expect(readGuestWord(vcpu, guest.commpage + 4 * CP0.PRId)).toBe(0x19300);

    // The guest is in user mode from now on, which its next entry would make live.
    vcpu.cp0[CP0.Status] = STATUS.UM;
    expect(readGuestWord(vcpu, USER)).toBe(0x222);
    expect(readGuestWord(vcpu, CODE)).toBe(null);
    expect(accessGuest(vcpu, "loadWord", CODE)).toEqual({ kind: "forbidden" });
    expect(vcpu.mmu.host.liveAsid).toBe(vcpu.mmu.host.asids.asid(vcpu.regs.userMm));
    vcpu.cp0[CP0.Status] = 0;
    expect(readGuestWord(vcpu, CODE)).toBe(guest.read(0x1000));
    guest.runToWait();
  });

  test("follows a change of the guest's ASID at once", () => {
    const guest = parked(options);
    const { vcpu } = guest;
    const mask = "pageSize" in options ? 0x6000 : 0;
    guest.write(0x2_0000, 0x222);
    guest.write(0x3_0000, 0x333);
    guest.mapPages(0, USER, 0, entryLo(0x2_0000, true), 0, mask);
    guest.mapPages(1, USER, 5, entryLo(0x3_0000, true), 0, mask);
    expect(readGuestWord(vcpu, USER)).toBe(0x222);
    vcpu.mmu.setGuestAsid(5);
    vcpu.cp0[CP0.EntryHi] = 5;
    expect(readGuestWord(vcpu, USER)).toBe(0x333);
    guest.runToWait();
  });

  test("can be read and patched where nothing of it is left in host TLB and tables", () => {
    for (const reason of [EXC_CODE.CpU, TRACE_EXIT.CACHE]) {
      const tracer = {
        kvm_exit: (_pc: number, why: number) => {
          if (why === reason) guest.vcpu.mmu.flushAll();
        },
      };
      const guest: TestGuest = new TestGuest(createInterpreter, {
        ...{ ...options, fastExits: false, dyntrans: true, tracer },
      });
      guest.assemble(CODE, (asm) => {
        asm.mfc0(t1, 15, 0);
        asm.lui(t0, CODE >>> 16);
        asm.cache(0x15, 0x1000, t0);
        asm.wait();
      });
      guest.start(CODE);
      guest.runToWait();
      expect(guest.vcpu.regs.gpr[t1]).toBe(0x19300);
      expect(guest.vcpu.stats.translated).toBe(2);
    }
  });

  test("takes no time, keeps a link, and leaves what has fallen due for later", () => {
    const guest = parked(options);
    const { machine, vcpu } = guest;
    let fired = 0;
    machine.timeline.register("test", () => fired++);
    machine.timeline.schedule("test", machine.timeline.now());
    machine.cpu.link(0);
    machine.stop();
    const { instructions, guestInstructions } = machine;
    const now = machine.timeline.now();
    expect(readGuestWord(vcpu, CODE)).not.toBe(null);
    expect(readGuestWord(vcpu, KSEG2)).toBe(null);
    expect([machine.timeline.now(), machine.guestInstructions, fired]).toEqual([now, guestInstructions, 0]);
    expect(machine.instructions).toBeGreaterThan(instructions);
    expect(machine.cpu.llBit).toBe(true);
    guest.runToWait();
    expect(fired).toBe(1);
  });
});

describe("an instruction that the guest cannot fetch any more", () => {
  /** Runs two instructions in KSeg2; what maps them goes in the exit of the second one, a DI or an MMIO store. */
  function lose(emit: (guest: TestGuest) => void, reason: number, model = "24Kc"): TestGuest {
    let armed = true;
    const tracer = {
      kvm_exit: (_pc: number, why: number) => {
        if (why !== reason || !armed) return;
        armed = false;
        guest.vcpu.mmu.dropRange(KSEG2, 0x2000, null);
        guest.vcpu.guestTlb.write(0, { entryHi: 0, pageMask: 0, entryLo0: 0, entryLo1: 0 });
      },
    };
    const guest: TestGuest = new TestGuest(createInterpreter, { model, fastExits: false, tracer });
    guest.trapExceptions();
    emit(guest);
    guest.mapPages(0, KSEG2, 0, entryLo(0x2_0000, true), 0);
    guest.start(KSEG2);
    return guest;
  }
  const code = (guest: TestGuest): void => {
    guest.assemble(0x4002_0000, (asm) => {
      asm.nop();
      asm.di(0);
    });
  };
  const rdhwr = (guest: TestGuest): void => {
    guest.assemble(0x4002_0000, (asm) => {
      asm.nop();
      asm.rdhwr(t0, 0);
    });
  };
  const store = (guest: TestGuest): void => {
    guest.assemble(0x4002_0000, (asm) => {
      asm.lui(t0, 0xa000);
      asm.sw(0, 0, t0);
    });
  };

  test.each([
    ["DI", EXC_CODE.CpU, code],
    ["RDHWR", EXC_CODE.RI, rdhwr],
    ["a store to a device", EXC_CODE.AdES, store],
  ])("is fetched again, and the guest takes the exception of the fetch (%s)", (_name, reason, emit) => {
    const guest = lose(emit, reason);
    expect(guest.runToTrap()).toBe(0);
    const { cp0 } = guest.vcpu;
    expect(cp0[CP0.EPC]).toBe(KSEG2 + 4);
    expect(cp0[CP0.BadVAddr]).toBe(KSEG2 + 4);
    // The word before it, the exception, and a word of the handler: it was never executed itself.
    expect(guest.machine.guestInstructions).toBe(3);
  });

  test("is known all the same on hosts with BadInstr", () => {
    const guest = lose(store, EXC_CODE.AdES, "24Kc-rixi");
    expect(guest.run()).toMatchObject({ reason: "mmio", physAddr: 0, isWrite: true });
  });
});

test("a fault of the host's own code is told from one in its routines for user memory", () => {
  const guest = parked({});
  const { host } = guest.kvm;
  const { fault } = HOST_CALL;
  const { cpu } = guest.machine;
  // The word behind the routines, executed with an address that faults.
  guest.machine.write32(host.code.entries["user_access_done"]! & 0x1fff_ffff, 0x8c83_0000);
  cpu.gpr[GPR.a0] = KSEG2;
  expect(guest.machine.callHostCode(host.code.entries["user_access_done"]!)).toBe(fault);
});
