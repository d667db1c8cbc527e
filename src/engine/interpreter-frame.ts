import { EXIT } from "../machine/cpu-contracts.ts";
import type { Endian } from "../machine/memory.ts";
import { PAGE_SIZE, RECORD, SOFT_TLB, STATE, TRANSLATED_FLAG } from "../machine/state-layout.ts";
import { STEP } from "./chain.ts";
import { loadState, storeState } from "./compile-ir.ts";
import type { ImportName } from "./imports.ts";
import { MemoryAccess } from "./memory-access.ts";
import { OPERATION_COUNT, OPERATIONS, PSEUDO, type Operation } from "./operations.ts";
import { Code, I32, I64, MEMORY, PLAIN, type Label } from "./wasm/code.ts";

/**
 * The interpreter is generated twice. The careful variant does everything. The fast one calls nothing: where
 * something would have to be called, it steps back to the start of the instruction and leaves, and the careful one
 * takes over for a while: for as many instructions as its parameter says, or until there is a translation. Without a
 * call in its loop, V8 keeps the interpreter's state in registers. Both start from the state block and leave everything there.
 */
export type Variant = "fast" | "careful";

const PAGE_MASK = -PAGE_SIZE;

/** Writes PC, delay slot state and the remaining budget to the state block, from the interpreter's locals. */
export function buildSpill(fetchRecord: number): Code {
  const code = new Code(6);
  const [current, next, branchRecord, pcDelta, pendingTarget, remaining] = [0, 1, 2, 3, 4, 5] as const;
  const pcOf = (record: number): void => {
    code.get(record);
    code.const32(1);
    code.op(PLAIN.i32ShrU);
    code.get(pcDelta);
    code.op(PLAIN.i32Add);
  };
  storeState(code, STATE.pc, () => pcOf(current));
  storeState(code, STATE.remaining, () => code.get(remaining));
  storeState(code, STATE.inDelaySlot, () => {
    code.get(branchRecord);
    code.const32(RECORD.bytes);
    code.op(PLAIN.i32Add);
    code.get(current);
    code.op(PLAIN.i32Eq);
  });
  storeState(code, STATE.branchTarget, () => {
    code.get(pendingTarget);
    pcOf(next);
    code.get(next);
    code.const32(fetchRecord);
    code.op(PLAIN.i32Eq);
    code.select();
  });
  return code;
}

/**
 * Everything of one variant but what the operations do: its locals, where control can go, dispatch, fetch, and the
 * ways in and out.
 */
export abstract class InterpreterFrame {
  protected readonly code: Code;
  protected readonly access: MemoryAccess;
  protected readonly fetchRecord: number;
  private readonly imports: ReadonlyMap<ImportName, number>;
  private readonly spillFunction: number;
  protected readonly isFast: boolean;

  protected readonly current: number;
  protected readonly next: number;
  protected readonly branchRecord: number;
  private readonly pcDelta: number;
  protected readonly pendingTarget: number;
  private readonly remaining: number;
  private readonly dataBank: number;
  /** Soft TLB entry of a fetch, and what it leads to; scratch. */
  private readonly entry: number;
  protected readonly place: number;
  protected readonly value: number;
  /** What to fetch next, and whether it is a delay slot. */
  private readonly fetchVa: number;
  private readonly fetchInDelay: number;
  protected readonly exception: number;
  /** The careful variant's parameter: instructions until it leaves. And whether it may leave for a translation. */
  private readonly patience = 0;
  private readonly mayLeave: number;
  /**
   * The fast variant executes no more than `STATE.untilSample` instructions: what is left of the budget beyond
   * them is withheld, what is left of them beyond the budget is kept here.
   */
  private readonly withheld: number;
  private readonly beyondBudget: number;
  protected readonly whole: number;
  protected readonly temps: number[] = [];
  protected readonly temps64: number[] = [];

