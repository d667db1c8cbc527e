import { describe, expect, test } from "vitest";
import { CP0 } from "../isa/cp0.ts";
import { Memory } from "../machine/memory.ts";
import { MM } from "./host-mm.ts";
import { CP0_MASKS, cp0Slot, FPU_AREA, fpuArea, userMm, VCPU, vcpuBytes, VcpuMemory } from "./layout.ts";

describe("the vcpu structure", () => {
  test("every offset is a word that a load can reach, and no two fields overlap", () => {
    const sizes: Partial<Record<keyof typeof VCPU, number>> = { gprs: 128, kernelMm: 8 };
    const fields = Object.entries(VCPU).sort(([, a], [, b]) => a - b);
    let end = 0;
    for (const [name, offset] of fields) {
      expect(offset % 4).toBe(0);
      expect(offset).toBeGreaterThanOrEqual(end);
      end = offset + (sizes[name as keyof typeof VCPU] ?? 4);
    }
    expect(end).toBe(userMm(1));
    expect(vcpuBytes(1)).toBe(end + 8);
    for (const cpus of [1, 2, 8]) {
      expect(userMm(cpus) - VCPU.kernelMm).toBe(MM.context + 4 * cpus);
      expect(vcpuBytes(cpus) - userMm(cpus)).toBe(MM.context + 4 * cpus);
      expect(fpuArea(cpus) + FPU_AREA.bytes).toBeLessThanOrEqual(CP0_MASKS.read);
    }
  });

  test("the commpage slot of Status is 180h, of Cause 1A0h, of EPC 1C0h", () => {
    expect([CP0.Status, CP0.Cause, CP0.EPC].map(cp0Slot)).toEqual([0x180, 0x1a0, 0x1c0]);
  });

  test("views see what machine code stores, in either byte order", () => {
    for (const endian of ["little", "big"] as const) {
      const memory = new Memory(65536, endian);
      const vcpu = new VcpuMemory(memory, 0x1000, 0x2000);
      memory.write32(0x1000 + VCPU.gprs + 4 * 29, 0x8000_0000);
      memory.write32(0x1000 + VCPU.pc, 0xbfc0_0000);
      memory.write32(0x2000 + cp0Slot(CP0.Status), 0x1040_0004);
      memory.write32(0x1000 + userMm(1) + MM.pgd, 0x8000_3000);
      memory.write32(0x1000 + userMm(1) + MM.context, 0x8000_0105);
      expect(vcpu.gpr[29]).toBe(-0x8000_0000);
      expect(vcpu.pc).toBe(0xbfc0_0000);
      expect(vcpu.cp0[CP0.Status]).toBe(0x1040_0004);
      expect(vcpu.userMm.pgd).toBe(0x3000);
      expect(vcpu.userMm.context(0)).toBe(0x8000_0105);
      expect(vcpu.cop0).toBe(0x2000);
      expect(vcpu.pointer).toBe(0x8000_1000);
      vcpu.hi = -1;
      expect(memory.read32(0x1000 + VCPU.hi)).toBe(0xffff_ffff);
    }
  });
});
