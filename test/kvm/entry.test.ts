import { describe, expect, test } from "vitest";
import { CP0, STATUS } from "../../src/isa/cp0.ts";
import { EXC_CODE } from "../../src/isa/exceptions.ts";
import { GPR } from "../../src/isa/registers.ts";
import { TEST_HOSTS, TestHost } from "./host.ts";

const PROGRAM = 0x0040_0000;

describe.each(TEST_HOSTS)("guest entry and exit on %s with pages of %d bytes", (model, pageSize) => {
  test("a guest runs to its system call with all registers, and the host finds its own again", () => {
    const t = new TestHost(model, { pageSize });
    const { cpu, ops } = t.machine;
    const { scratch } = t.host.target;
    t.program(PROGRAM, (asm) => {
      asm.addiu(GPR.k0, GPR.k0, 1);
      asm.addiu(GPR.k1, GPR.k1, 1);
      asm.syscall(0);
    });
    for (let reg = 1; reg < 32; reg++) t.vcpu.gpr[reg] = 0x1000 * reg;
    t.vcpu.hi = 0x1234;
    t.vcpu.lo = -5;
    const saved = [GPR.s0, GPR.s1, GPR.s7, GPR.gp, GPR.s8];
    for (const reg of saved) cpu.gpr[reg] = 0x0077_0000 + reg;
    ops.writeCp0(scratch.vcpu, 0x0abc_def0);
    if (scratch.saveTemp) ops.writeCp0(scratch.temp, 0x0bad_cafe);
    const hwrena = ops.readCp0(CP0.HWREna);
    const ebase = ops.readCp0(CP0.EBase);

    const result = t.run((code) => {
      expect(code).toBe(EXC_CODE.Sys);
      expect(t.exitPointer).toBe(t.expectedPointer);
      expect(t.vcpu.pc).toBe(PROGRAM + 8);
      // The host's world is back, but for address space and root.
      expect(ops.readCp0(CP0.EBase)).toBe(ebase);
      expect(ops.readCp0(CP0.HWREna)).toBe(hwrena);
      expect(ops.readCp0(CP0.Status) & (STATUS.BEV | STATUS.EXL | STATUS.UM | STATUS.IE | STATUS.CU0)).toBe(
        STATUS.CU0,
      );
      expect(ops.readCp0(scratch.vcpu)).toBe(0x0abc_def0);
      expect(t.host.liveAsid).toBe(t.host.asids.asid(t.vcpu.userMm));
      expect(t.host.livePgd).toBe(t.vcpu.userMm.pgd);
      return false;
    });

    expect(result).toBe(-4);
    for (let reg = 1; reg < 32; reg++) {
      const one = reg === GPR.k0 || reg === GPR.k1 ? 1 : 0;
      expect(t.vcpu.gpr[reg], `$${reg}`).toBe(0x1000 * reg + one);
    }
    expect(t.vcpu.hi).toBe(0x1234);
    expect(t.vcpu.lo).toBe(-5);
    for (const reg of saved) expect(cpu.gpr[reg], `$${reg}`).toBe(0x0077_0000 + reg);
    expect(cpu.gpr[GPR.sp]! >>> 0).toBe(t.host.stackTop);
    expect(ops.readCp0(scratch.vcpu)).toBe(0x0abc_def0);
    if (scratch.saveTemp) expect(ops.readCp0(scratch.temp)).toBe(0x0bad_cafe);
    expect(ops.readCp0(CP0.Status) & STATUS.IE).toBe(0);
  });

  test("pages beyond the TLB's reach are touched twice: the second pass has no exit, k0 and k1 are intact", () => {
    const t = new TestHost(model, { pageSize });
    const pages = t.machine.cpu.tlb.entries * 2 * 2 + 6;
    const data = 0x1000_0000;
    const frame = t.host.pages.allocZeroed(pageSize);
    t.program(PROGRAM, (asm) => {
      asm.loadConstant(GPR.s0, 2);
      const pass = asm.bind("pass");
      asm.loadConstant(GPR.t0, data);
      asm.loadConstant(GPR.t1, pages);
      const loop = asm.bind("loop");
      asm.lw(GPR.t2, 0, GPR.t0);
      asm.addiu(GPR.t2, GPR.t2, 1);
      asm.sw(GPR.t2, 0, GPR.t0);
      asm.loadConstant(GPR.t3, pageSize);
      asm.addiu(GPR.t1, GPR.t1, -1);
      asm.bnez(GPR.t1, loop);
      asm.addu(GPR.t0, GPR.t0, GPR.t3);
      asm.syscall(0);
      asm.addiu(GPR.s0, GPR.s0, -1);
      asm.bnez(GPR.s0, pass);
      asm.nop();
      asm.syscall(1);
    });
    t.vcpu.gpr[GPR.k0] = 0x1357_9bdf;
    t.vcpu.gpr[GPR.k1] = 0x2468_ace0;
    const exits: number[] = [];
    const passes: number[] = [];
    t.run((code) => {
      if (code === EXC_CODE.Sys) {
        passes.push(exits.length);
        if (passes.length === 3) return false;
        t.vcpu.pc += 4;
        return true;
      }
      expect([EXC_CODE.TLBL, EXC_CODE.TLBS]).toContain(code);
      exits.push(t.vcpu.badVAddr);
      // The whole array lies on one frame, so that the count proves each access.
      t.map(t.vcpu.badVAddr, frame);
      t.host.tlb.invalidate(t.vcpu.badVAddr, t.host.asids.asid(t.vcpu.userMm));
      return true;
    });
    expect(exits).toEqual(Array.from({ length: pages }, (_, i) => data + i * pageSize));
    expect(passes).toEqual([pages, pages, pages]);
    expect(t.machine.memory.read32(frame)).toBe(2 * pages);
    expect(t.vcpu.gpr[GPR.k0]).toBe(0x1357_9bdf);
    expect(t.vcpu.gpr[GPR.k1]).toBe(0x2468_ace0);
  });
});