  // Where control can go at the end of an operation.
  protected dispatch!: Label;
  protected reload!: Label;
  private fetch!: Label;
  protected raise!: Label;
  private budget!: Label;
  /** Steps back to the start of the instruction and lets the other variant go on. */
  protected change!: Label;

  constructor(
    endian: Endian,
    fetchRecord: number,
    imports: ReadonlyMap<ImportName, number>,
    spill: number,
    variant: Variant,
  ) {
    const code = new Code(variant === "careful" ? 1 : 0);
    this.code = code;
    this.current = code.local(I32);
    this.next = code.local(I32);
    this.branchRecord = code.local(I32);
    this.pcDelta = code.local(I32);
    this.pendingTarget = code.local(I32);
    this.remaining = code.local(I32);
    this.dataBank = code.local(I32);
    this.entry = code.local(I32);
    this.place = code.local(I32);
    this.value = code.local(I32);
    this.fetchVa = code.local(I32);
    this.fetchInDelay = code.local(I32);
    this.exception = code.local(I32);
    this.mayLeave = code.local(I32);
    this.withheld = code.local(I32);
    this.beyondBudget = code.local(I32);
    this.whole = code.local(I64);
    this.access = new MemoryAccess(this.code, endian, this.dataBank);
    this.fetchRecord = fetchRecord;
    this.imports = imports;
    this.spillFunction = spill;
    this.isFast = variant === "fast";
  }

  /**
   * The shape of the function: three loops, whose heads are the places where control can go.
   *
   *     loop reload      take everything from the state block, leave if asked to
   *       loop fetch     find the record of fetchVa
   *         loop dispatch    execute the record `current`
   *           block change, budget, raise
   *             block for each operation … br_table … end: operation
   *           end raise: raise `exception`, go to reload
   *           end budget: spill and return
   *           end change: spill and return
   */
  build(): Code {
    const { code } = this;
    this.reload = code.loop();
    this.emitReload();
    this.fetch = code.loop();
    this.emitFetch();
    this.dispatch = code.loop();
    this.change = code.block();
    this.budget = code.block();
    this.raise = code.block();
    this.emitDispatch();
    code.end();
    this.emitRaise();
    code.end();
    this.spill();
    this.pushSpentReason();
    code.return();
    code.end();
    this.addTo(this.remaining, 1);
    this.spill();
    code.const32(this.isFast ? STEP.careful : STEP.chain);
    code.return();
    for (let loop = 0; loop < 3; loop++) code.end();
    code.const32(EXIT.budget);
    return code;
  }

  protected call(name: ImportName): void {
    const index = this.imports.get(name);
    if (index === undefined) throw new Error(`no import ${name}`);
    this.code.call(index);
  }

  private emitRaise(): void {
    const { code } = this;
    if (this.isFast) {
      code.br(this.change);
      return;
    }
    this.spill();
    code.get(this.exception);
    this.call("raise");
    code.drop();
    code.br(this.reload);
  }

  /** Stores state for code outside that looks at PC, the delay slot or the budget. */
  protected spill(): void {
    const { code } = this;
    for (const local of [this.current, this.next, this.branchRecord, this.pcDelta, this.pendingTarget])
      code.get(local);
    this.pushBudget();
    code.call(this.spillFunction);
    this.storeUntilSample();
  }

  /** Pushes what the state block is to say remains of the budget. */
  private pushBudget(): void {
    const { code } = this;
    code.get(this.remaining);
    if (!this.isFast) return;
    code.get(this.withheld);
    code.op(PLAIN.i32Add);
  }

  private storeUntilSample(): void {
    const { code } = this;
    if (!this.isFast) return;
    storeState(code, STATE.untilSample, () => {
      code.get(this.remaining);
      code.get(this.beyondBudget);
      code.op(PLAIN.i32Add);
    });
  }

