import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Memory } from "../machine/memory.ts";
import { KSEG0 } from "../machine/segments.ts";
import { HostPageError, HostPages, OutOfHostMemoryError } from "./host-pages.ts";

const memory = new Memory(2 ** 20, "little");

describe("host pages", () => {
  test("blocks are aligned, lie in the range and come back for use", () => {
    const pages = new HostPages(memory, 4096, { first: 0x3000, end: Infinity });
    const one = pages.alloc(1);
    const block = pages.alloc(0x4000, 0x4000);
    const next = pages.alloc(4096);
    expect([one, block, next]).toEqual([0x3000, 0x4000, 0x8000]);
    expect(pages.allocated).toBe(6);
    pages.release(block);
    expect(pages.alloc(4096)).toBe(0x4000);
    expect(pages.allocated).toBe(3);
  });

  test("blocks from the end leave the addresses of others as they are", () => {
    const pages = new HostPages(memory, 4096, { first: 0x3000, end: 0x2_8000 });
    expect(pages.allocLast(0x3000, 0x4000)).toBe(0x2_4000);
    expect(pages.allocLast(0x1000, 0x4000)).toBe(0x2_0000);
    expect(pages.alloc(1)).toBe(0x3000);
    expect(pages.allocated).toBe(5);
    expect(() => pages.allocLast(0x2_0000, 0x4000)).toThrow(OutOfHostMemoryError);
    pages.release(0x2_4000);
    expect(pages.allocLast(0x4000, 0x4000)).toBe(0x2_4000);
  });

  test("what does not fit is a typed error that tells what is left", () => {
    const pages = new HostPages(memory, 16384, { first: 0, end: 0x1_0000 });
    pages.alloc(0x4000);
    pages.alloc(0x4000);
    pages.release(0);
    expect(pages.free).toBe(3);
    const error = (() => {
      try {
        return pages.alloc(0xc000);
      } catch (caught) {
        return caught;
      }
    })();
    expect(error).toBeInstanceOf(OutOfHostMemoryError);
    expect(error).toMatchObject({ bytes: 0xc000, freePages: 3 });
    expect(pages.alloc(0x8000)).toBe(0x8000);
  });

  test("freeing what is not a block is refused", () => {
    const pages = new HostPages(memory, 4096, { first: 0, end: Infinity });
    const block = pages.alloc(0x2000);
    expect(() => pages.release(block + 0x1000)).toThrow(HostPageError);
    expect(() => pages.release(block + 4)).toThrow(HostPageError);
    pages.release(block);
    expect(() => pages.release(block)).toThrow(HostPageError);
  });

  test("zeroed blocks hold zeros", () => {
    const pages = new HostPages(memory, 4096, { first: 0, end: Infinity });
    const block = pages.alloc(4096);
    memory.write32(block + 4092, -1);
    pages.release(block);
    expect(memory.read32(pages.allocZeroed(4096) + 4092)).toBe(0);
  });

  test("only memory that kseg0 shows is handed out, unless any will do", () => {
    const large = Object.create(memory, { size: { value: 2 * KSEG0.bytes } }) as Memory;
    const kernel = new HostPages(large, 16384, { first: KSEG0.bytes - 0x4000, end: Infinity });
    expect(kernel.alloc(1)).toBe(KSEG0.bytes - 0x4000);
    expect(() => kernel.alloc(1)).toThrow(OutOfHostMemoryError);
    const guest = new HostPages(large, 16384, { first: KSEG0.bytes - 0x4000, end: Infinity, anywhere: true });
    expect(guest.alloc(0x8000)).toBe(KSEG0.bytes - 0x4000);
  });

  test("any sequence of calls keeps blocks apart and counts right", () => {
    const command = fc.record({ free: fc.boolean(), pick: fc.nat(), pages: fc.integer({ min: 1, max: 5 }) });
    fc.assert(
      fc.property(fc.array(command, { maxLength: 120 }), (commands) => {
        const pages = new HostPages(memory, 4096, { first: 0x5000, end: 0x2_5000 });
        const blocks: { hpa: number; pages: number }[] = [];
        for (const { free, pick, pages: count } of commands) {
          if (free && blocks.length > 0) {
            const [block] = blocks.splice(pick % blocks.length, 1);
            pages.release(block!.hpa);
          } else {
            const align = 4096 << (pick % 3);
            let hpa: number;
            try {
              hpa = pages.alloc(count * 4096 - 7, align);
            } catch (error) {
              if (error instanceof OutOfHostMemoryError) continue;
              throw error;
            }
            expect(hpa % align).toBe(0);
            for (const other of blocks) {
              const apart = hpa + count * 4096 <= other.hpa || other.hpa + other.pages * 4096 <= hpa;
              expect(apart).toBe(true);
            }
            blocks.push({ hpa, pages: count });
          }
          expect(pages.allocated).toBe(blocks.reduce((sum, block) => sum + block.pages, 0));
        }
      }),
    );
  });
});
