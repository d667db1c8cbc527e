import { describe, expect, test } from "vitest";
import { createInterpreter } from "../engine/index.ts";
import { CP0, STATUS } from "../isa/cp0.ts";
import { GPR } from "../isa/registers.ts";
import type { Assembler } from "../uasm/assembler.ts";
import { EVA_MAP, TE_MAP } from "./guest-map.ts";
import { entryLo, TestGuest } from "./testing.ts";

const { t0, t1, t2, t3, ra } = GPR;
const PAGE = 0x2_0000;

const HOSTS = [
  { map: TE_MAP },
  { map: TE_MAP, refill: "slow" },
  { map: TE_MAP, dyntrans: true },
  { map: TE_MAP, pageSize: 16384 },
  { map: EVA_MAP, model: "P5600" },
] as const;

describe.each(HOSTS)("a guest with Status.ERL = 1, $map.name %#", (options) => {
  const code = options.map.ebase + 0x1000;
  const newGuest = (): TestGuest => new TestGuest(createInterpreter, options);
  const run = (guest: TestGuest, status: number, emit: (asm: Assembler) => void): void => {
    guest.assemble(code, (asm) => {
      emit(asm);
      asm.wait();
    });
    guest.vcpu.waiting = false;
    guest.start(code, status);
    guest.runToWait();
  };

  test("loads, stores and fetches physical memory in useg, and mapped memory again without", () => {
    const guest = newGuest();
    guest.mapPages(0, PAGE, 0, entryLo(0x4_0000, true), entryLo(0x5_0000, true), 0x6000);
    guest.write(PAGE, 1);
    guest.write(0x4_0000, 2);
    const load = (asm: Assembler, rt: number): void => {
      asm.loadConstant(t0, PAGE);
      asm.lw(rt, 0, t0);
    };
    // What was filled before is not used after a change, in either direction.
    for (const leave of ["mtc0", "eret"] as const) {
      run(guest, 0, (asm) => load(asm, t1));
      expect(guest.vcpu.regs.gpr[t1]).toBe(2);
      run(guest, 0, (asm) => {
        asm.loadConstant(t3, STATUS.ERL);
        asm.mtc0(t3, 12, 0);
        load(asm, t1);
        asm.sw(t1, 4, t0);
        if (leave === "mtc0") asm.mtc0(0, 12, 0);
        else {
          asm.loadAddress(t3, asm.address + 5 * 4);
          asm.mtc0(t3, CP0.ErrorEPC >>> 3, 0);
          asm.eret();
          asm.nop();
        }
        load(asm, t2);
      });
      expect([guest.vcpu.regs.gpr[t1], guest.vcpu.regs.gpr[t2]]).toEqual([1, 2]);
      expect([guest.read(PAGE + 4), guest.read(0x4_0004)]).toEqual([1, 0]);
      guest.write(PAGE + 4, 0);
    }
  });

  test("fetches there too, and starts like that", () => {
    const guest = newGuest();
    expect(guest.vcpu.status & STATUS.ERL).toBe(STATUS.ERL);
    guest.assemble(options.map.ebase + PAGE, (asm) => {
      asm.addiu(t1, t1, 3);
      asm.jr(ra);
      asm.nop();
    });
    run(guest, STATUS.ERL, (asm) => {
      asm.addiu(t1, 0, 4);
      asm.loadConstant(t0, PAGE);
      asm.jalr(ra, t0);
      asm.nop();
    });
    expect(guest.vcpu.regs.gpr[t1]).toBe(7);
  });

  test("finds devices where it has no memory", () => {
    const guest = newGuest();
    guest.assemble(code, (asm) => {
      asm.loadConstant(t0, 0x1800_03f8);
      asm.sb(0, 0, t0);
    });
    guest.start(code, STATUS.ERL);
    expect(guest.run()).toMatchObject({ reason: "mmio", physAddr: 0x1800_03f8, isWrite: true });
  });
});