  /** Pushes why no more instructions may be executed. */
  private pushSpentReason(): void {
    const { code } = this;
    if (this.isFast) code.const32(STEP.sample);
    code.const32(EXIT.budget);
    if (!this.isFast) return;
    code.get(this.withheld);
    code.select();
  }

  /** Keeps back what the budget has beyond the next sample. */
  private emitWithhold(): void {
    const { code } = this;
    loadState(code, STATE.untilSample);
    code.setLocal(this.value);
    code.get(this.remaining);
    code.get(this.value);
    code.op(PLAIN.i32Sub);
    code.tee(this.withheld);
    code.const32(0);
    code.op(PLAIN.i32LeS);
    code.if();
    code.const32(0);
    code.setLocal(this.withheld);
    code.else();
    this.copy(this.value, this.remaining);
    code.end();
    code.get(this.value);
    code.get(this.remaining);
    code.op(PLAIN.i32Sub);
    code.setLocal(this.beyondBudget);
  }

  protected reloadRemaining(): void {
    loadState(this.code, STATE.remaining);
    this.code.setLocal(this.remaining);
  }

  protected addTo(local: number, amount: number): void {
    const { code } = this;
    code.get(local);
    code.const32(amount);
    code.op(PLAIN.i32Add);
    code.setLocal(local);
  }

  protected copy(from: number, to: number): void {
    this.code.get(from);
    this.code.setLocal(to);
  }

  protected pushPcOf(record: number): void {
    const { code } = this;
    code.get(record);
    code.const32(1);
    code.op(PLAIN.i32ShrU);
    code.get(this.pcDelta);
    code.op(PLAIN.i32Add);
  }

  protected pushInDelaySlot(): void {
    const { code } = this;
    code.get(this.branchRecord);
    code.const32(RECORD.bytes);
    code.op(PLAIN.i32Add);
    code.get(this.current);
    code.op(PLAIN.i32Eq);
  }

  // --- the frame of the function ---

  private emitDispatch(): void {
    const { code } = this;
    // Spent: `current` is what would have been executed. The fetch record stands for its target.
    code.get(this.remaining);
    code.const32(1);
    code.op(PLAIN.i32Sub);
    code.tee(this.remaining);
    code.const32(0);
    code.op(PLAIN.i32LtS);
    code.if();
    this.addTo(this.remaining, 1);
    code.get(this.current);
    code.const32(this.fetchRecord);
    code.op(PLAIN.i32Eq);
    code.if();
    this.emitLeaveAtTarget();
    code.end();
    code.br(this.budget);
    code.end();

    if (!this.isFast) this.emitPatience();

    const translated = code.block();
    const labels: Label[] = new Array<Label>(OPERATION_COUNT);
    for (let op = OPERATION_COUNT - 1; op >= 0; op--) labels[op] = code.block();
    code.get(this.current);
    code.memory(MEMORY.i32Load16U, RECORD.op);
    if (!this.isFast) {
      code.const32(TRANSLATED_FLAG - 1);
      code.op(PLAIN.i32And);
    }
    // Only a flagged operation is out of range.
    code.brTable(labels, translated);
    code.end();
    this.emitDecode();
    code.end();
    this.emitPageEnd();
    code.end();
    this.copy(this.pendingTarget, this.fetchVa);
    code.const32(0);
    code.setLocal(this.fetchInDelay);
    code.br(this.fetch);
    code.end();
    this.emitBreakpoint(labels);
    code.end();
    this.emitReserved();
    for (const operation of OPERATIONS) {
      code.end();
      this.emitOperation(operation, false);
      if (!operation.isBranch) continue;
      code.end();
      this.emitOperation(operation, true);
    }
    code.end();
    if (this.isFast) this.emitLeaveForTranslation();
    else code.br(this.change);
  }

