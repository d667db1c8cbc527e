import type { HostKernel } from "../../src/kvm/host-kernel.ts";
import { HOST_CODE_BYTES } from "../../src/kvm/entry/host-code.ts";
import { BLOCK } from "../../src/kvm/entry/code-block.ts";
import { fromKseg0 } from "../../src/kvm/addresses.ts";
import type { Vcpu } from "../../src/kvm/index.ts";
import type { Memory } from "../../src/machine/memory.ts";

/** Host memory that no one may change has changed. */
export class CanaryError extends Error {
  override readonly name = "CanaryError";
}

interface Range {
  readonly first: number;
  readonly last: number;
}

/** The word that canary memory holds: no instruction, no pointer, no small number. */
const CANARY = 0x9e37_79b1 | 0;
/** What the generated code of a vcpu is called. */
const [VCPU_CODE, ROUTINES] = ["the vcpu's code", "the vcpu's routines"] as const;
/** Canaries are compared in pieces of this many bytes: as much as a page has at least. */
const PIECE = 0x1000;
const CANARIES = new Int32Array(PIECE / 4).fill(CANARY);

/** True if the words are the same, by the machine's own comparison of memory. */
function same(a: Int32Array, b: Int32Array): boolean {
  const bytes = ({ buffer, byteOffset, byteLength }: Int32Array): Uint8Array =>
    new Uint8Array(buffer, byteOffset, byteLength);
  return Buffer.compare(bytes(a), bytes(b)) === 0;
}

/**
 * Watches the host memory that neither the guest nor the hypervisor may change: gaps between memslots, pages
 * that the hypervisor does not use (poisoned again when it gives one back, so that writes to freed tables
 * show), its generated code, its own page tables, and read-only slots.
 */
export class Canaries {
  private readonly memory: Memory;
  private readonly host: HostKernel;
  /** Pages of the hypervisor's part that hold canaries. */
  private readonly unused: Uint8Array;
  private readonly gaps: readonly Range[];
  /** Ranges that keep the contents that they had when they were added. */
  private readonly frozen = new Map<string, { readonly first: number; readonly contents: Int32Array }>();

  /** Fills what is free with canaries and follows the hypervisor's allocations from now on. */
  constructor(host: HostKernel, hostEnd: number, gaps: readonly Range[]) {
    const { pages } = host;
    this.host = host;
    this.memory = host.machine.memory;
    this.gaps = gaps;
    this.unused = new Uint8Array(hostEnd / pages.pageSize);
    const [alloc, allocLast] = [pages.alloc.bind(pages), pages.allocLast.bind(pages)];
    const release = pages.release.bind(pages);
    // What is free now: allocate all of it, and give it back poisoned.
    const sizes = new Map<number, number>();
    const free: number[] = [];
    while (pages.free > 0) free.push(alloc(1));
    const taken = (hpa: number, bytes: number): number => {
      const count = Math.max(1, Math.ceil(bytes / pages.pageSize));
      sizes.set(hpa, count);
      this.mark(hpa, count, 0);
      return hpa;
    };
    pages.alloc = (bytes, align) => taken(alloc(bytes, align), bytes);
    pages.allocLast = (bytes, align) => taken(allocLast(bytes, align), bytes);
    pages.release = (hpa) => {
      release(hpa);
      this.mark(hpa, sizes.get(hpa) ?? 1, 1);
    };
    for (const hpa of free) pages.release(hpa);
    for (const { first, last } of gaps) this.fill(first, last);
    this.freeze("host code", fromKseg0(host.code.ebase), HOST_CODE_BYTES);
    const { pgdEntries, ptesPerTable } = host.target.geometry;
    this.freeze("the invalid table", host.invalidPteTable, ptesPerTable * 4);
    this.freeze("the host's root", host.pgd, pgdEntries * 4);
    this.freeze("the VMM's root", host.vmmMm.pgd, pgdEntries * 4);
  }

  private mark(hpa: number, count: number, unused: 0 | 1): void {
    const { pageSize } = this.host.pages;
    this.unused.fill(unused, hpa / pageSize, hpa / pageSize + count);
    if (unused === 1) this.fill(hpa, hpa + count * pageSize);
  }

  private fill(first: number, last: number): void {
    this.words(first, last).fill(CANARY);
  }

  private words(first: number, last: number): Int32Array {
    const { i32, plan } = this.memory;
    return i32.subarray((plan.ram + first) >>> 2, (plan.ram + last) >>> 2);
  }

  /** From now on `bytes` bytes at `first` must not change. */
  freeze(name: string, first: number, bytes: number): void {
    this.frozen.set(name, { first, contents: this.words(first, first + bytes).slice() });
  }
  /** The generated code of `vcpu` must not change. */
  freezeCode({ code: { block, routines } }: Vcpu): void {
    this.freeze(VCPU_CODE, fromKseg0(block), BLOCK.bytes);
    if (routines !== null) this.freeze(ROUTINES, fromKseg0(routines.base), routines.words.byteLength);
  }
  /** It may change again. */
  thawCode(): void {
    for (const name of [VCPU_CODE, ROUTINES]) this.frozen.delete(name);
  }

  /** Throws {@link CanaryError} if memory from `first` on is not `expected`. */
  private expect(what: string, first: number, expected: Int32Array): void {
    const words = this.words(first, first + expected.byteLength);
    if (same(words, expected)) return;
    const index = words.findIndex((word, n) => word !== expected[n]);
    const [at, word] = [first + 4 * index, words[index]! >>> 0].map((value) => value.toString(16));
    throw new CanaryError(`${what} changed at host address ${at}: it holds ${word}`);
  }

  private expectCanaries(what: string, first: number, last: number): void {
    for (let at = first; at < last; at += PIECE) this.expect(what, at, CANARIES);
  }

  /** Throws {@link CanaryError} if anything has changed that must not. `thorough` looks at unused pages too. */
  check(thorough: boolean): void {
    for (const { first, last } of this.gaps) this.expectCanaries("memory between slots", first, last);
    for (const [name, { first, contents }] of this.frozen) this.expect(name, first, contents);
    if (!thorough) return;
    const { pageSize } = this.host.pages;
    for (let page = 0; page < this.unused.length; page++)
      if (this.unused[page] !== 0)
        this.expectCanaries("unused host memory", page * pageSize, (page + 1) * pageSize);
  }
}
