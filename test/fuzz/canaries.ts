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

/** The word that canary memory holds at host address `at`. */
const canary = (at: number): number => Math.imul(at | 1, 0x9e37_79b1) | 0;

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
  private readonly frozen = new Map<string, Range & { readonly contents: Int32Array }>();

  /** Fills what is free with canaries and follows the hypervisor's allocations from now on. */
  constructor(host: HostKernel, hostEnd: number, gaps: readonly Range[]) {
    const { pages } = host;
    this.host = host;
    this.memory = host.machine.memory;
    this.gaps = gaps;
    this.unused = new Uint8Array(hostEnd / pages.pageSize);
    const alloc = pages.alloc.bind(pages);
    const release = pages.release.bind(pages);
    // What is free now: allocate all of it, and give it back poisoned.
    const sizes = new Map<number, number>();
    const free: number[] = [];
    while (pages.free > 0) free.push(alloc(1));
    pages.alloc = (bytes, align) => {
      const hpa = alloc(bytes, align);
      const count = Math.max(1, Math.ceil(bytes / pages.pageSize));
      sizes.set(hpa, count);
      this.mark(hpa, count, 0);
      return hpa;
    };
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
    const { i32, plan } = this.memory;
    for (let at = first; at < last; at += 4) i32[(plan.ram + at) >>> 2] = canary(at);
  }

  private words(first: number, last: number): Int32Array {
    const { i32, plan } = this.memory;
    return i32.subarray((plan.ram + first) >>> 2, (plan.ram + last) >>> 2);
  }

  /** From now on `bytes` bytes at `first` must not change. */
  freeze(name: string, first: number, bytes: number): void {
    const last = first + bytes;
    this.frozen.set(name, { first, last, contents: this.words(first, last).slice() });
  }
  /** The range may change again. */
  thaw(name: string): void {
    this.frozen.delete(name);
  }
  /** The generated code of `vcpu` must not change. */
  freezeCode(name: string, vcpu: Vcpu): void {
    this.freeze(name, fromKseg0(vcpu.code.block), BLOCK.bytes);
  }

  private fail(what: string, at: number): never {
    const word = this.memory.read32(at).toString(16);
    throw new CanaryError(`${what} changed at host address ${at.toString(16)}: it holds ${word}`);
  }

  private checkCanaries(what: string, first: number, last: number): void {
    const { i32, plan } = this.memory;
    for (let at = first; at < last; at += 4)
      if (i32[(plan.ram + at) >>> 2] !== canary(at)) this.fail(what, at);
  }

  /** Throws {@link CanaryError} if anything has changed that must not. `thorough` looks at unused pages too. */
  check(thorough: boolean): void {
    for (const { first, last } of this.gaps) this.checkCanaries("memory between slots", first, last);
    for (const [name, { first, last, contents }] of this.frozen) {
      const now = this.words(first, last);
      for (let i = 0; i < contents.length; i++) if (now[i] !== contents[i]) this.fail(name, first + 4 * i);
    }
    if (!thorough) return;
    const { pageSize } = this.host.pages;
    for (let page = 0; page < this.unused.length; page++)
      if (this.unused[page] !== 0)
        this.checkCanaries("unused host memory", page * pageSize, (page + 1) * pageSize);
  }
}
