import type { AccessWidth } from "../isa/ir.ts";
import type { Endian } from "../machine/memory.ts";
import { KSEG0 } from "../machine/segments.ts";
import { PAGE_SIZE, SOFT_TLB, STATE } from "../machine/state-layout.ts";
import { loadState } from "./compile-ir.ts";
import { LOAD_AROUND } from "./imports.ts";
import { I32, MEMORY, PLAIN, type Code } from "./wasm/code.ts";

const PAGE_MASK = -PAGE_SIZE;

/** What is accessed: how much, and whether as user mode would (EVA). */
export interface AccessKind {
  readonly width: AccessWidth;
  readonly user: boolean;
}

/** Local variables that know a page which several accesses go to: its tag, or `SOFT_TLB.emptyTag`, and its addend. */
export interface KnownPage {
  readonly tag: number;
  readonly addend: number;
}

/** How an access deals with such a page. */
export interface PageUse {
  readonly page: KnownPage;
  /**
   * `first` looks its page up, which then is the one known, if any; `again` goes to the slow path if the page is not
   * the one known; `kept` looks the page up in that case, and if the soft TLB has it, it is the one known from then on.
   */
  readonly role: "first" | "again" | "kept";
  /** Tag in the soft TLB entry that the page is known by: for accesses of both kinds, the other kind's. */
  readonly tagAt: number;
}

/**
 * Emits the fast path of memory accesses: the soft TLB look-up, with the alignment check folded into the tag
 * compare, and the access. What happens on a miss is the caller's; it leaves, or pushes the place of the datum.
 */
export class MemoryAccess {
  private readonly code: Code;
  private readonly endian: Endian;
  private readonly dataBank: number;
  /** Virtual address of the access under way. */
  readonly va: number;
  /** Value that is stored. */
  readonly value: number;
  private readonly entry: number;
  private readonly place: number;

  /** `dataBank` is the local that holds the current data bank. */
  constructor(code: Code, endian: Endian, dataBank: number) {
    this.code = code;
    this.endian = endian;
    this.dataBank = dataBank;
    this.va = code.local(I32);
    this.value = code.local(I32);
    this.entry = code.local(I32);
    this.place = code.local(I32);
  }

  /** Takes the address from the stack and pushes the value loaded; `old` pushes what LWL and LWR merge with. */
  emitLoad(
    kind: AccessKind,
    signed: boolean,
    old: (() => void) | null,
    miss: () => void,
    use: PageUse | null = null,
  ): void {
    const { code } = this;
    const { width } = kind;
    const part = width === "left" || width === "right";
    code.setLocal(this.va);
    const size = part ? LOAD_AROUND : width;
    this.emitByPage(SOFT_TLB.readTag, kind, use, () => this.pushPlace(size, use), miss, I32);
    code.memory(loadInstruction(width, signed), 0);
    if (!part) return;
    code.setLocal(this.value);
    this.pushMerged(width, () => code.get(this.value), old!);
  }

  /** Takes the address from the stack and stores what `value` pushes. */
  emitStore(kind: AccessKind, value: () => void, miss: () => void, use: PageUse | null = null): void {
    const { code } = this;
    const { width } = kind;
    const part = width === "left" || width === "right";
    code.setLocal(this.va);
    value();
    code.setLocal(this.value);
    const size = part ? LOAD_AROUND : width;
    const hit = (): void => {
      this.pushPlace(size, use);
      this.emitStoreAtPlace(width);
    };
    this.emitByPage(SOFT_TLB.writeTag, kind, use, hit, miss);
  }

  /**
   * Takes the address from the stack and pushes the value loaded, for kernel code where kseg0 is unmapped: a load from
   * RAM in kseg0 needs no look-up, whose result others would wait for. `ram` is the memory offset of physical address 0;
   * `otherwise` takes the address and pushes the value of all other loads.
   */
  emitLoadUnmapped(width: 1 | 2 | 4, signed: boolean, ram: number, otherwise: () => void): void {
    const { code } = this;
    code.const32(KSEG0.base);
    code.op(PLAIN.i32Xor);
    code.tee(this.place);
    if (width !== 1) {
      // What is not aligned gets far out of range.
      code.const32(width >>> 1);
      code.op(PLAIN.i32Rotr);
    }
    loadState(code, STATE.plainWords);
    if (width !== 4) {
      code.const32(width === 1 ? 2 : 1);
      code.op(PLAIN.i32Shl);
    }
    code.op(PLAIN.i32LtU);
    code.ifLikely(I32);
    code.get(this.place);
    this.emitMirror(width);
    code.memory(loadInstruction(width, signed), ram);
    code.else();
    code.get(this.place);
    code.const32(KSEG0.base);
    code.op(PLAIN.i32Xor);
    otherwise();
    code.end();
  }

