import { describe, expect, it } from "vitest";
import type { ElfImage } from "../../loader/elf.ts";
import { Memory } from "../../machine/memory.ts";
import { BootError, prepareBoot, type BootConfig, type BootMemory } from "./boot.ts";

const MIB = 1 << 20;

function kernelAt(paddr: number, memsize: number, bytes = 16): ElfImage {
  const data = Uint8Array.from({ length: bytes }, (_, i) => i + 1);
  return {
    endian: "little",
    entry: paddr + 4,
    flags: 0,
    segments: [{ vaddr: paddr, paddr, data, memsize }],
    symbols: () => new Map(),
  };
}

/** Memory that holds nothing: for sizes that a test does not want to allocate. */
function hollow(size: number): BootMemory & { written: number[] } {
  const written: number[] = [];
  return { size, written, writeBytes: (pa) => written.push(pa), write32: (pa) => written.push(pa) };
}

function boot(config: Partial<BootConfig> & { memory: BootMemory }) {
  return prepareBoot({ kernel: kernelAt(0x8010_0000, 0x2000), ...config });
}

/** Reads what a kernel reads: a zero-terminated list of pointers, and their texts. */
function texts(memory: Memory, table: number, base = 0x8000_0000): string[] {
  const list: string[] = [];
  for (let pa = table - base; ; pa += 4) {
    const pointer = memory.read32(pa);
    if (pointer === 0) return list;
    expect(pointer).toBeGreaterThanOrEqual(base);
    const bytes = memory.readBytes(pointer - base, 5000);
    list.push(new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0))));
  }
}

describe("prepareBoot", () => {
  it.each(["little", "big"] as const)("hands over as YAMON does, %s-endian", (endian) => {
    const memory = new Memory(16 * MIB, endian);
    const { entry, registers } = boot({
      memory,
      commandLine: "console=ttyS0 größe=1",
      programName: "vmlinux",
    });
    expect(entry).toBe(0x8010_0004);
    expect(registers.a0).toBe(2);
    expect(registers.a1).toBe(0x8000_2000);
    expect(registers.a3).toBe(16 * MIB);
    expect(texts(memory, registers.a1)).toEqual(["vmlinux", "console=ttyS0 größe=1"]);
    expect(texts(memory, registers.a2)).toEqual([
      "memsize",
      "16777216",
      "ememsize",
      "16777216",
      "modetty0",
      "38400n8r",
    ]);
  });

  it("loads segments and clears what the file does not hold", () => {
    const memory = new Memory(16 * MIB, "little");
    memory.write32(0x10_0010, -1);
    memory.write32(0x10_2000, -1);
    const { kernel } = boot({ memory });
    expect(kernel).toEqual({ start: 0x10_0000, end: 0x10_2000 });
    expect([...memory.readBytes(0x10_0000, 4)]).toEqual([1, 2, 3, 4]);
    expect([memory.read32(0x10_0010), memory.read32(0x10_2000)]).toEqual([0, 0xffff_ffff]);
  });

  it("puts the initrd high, aligned to 64 KiB, and tells where it is", () => {
    const memory = new Memory(32 * MIB, "little");
    const initrd = Uint8Array.from({ length: 70_000 }, (_, i) => i & 0xff);
    const state = boot({ memory, initrd, commandLine: "quiet" });
    expect(state.initrd).toEqual({ start: 0x1fc_0000, size: 70_000 });
    expect(state.commandLine).toBe("rd_start=0x81fc0000 rd_size=70000 quiet");
    expect(texts(memory, state.registers.a1)[1]).toBe(state.commandLine);
    expect(memory.readBytes(0x1fc_0000, 70_000)).toEqual(initrd);
  });

  it("takes other bases for pointers, initrd and kernel", () => {
    const memory = new Memory(16 * MIB, "little");
    const state = boot({
      memory,
      kernel: kernelAt(0x4010_0000, 0x100),
      initrd: Uint8Array.of(1),
      initrdBase: 0x4000_0000,
      pointerBase: 0xa000_0000,
      toPhysical: (address) => address - 0x4000_0000,
      environment: { ethaddr: "00:11", memsize: "4096" },
    });
    expect(state.kernel.start).toBe(0x10_0000);
    expect(state.commandLine).toBe("rd_start=0x40fd0000 rd_size=1");
    expect(state.registers.a1).toBe(0xa000_2000);
    expect(texts(memory, state.registers.a2, 0xa000_0000)).toContain("00:11");
    expect(texts(memory, state.registers.a2, 0xa000_0000)[1]).toBe("4096");
  });

  it("places trap-and-emulate kernels by the low 29 bits of their addresses", () => {
    expect(boot({ memory: hollow(16 * MIB), kernel: kernelAt(0x4010_0000, 0x100) }).kernel.start).toBe(
      0x10_0000,
    );
  });

  it("tells of at most 256 MiB of low memory", () => {
    const state = boot({ memory: hollow(1024 * MIB), initrd: Uint8Array.of(1) });
    expect(state.registers.a3).toBe(256 * MIB);
    expect(state.initrd!.start).toBe(0xffd_0000);
  });

  it.each<[string, Partial<BootConfig> & { memory: BootMemory }, RegExp]>([
    ["an empty initrd", { memory: hollow(16 * MIB), initrd: new Uint8Array() }, /initrd is empty/],
    [
      "memory too small for the kernel",
      { memory: hollow(MIB) },
      /00100000 to 00102000, but there are 1 MiB of memory: give the machine at least 2 MiB/,
    ],
    [
      "a segment beyond low memory",
      { memory: hollow(1024 * MIB), kernel: kernelAt(0x9000_0000, 16) },
      /only 256 MiB below the board's registers: link it lower/,
    ],
    [
      "memory too small for the initrd",
      { memory: hollow(4 * MIB), initrd: new Uint8Array(4 * MIB) },
      /initrd of 4194304 bytes does not fit above the kernel.*at least 6 MiB/,
    ],
    [
      "an initrd that no memory can hold",
      { memory: hollow(1024 * MIB), kernel: kernelAt(0x8f00_0000, 16), initrd: new Uint8Array(20 * MIB) },
      /make the initrd smaller/,
    ],
    [
      "a long command line",
      { memory: hollow(16 * MIB), commandLine: "x".repeat(4096) },
      /4096 bytes.*shorten it/,
    ],
    ["a zero in the command line", { memory: hollow(16 * MIB), commandLine: "a\0b" }, /zero character/],
    [
      "a kernel in the way",
      { memory: hollow(16 * MIB), kernel: kernelAt(0x8000_1000, 0x2000) },
      /link it at 80100000/,
    ],
  ])("refuses %s before it writes anything", (_name, config, message) => {
    expect(() => boot(config)).toThrow(BootError);
    expect(() => boot(config)).toThrow(message);
    expect(() => boot(config)).not.toThrow(/\n/);
    expect((config.memory as { written?: number[] }).written).toEqual([]);
  });

  it("finds enough the memory that it asked for", () => {
    for (let size = 1; size < 3 * MIB; size += 99_991) {
      const initrd = new Uint8Array(size);
      let needed = 0;
      try {
        boot({ memory: hollow(2 * MIB), initrd });
      } catch (error) {
        needed = Number(/at least (\d+) MiB/.exec((error as Error).message)![1]);
      }
      if (needed > 0) boot({ memory: hollow(needed * MIB), initrd });
    }
  });
});
