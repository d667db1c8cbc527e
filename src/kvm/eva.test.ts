import { describe, expect, test } from "vitest";
import { createInterpreter } from "../engine/index.ts";
import { CP0, STATUS } from "../isa/cp0.ts";
import { EXC_CODE } from "../isa/exceptions.ts";
import { HostFeatureError } from "./errors.ts";
import { commpageAddress, EVA_MAP, segmentOf } from "./guest-map.ts";
import { entryLo, TestGuest } from "./testing.ts";

const evaGuest = (
  options: { refill?: "fast" | "slow"; pageSize?: 4096 | 16384; dyntrans?: boolean } = {},
): TestGuest => new TestGuest(createInterpreter, { model: "P5600", map: EVA_MAP, ...options });

const CODE = 0x8000_1000;
const DEVICE = 0x1800_03f8;
const RESULT = 0x8000;

describe("a guest at the addresses of real hardware", () => {
  test("its map covers the address space without gaps, and the commpage is where $zero reaches it", () => {
    let next = 0;
    for (const { first, last } of EVA_MAP.segments) {
      expect(first).toBe(next);
      next = last + 1;
    }
    expect(next).toBe(2 ** 32);
    for (const size of [4096, 16384]) expect(commpageAddress(EVA_MAP, size)).toBe(0xffff_8000);
    expect([0x7fff_ffff, 0x8000_0000, 0xffff_ffff].map((gva) => segmentOf(EVA_MAP, gva).user)).toEqual([
      true,
      false,
      false,
    ]);
  });

  test("needs a host that has segmentation control, and was told to use it", () => {
    expect(() => new TestGuest(createInterpreter, { map: EVA_MAP })).toThrow(HostFeatureError);
    const classic = new TestGuest(createInterpreter, { model: "P5600" });
    expect(() => classic.kvm.createVm({ map: EVA_MAP })).toThrow("room for guests above 7fffffff");
  });

  describe.each([
    { refill: "fast", pageSize: 4096 },
    { refill: "slow", pageSize: 4096 },
    { refill: "fast", pageSize: 16384 },
  ] as const)("with $refill refills and host pages of $pageSize bytes", (options) => {
    test("reads and writes the same RAM through kseg0 and kseg1", () => {
      const guest = evaGuest(options);
      guest.assemble(CODE, (asm) => {
        asm.lui(8, 0x8000);
        asm.lui(9, 0xa000);
        asm.ori(10, 0, 0x1234);
        asm.sw(10, 0x4000, 8);
        asm.lw(11, 0x4000, 9);
        asm.addiu(11, 11, 1);
        asm.sw(11, 0x4004, 9);
        asm.lw(12, 0x4004, 8);
        asm.wait();
      });
      guest.start(CODE);
      guest.runToWait();
      expect(guest.read(0x4000)).toBe(0x1234);
      expect(guest.vcpu.regs.gpr[12]).toBe(0x1235);
    });

    test("runs in kseg1 and reaches devices there", () => {
      const guest = evaGuest(options);
      guest.assemble(0xa000_1000, (asm) => {
        asm.lui(8, 0xb800);
        asm.ori(9, 0, 0x55);
        asm.sb(9, 0x3f8, 8);
        asm.wait();
      });
      guest.start(0xa000_1000);
      expect(guest.run()).toMatchObject({
        reason: "mmio",
        physAddr: DEVICE,
        len: 1,
        isWrite: true,
        data: 0x55,
      });
      guest.runToWait();
    });

    test("maps useg up to 7fffffff and kseg2 and kseg3 by its own TLB", () => {
      const guest = evaGuest(options);
      const mask = options.pageSize === 16384 ? 0x6000 : 0;
      guest.write(0x1_0000, 0x111);
      guest.write(0x2_0000, 0x222);
      guest.write(0x3_0000, 0x333);
      guest.mapPages(1, 0x7fff_0000, 0, entryLo(0x1_0000, true), 0, mask);
      guest.mapPages(2, 0xc000_0000, 0, entryLo(0x2_0000, true), 0, mask);
      guest.mapPages(3, 0xfffe_0000, 0, entryLo(0x3_0000, true), 0, mask);
      guest.assemble(CODE, (asm) => {
        asm.lui(8, 0x7fff);
        asm.lw(9, 0, 8);
        asm.lui(8, 0xc000);
        asm.lw(10, 0, 8);
        asm.lui(8, 0xfffe);
        asm.lw(11, 0, 8);
        asm.wait();
      });
      guest.start(CODE);
      guest.runToWait();
      expect([...guest.vcpu.regs.gpr.slice(9, 12)]).toEqual([0x111, 0x222, 0x333]);
    });

    test("user mode gets address errors in the kernel's segments, whatever the kernel has touched there", () => {
      for (const address of [0x8000, 0xa000, 0xc000, 0xffff]) {
        const guest = evaGuest(options);
        const mask = options.pageSize === 16384 ? 0x6000 : 0;
        guest.mapPages(1, 0x0040_0000, 0, entryLo(0x1_0000, true), 0, mask);
        guest.mapPages(2, 0xc000_0000, 0, entryLo(0x2_0000, true), 0, mask);
        guest.mapPages(3, 0xffff_8000, 0, entryLo(0x3_0000, true), 0, mask);
        const low = address === 0xffff ? 0x8000 : 0x4000;
        guest.write(0x1_0000, (0x3c08_0000 | address) >>> 0);
        guest.write(0x1_0004, (0x3508_0000 | (address === 0xc000 ? 0 : low)) >>> 0);
        guest.write(0x1_0008, 0x8d09_0000); // lw $9, 0($8)
        guest.assemble(CODE, (asm) => {
          asm.lui(8, address);
          asm.ori(8, 8, address === 0xc000 ? 0 : low);
          asm.lw(9, 0, 8);
          asm.lui(10, 0x0040);
          asm.mtc0(10, 14, 0);
          asm.ori(11, 0, STATUS.UM | STATUS.EXL);
          asm.mtc0(11, 12, 0);
          asm.eret();
        });
        guest.assemble(0x8000_0180, (asm) => asm.wait());
        guest.start(CODE);
        guest.runToWait();
        expect((guest.vcpu.cp0[CP0.Cause]! >>> 2) & 31).toBe(EXC_CODE.AdEL);
        expect(guest.vcpu.cp0[CP0.EPC]).toBe(0x0040_0008);
      }
    });

    test("a translated MFC0 and MTC0 use negative displacements from $zero", () => {
      const guest = evaGuest({ ...options, dyntrans: true });
      guest.assemble(CODE, (asm) => {
        asm.ori(8, 0, 0x77);
        asm.ori(10, 0, 2);
        const again = asm.address;
        asm.mtc0(8, 14, 0);
        asm.mfc0(9, 14, 0);
        asm.addiu(10, 10, -1);
        asm.bne(10, 0, again);
        asm.addiu(8, 8, 1);
        asm.wait();
      });
      guest.start(CODE);
      guest.runToWait();
      expect(guest.vcpu.regs.gpr[9]).toBe(0x78);
      expect(guest.vcpu.stats.translated).toBe(2);
      expect(guest.read(0x1008) >>> 0).toBe(0xac08_81c0); // sw $8, -7e40($0)
      expect(guest.read(0x100c) >>> 0).toBe(0x8c09_81c0);
    });

    test("SC succeeds behind LL and TLBP, and fails behind ERET", () => {
      const guest = evaGuest(options);
      guest.assemble(CODE, (asm) => {
        asm.lui(8, 0x8000);
        asm.ori(8, 8, RESULT);
        asm.ll(9, 0, 8);
        asm.tlbp();
        asm.ori(9, 0, 1);
        asm.sc(9, 0, 8);
        asm.ll(10, 0, 8);
        asm.lui(11, 0x8000);
        asm.ori(11, 11, 0x1100);
        asm.mtc0(11, 14, 0);
        asm.eret();
      });
      guest.assemble(0x8000_1100, (asm) => {
        asm.ori(10, 0, 2);
        asm.sc(10, 0, 8);
        asm.wait();
      });
      guest.start(CODE, STATUS.EXL);
      guest.runToWait();
      expect(guest.vcpu.regs.gpr[9]).toBe(1);
      expect(guest.vcpu.regs.gpr[10]).toBe(0);
      expect(guest.read(RESULT)).toBe(1);
    });
  });
});