  /** Turns the place of `size` bytes into where they are: in big-endian memory those of a word are mirrored. */
  private emitMirror(size: number): void {
    if (this.endian === "little" || (size !== 1 && size !== 2)) return;
    this.code.const32(4 - size);
    this.code.op(PLAIN.i32Xor);
  }

  /** Emits `hit` for when the page is known or the soft TLB has it, and else `miss`; each leaves a value of `type`, if there is one. */
  private emitByPage(
    tag: number,
    kind: AccessKind,
    use: PageUse | null,
    hit: () => void,
    miss: () => void,
    type?: number,
  ): void {
    const { code } = this;
    this.pushHit(tag, kind, use);
    code.ifLikely(type);
    hit();
    code.else();
    if (use?.role === "kept") {
      this.pushLookUp(tag, kind);
      code.if(type);
      this.emitKnown(use);
      hit();
      code.else();
      miss();
      code.end();
    } else {
      this.emitUnknown(use);
      miss();
    }
    code.end();
  }

  /** Takes the place from the stack and stores `value` there. */
  private emitStoreAtPlace(width: AccessWidth): void {
    const { code } = this;
    if (width === "left" || width === "right") {
      this.emitStorePart(width);
      return;
    }
    code.get(this.value);
    code.memory(width === 4 ? MEMORY.i32Store : width === 2 ? MEMORY.i32Store16 : MEMORY.i32Store8, 0);
  }

  /** Pushes whether the access goes to the page known, or if it does not ask for that, what `pushLookUp` does. */
  private pushHit(tag: number, kind: AccessKind, use: PageUse | null): void {
    const { code } = this;
    if (use === null || use.role === "first") {
      this.pushLookUp(tag, kind);
      return;
    }
    this.pushTag(kind);
    code.get(use.page.tag);
    code.op(PLAIN.i32Eq);
  }

  /** Pushes the tag that permits the access: the alignment is part of it. */
  private pushTag({ width }: AccessKind): void {
    const { code } = this;
    code.get(this.va);
    code.const32(PAGE_MASK | (width === 2 || width === 4 ? width - 1 : 0));
    code.op(PLAIN.i32And);
  }

  /** Pushes whether the soft TLB entry for `va`, which becomes `entry`, has the access in its tag at `tag`. */
  private pushLookUp(tag: number, kind: AccessKind): void {
    const { code } = this;
    code.get(this.va);
    this.pushEntry(kind.user);
    code.tee(this.entry);
    code.memory(MEMORY.i32Load, tag);
    this.pushTag(kind);
    code.op(PLAIN.i32Eq);
  }

  /** Takes an address from the stack and pushes the place of its soft TLB entry. */
  private pushEntry(user: boolean): void {
    const { code } = this;
    code.const32(12 - SOFT_TLB.dataEntryShift);
    code.op(PLAIN.i32ShrU);
    code.const32((SOFT_TLB.dataEntries - 1) << SOFT_TLB.dataEntryShift);
    code.op(PLAIN.i32And);
    if (user) loadState(code, STATE.userBank);
    else code.get(this.dataBank);
    code.op(PLAIN.i32Add);
  }

  /** After a miss of the first access to a page: the page is not known. */
  private emitUnknown(use: PageUse | null): void {
    if (use?.role !== "first") return;
    const { code } = this;
    code.const32(SOFT_TLB.emptyTag);
    code.setLocal(use.page.tag);
  }

  /** After a hit in the soft TLB: its page is known. */
  private emitKnown({ page, tagAt }: PageUse): void {
    const { code } = this;
    code.get(this.entry);
    code.memory(MEMORY.i32Load, tagAt);
    code.setLocal(page.tag);
    this.emitKnownAddend(page);
  }

