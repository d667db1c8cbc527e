import { EXC_CODE } from "../../isa/exceptions.ts";
import type { Cpu } from "../cpu.ts";
import { ACCESS, type Mmu } from "../mmu.ts";
import { STATE } from "../state-layout.ts";
import { NEXT, RELOAD, type Continuation } from "../system-ops.ts";
import { FpuOps } from "./fpu-ops.ts";
import type { Fpu } from "./fpu.ts";

const DOUBLE_BYTES = 8;

/** Who has to know of stores to RAM: the machine, for code that was decoded and links of other CPUs. */
export interface StoreWatcher {
  /** True if stores to the page of RAM offset `offset` have to be reported. */
  watches(offset: number): boolean;
  /** `bytes` bytes of RAM from `offset` were stored to. */
  stored(offset: number, bytes: number): void;
}

/**
 * The operations of the FPU as the engine calls them in the middle of an instruction, as it calls those of
 * `SystemOps`: by name, with coprocessor 1 usable.
 */
export class FpuInstructions {
  private readonly executing: () => Cpu;
  private readonly mmu: Mmu;
  private readonly ops: FpuOps;
  private readonly watcher: StoreWatcher;

  /** `executing` is the CPU that executes; it has an FPU. */
  constructor(executing: () => Cpu, mmu: Mmu, watcher: StoreWatcher) {
    this.executing = executing;
    this.mmu = mmu;
    this.ops = new FpuOps(executing);
    this.watcher = watcher;
  }

  private get cpu(): Cpu {
    return this.executing();
  }
  private get fpu(): Fpu {
    return this.executing().fpu!;
  }

  private result(value: number): Continuation {
    this.cpu.memory.i32[STATE.mmioData >>> 2] = value;
    return NEXT;
  }

  fpuOperate(fn: number, fmt: number, fs: number, ft: number, fd: number): Continuation {
    return this.ops.operate(fn, fmt, fs, ft, fd) ? NEXT : RELOAD;
  }
  fpuMultiplyAdd(op: number, fmt: number, fr: number, fs: number, ft: number, fd: number): Continuation {
    return this.ops.multiplyAdd(op, fmt, fr, fs, ft, fd) ? NEXT : RELOAD;
  }
  fpuCompare(condition: number, fmt: number, fs: number, ft: number, cc: number): Continuation {
    return this.ops.compare(condition, fmt, fs, ft, cc) ? NEXT : RELOAD;
  }
  fpuMoveIf(fmt: number, condition: number, fs: number, fd: number): Continuation {
    return this.ops.moveIf(fmt, condition, fs, fd) ? NEXT : RELOAD;
  }

  cfc1(number: number): Continuation {
    return this.result(this.fpu.readControl(number));
  }
  /** CTC1: causes written together with their enables trap. */
  ctc1(number: number, value: number): Continuation {
    this.fpu.writeControl(number, value);
    if (!this.fpu.trapPending) return NEXT;
    this.cpu.raise(EXC_CODE.FPE);
    return RELOAD;
  }
  mfhc1(n: number): Continuation {
    return this.result(this.fpu.upper(n));
  }
  mthc1(n: number, value: number): Continuation {
    this.fpu.setUpper(n, value);
    return NEXT;
  }

  // --- loads and stores of 64 bits: the word at the lower address is the upper half on a big-endian machine ---

  ldc1(n: number, va: number): Continuation {
    const { fpu, mmu, cpu } = this;
    const pa = mmu.translate(va, ACCESS.load, DOUBLE_BYTES);
    if (pa < 0) return RELOAD;
    const [first, second] = [mmu.readWord(pa), mmu.readWord(pa + 4)];
    const isBig = cpu.memory.endian === "big";
    fpu.setUpper(n, isBig ? first : second);
    fpu.setLower(n, isBig ? second : first);
    return NEXT;
  }

  sdc1(n: number, va: number): Continuation {
    const { fpu, mmu, cpu } = this;
    const pa = mmu.translate(va, ACCESS.store, DOUBLE_BYTES);
    if (pa < 0) return RELOAD;
    const isBig = cpu.memory.endian === "big";
    const [upper, lower] = [fpu.upper(n), fpu.lower(n)];
    mmu.writeWord(pa, isBig ? upper : lower);
    mmu.writeWord(pa + 4, isBig ? lower : upper);
    const offset = mmu.ramOffset(pa);
    if (offset >= 0) {
      if (!this.watcher.watches(offset)) return NEXT;
      this.watcher.stored(offset, DOUBLE_BYTES);
    }
    // What was written may be the code that comes next, and a device may have changed anything.
    cpu.advance();
    return RELOAD;
  }

  ldxc1(n: number, va: number): Continuation {
    return this.reserve(n % 2 !== 0) ? RELOAD : this.ldc1(n, va);
  }
  sdxc1(n: number, va: number): Continuation {
    return this.reserve(n % 2 !== 0) ? RELOAD : this.sdc1(n, va);
  }
  luxc1(n: number, va: number): Continuation {
    return this.reserve(true) ? RELOAD : this.ldc1(n, va & -DOUBLE_BYTES);
  }
  suxc1(n: number, va: number): Continuation {
    return this.reserve(true) ? RELOAD : this.sdc1(n, va & -DOUBLE_BYTES);
  }

  /** True, with Reserved Instruction raised, if `needsWide` and registers have 32 bits. */
  private reserve(needsWide: boolean): boolean {
    if (!needsWide || this.fpu.wide) return false;
    this.cpu.raise(EXC_CODE.RI);
    return true;
  }
}