  /** A translation starts at `current`. */
  private emitLeaveForTranslation(): void {
    const { code } = this;
    // In a delay slot something else comes next than the translation thinks; behind a branch that was not taken the
    // same comes next, but an exception belongs to the branch.
    this.pushInDelaySlot();
    code.brIf(this.change);
    this.addTo(this.remaining, 1);
    this.spill();
    code.const32(STEP.chain);
    code.return();
  }

  /**
   * Counts what the careful variant executes, and leaves where there is a translation, the first instruction
   * excepted. Pseudo operations are let through, they have no address.
   */
  private emitPatience(): void {
    const { code } = this;
    this.addTo(this.patience, -1);
    code.get(this.patience);
    code.const32(0);
    code.op(PLAIN.i32LtS);
    code.get(this.current);
    code.memory(MEMORY.i32Load16U, RECORD.op);
    code.const32(TRANSLATED_FLAG);
    code.op(PLAIN.i32GeU);
    code.get(this.mayLeave);
    code.op(PLAIN.i32And);
    code.op(PLAIN.i32Or);
    code.get(this.current);
    code.const32(this.fetchRecord);
    code.op(PLAIN.i32Ne);
    code.op(PLAIN.i32And);
    code.brIf(this.change);
    code.const32(1);
    code.setLocal(this.mayLeave);
  }

  private emitLeaveAtTarget(): void {
    const { code } = this;
    storeState(code, STATE.pc, () => code.get(this.pendingTarget));
    storeState(code, STATE.inDelaySlot, () => code.const32(0));
    // Nothing remains but what is withheld.
    storeState(code, STATE.remaining, () => this.pushBudget());
    this.storeUntilSample();
    this.pushSpentReason();
    code.return();
  }

  /** An untouched record: have it written and dispatch it again. */
  private emitDecode(): void {
    const { code } = this;
    if (this.isFast) {
      code.br(this.change);
      return;
    }
    code.get(this.current);
    this.call("decode");
    code.drop();
    this.addTo(this.remaining, 1);
    this.addTo(this.patience, 1);
    code.br(this.dispatch);
  }

  /** Behind the last record of a page: fetch the word that the record stands for, delay slot or not. */
  private emitPageEnd(): void {
    const { code } = this;
    this.pushPcOf(this.current);
    code.setLocal(this.fetchVa);
    this.pushInDelaySlot();
    code.tee(this.fetchInDelay);
    code.if();
    code.get(this.next);
    code.const32(this.fetchRecord);
    code.op(PLAIN.i32Ne);
    code.if();
    this.pushPcOf(this.next);
    code.setLocal(this.pendingTarget);
    code.end();
    code.end();
    code.br(this.fetch);
  }

  private emitReserved(): void {
    const { code } = this;
    if (this.isFast) {
      code.br(this.change);
      return;
    }
    this.spill();
    code.get(this.current);
    code.memory(MEMORY.i32Load, RECORD.c);
    this.call("reserved");
    code.drop();
    code.br(this.reload);
  }

  /**
   * The instruction at a breakpoint is executed as what it is, unless execution stops in front of it. `labels` lead to
   * the operations, of which those behind this one are still to come.
   */
  private emitBreakpoint(labels: readonly Label[]): void {
    const { code } = this;
    if (this.isFast) {
      code.br(this.change);
      return;
    }
    this.spill();
    code.get(this.current);
    this.call("breakpoint");
    code.tee(this.value);
    code.const32(0);
    code.op(PLAIN.i32LtS);
    code.brIf(this.reload);
    code.get(this.value);
    const reserved = labels[PSEUDO.reserved]!;
    code.brTable(
      labels.map((label, operation) => (operation > PSEUDO.breakpoint ? label : reserved)),
      reserved,
    );
  }