  private emitKnownAddend({ addend }: KnownPage): void {
    const { code } = this;
    code.get(this.entry);
    code.memory(MEMORY.i32Load, SOFT_TLB.addend);
    code.setLocal(addend);
  }

  /**
   * Takes an address from the stack: what the soft TLB has in its entry, be it another page or none, is known then,
   * for loads, stores, or both.
   */
  emitFind(page: KnownPage, loads: boolean, stores: boolean): void {
    const { code } = this;
    this.pushEntry(false);
    code.tee(this.entry);
    code.memory(MEMORY.i32Load, loads ? SOFT_TLB.readTag : SOFT_TLB.writeTag);
    if (loads && stores) {
      // Both tags are those of the same page, if they are not empty.
      code.get(this.entry);
      code.memory(MEMORY.i32Load, SOFT_TLB.writeTag);
      code.op(PLAIN.i32Or);
    }
    code.setLocal(page.tag);
    this.emitKnownAddend(page);
  }

  /** Pushes the memory offset of an access of `size` at `va`, after a hit. `size` 0: of the word around `va`. */
  private pushPlace(size: number, use: PageUse | null): void {
    const { code } = this;
    if (use?.role === "first") this.emitKnown(use);
    code.get(this.va);
    if (size === LOAD_AROUND) {
      code.const32(-4);
      code.op(PLAIN.i32And);
    }
    if (use === null) {
      code.get(this.entry);
      code.memory(MEMORY.i32Load, SOFT_TLB.addend);
    } else code.get(use.page.addend);
    code.op(PLAIN.i32Add);
    this.emitMirror(size);
  }

  /** Pushes LWL's or LWR's result from the word in memory and the register's old value. */
  private pushMerged(part: "left" | "right", word: () => void, old: () => void): void {
    const { code } = this;
    const left = part === "left";
    const shift = (): void => this.pushPartShift(part);
    word();
    shift();
    code.op(left ? PLAIN.i32Shl : PLAIN.i32ShrU);
    old();
    if (left) {
      code.const32(1);
      shift();
      code.op(PLAIN.i32Shl);
      code.const32(1);
      code.op(PLAIN.i32Sub);
    } else {
      code.const32(-1);
      shift();
      code.op(PLAIN.i32ShrU);
      code.const32(-1);
      code.op(PLAIN.i32Xor);
    }
    code.op(PLAIN.i32And);
    code.op(PLAIN.i32Or);
  }

  /** Pushes by how many bits a part access at `va` shifts: 8n or 24 - 8n for byte n of the word. */
  private pushPartShift(part: "left" | "right"): void {
    const { code } = this;
    code.get(this.va);
    code.const32(3);
    code.op(PLAIN.i32And);
    code.const32(3);
    code.op(PLAIN.i32Shl);
    if ((part === "left") === (this.endian === "little")) {
      code.const32(24);
      code.op(PLAIN.i32Xor);
    }
  }

  /** SWL and SWR on RAM: the word in memory, whose place is on the stack, takes part of `value`. */
  private emitStorePart(part: "left" | "right"): void {
    const { code } = this;
    const left = part === "left";
    const shift = (): void => this.pushPartShift(part);
    code.tee(this.place);
    code.get(this.place);
    code.memory(MEMORY.i32Load, 0);
    if (left) {
      code.const32(-1);
      shift();
      code.op(PLAIN.i32ShrU);
      code.const32(-1);
      code.op(PLAIN.i32Xor);
    } else {
      code.const32(1);
      shift();
      code.op(PLAIN.i32Shl);
      code.const32(1);
      code.op(PLAIN.i32Sub);
    }
    code.op(PLAIN.i32And);
    code.get(this.value);
    shift();
    code.op(left ? PLAIN.i32ShrU : PLAIN.i32Shl);
    code.op(PLAIN.i32Or);
    code.memory(MEMORY.i32Store, 0);
  }
}

function loadInstruction(width: AccessWidth, signed: boolean): readonly [number, number] {
  if (width === 1) return signed ? MEMORY.i32Load8S : MEMORY.i32Load8U;
  if (width === 2) return signed ? MEMORY.i32Load16S : MEMORY.i32Load16U;
  return MEMORY.i32Load;
}
