import { ACCESS } from "../../src/machine/mmu.ts";
import { MODE } from "../../src/machine/modes.ts";
import type { Memory } from "../../src/machine/memory.ts";
import type { Vcpu } from "../../src/kvm/index.ts";

/**
 * Notices what makes two runs of a guest on different hosts incomparable:
 *
 * - the guest reads or changes part of an instruction that dynamic translation replaced, or executes it in user
 *   mode;
 * - the guest goes where hosts with dynamic translation have a commpage: that matters unless both have it there, or
 *   none.
 *
 * All are seen page by page, at the first access that the machine's soft TLB does not know.
 */
export class Taint {
  private readonly vcpu: Vcpu;
  private readonly memory: Memory;
  /** Host address of each replaced instruction, with the word that it replaced and the one that it is. */
  private readonly replaced = new Map<number, { readonly original: number; readonly word: number }>();
  private readonly touched = new Set<number>();
  private given: string | null = null;
  /** The guest has gone where some hosts have a commpage; other than by what was translated. */
  nearCommpage = false;

  constructor(vcpu: Vcpu) {
    this.vcpu = vcpu;
    const { machine, host } = vcpu;
    const { mmu, ops, memory } = machine;
    let ignore = false;
    const ignored = <T>(access: () => T): T => {
      ignore = true;
      const result = access();
      ignore = false;
      return result;
    };
    const synci = ops.synci.bind(ops);
    // SYNCI translates its address as a load does, but reads nothing.
    ops.synci = (va) => ignored(() => synci(va));
    const translate = mmu.translate.bind(mmu);
    const { first, last } = vcpu.map.zeroWindow;
    mmu.translate = (va, access, size, mode) => {
      const byGuest = !machine.cpu.isKernel && !ignore;
      const pa = translate(va, access, size, mode);
      if (!byGuest) return pa;
      const page = pa - (pa % 4096);
      const onCommpage = pa >= 0 && page === vcpu.regs.cp0Page;
      if (va >>> 0 >= first && va >>> 0 <= last && !onCommpage) this.nearCommpage = true;
      // User mode has no use for the commpage, and finds other instructions than it would have trapped with.
      if (pa >= 0 && access === ACCESS.fetch && host.livePgd === vcpu.regs.userMm.pgd) this.touched.add(page);
      if (pa >= 0 && access !== ACCESS.fetch) this.touched.add(page);
      return pa;
    };
    // What the hypervisor stores in the guest's address space is instructions that it replaces.
    const accessUser = host.accessUser.bind(host);
    host.accessUser = (access, address, value) =>
      ignored(() => {
        // A load first: then the host TLB knows where the word is.
        if (access !== "storeInstruction" || accessUser("loadWord", address) === null)
          return accessUser(access, address, value);
        const at = mmu.peek(address, MODE.user, machine.cpu.asid);
        const original = this.originalWord(at);
        const result = accessUser(access, address, value);
        if (result !== null) this.replaced.set(at, { original, word: value ?? 0 });
        return result;
      });
    this.vmmWrite = (at, word) => {
      this.replaced.delete(at);
      machine.write32(at, word);
    };
    this.memory = memory;
  }

  /** Writes a word of guest memory as the VMM. */
  readonly vmmWrite: (at: number, word: number) => void;

  /** The word at host address `at` as it would be without dynamic translation. */
  originalWord(at: number): number {
    const word = this.memory.read32(at);
    const replaced = this.replaced.get(at);
    return replaced !== undefined && replaced.word >>> 0 === word ? replaced.original >>> 0 : word;
  }

  /** Something else that makes the run incomparable. */
  give(reason: string): void {
    this.given = reason;
  }

  /** Why the run cannot be compared with runs on other hosts, or null. */
  get reason(): string | null {
    for (const at of this.replaced.keys())
      if (this.touched.has(at - (at % 4096)))
        return "the guest reads what was translated, or executes it in user mode";
    return this.given;
  }
}