  private emitReload(): void {
    const { code } = this;
    this.reloadRemaining();
    loadState(code, STATE.dataBank);
    code.setLocal(this.dataBank);
    loadState(code, STATE.exitReason);
    code.tee(this.value);
    code.if();
    storeState(code, STATE.exitReason, () => code.const32(0));
    code.get(this.value);
    code.return();
    code.end();
    code.get(this.remaining);
    code.op(PLAIN.i32Eqz);
    code.if();
    code.const32(EXIT.budget);
    code.return();
    code.end();
    if (this.isFast) this.emitWithhold();
    // As after a dispatch: what is fetched below gives this back.
    this.addTo(this.remaining, -1);
    loadState(code, STATE.pc);
    code.setLocal(this.fetchVa);
    loadState(code, STATE.inDelaySlot);
    code.setLocal(this.fetchInDelay);
    loadState(code, STATE.branchTarget);
    code.setLocal(this.pendingTarget);
  }

  private emitFetch(): void {
    const { code } = this;
    // entry <- codeBank + (page number mod entries) * 8
    loadState(code, STATE.codeBank);
    code.get(this.fetchVa);
    code.const32(12 - SOFT_TLB.codeEntryShift);
    code.op(PLAIN.i32ShrU);
    code.const32((SOFT_TLB.codeEntries - 1) << SOFT_TLB.codeEntryShift);
    code.op(PLAIN.i32And);
    code.op(PLAIN.i32Add);
    code.tee(this.entry);
    code.memory(MEMORY.i32Load, SOFT_TLB.codeTag);
    code.get(this.fetchVa);
    code.const32(PAGE_MASK | 3);
    code.op(PLAIN.i32And);
    code.op(PLAIN.i32Eq);
    code.if(I32);
    code.get(this.entry);
    code.memory(MEMORY.i32Load, SOFT_TLB.codeRecords);
    code.else();
    storeState(code, STATE.pc, () => code.get(this.fetchVa));
    storeState(code, STATE.inDelaySlot, () => code.get(this.fetchInDelay));
    storeState(code, STATE.branchTarget, () => code.get(this.pendingTarget));
    if (this.isFast) {
      this.addTo(this.remaining, 1);
      storeState(code, STATE.remaining, () => this.pushBudget());
      this.storeUntilSample();
      code.const32(STEP.careful);
      code.return();
    } else {
      storeState(code, STATE.remaining, () => code.get(this.remaining));
      code.get(this.fetchVa);
      this.call("fetch");
      code.const32(1);
      code.setLocal(this.mayLeave);
    }
    code.end();
    code.tee(this.place);
    code.op(PLAIN.i32Eqz);
    // After a fault the state block says where to go on.
    code.brIf(this.reload);
    // current <- place + word in page * 8;  pcDelta <- page - place / 2
    code.get(this.place);
    code.get(this.fetchVa);
    code.const32(PAGE_SIZE - 4);
    code.op(PLAIN.i32And);
    code.const32(1);
    code.op(PLAIN.i32Shl);
    code.op(PLAIN.i32Add);
    code.setLocal(this.current);
    code.get(this.fetchVa);
    code.const32(PAGE_MASK);
    code.op(PLAIN.i32And);
    code.get(this.place);
    code.const32(1);
    code.op(PLAIN.i32ShrU);
    code.op(PLAIN.i32Sub);
    code.setLocal(this.pcDelta);
    this.addTo(this.remaining, 1);
    code.get(this.fetchInDelay);
    code.if();
    this.addFrom(this.current, -RECORD.bytes, this.branchRecord);
    code.const32(this.fetchRecord);
    code.setLocal(this.next);
    code.else();
    code.const32(0);
    code.setLocal(this.branchRecord);
    this.addFrom(this.current, RECORD.bytes, this.next);
    code.end();
  }

  /** to <- from + amount. */
  protected addFrom(from: number, amount: number, to: number): void {
    const { code } = this;
    code.get(from);
    code.const32(amount);
    code.op(PLAIN.i32Add);
    code.setLocal(to);
  }

  /** Emits what `operation` does; control ends at one of the labels. `near`: its branch stays in the page. */
  protected abstract emitOperation(operation: Operation, near: boolean): void;
}
