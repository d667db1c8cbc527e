import { EXC_CODE } from "../../isa/exceptions.ts";
import type { Expr, GprField, HelperName, ImmField, Statement } from "../../isa/ir.ts";
import { fieldValue } from "../../isa/operands.ts";
import { GPR } from "../../isa/registers.ts";
import type { Endian } from "../../machine/memory.ts";
import { SOFT_TLB, STATE } from "../../machine/state-layout.ts";
import { loadState, pushExpr, pushExpr64, storeState, type OperandSource } from "../compile-ir.ts";
import { LOAD_AROUND, STORE_PART, type SlowAccess } from "../imports.ts";
import { MemoryAccess, type AccessKind, type KnownPage, type PageUse } from "../memory-access.ts";
import { I32, I64, MEMORY, PLAIN, type Code, type Label } from "../wasm/code.ts";
import { slowAccess, type CallTarget } from "./calling.ts";
import { inlineOperation, type Cp0Specs } from "./privileged.ts";
import { isUnmappedLoad } from "./operation-traits.ts";
import { pageSharesOf, type KeptPages, type PageShare } from "./page-sharing.ts";
import type { Block, Instruction } from "./region.ts";
import type { Registers } from "./registers.ts";

/** Operations that go on behind themselves, as a rule, also when they have raised an exception. */
const COMES_BACK: ReadonlySet<HelperName> = new Set<HelperName>([
  ...(["mfc0", "mtc0", "mfhc0", "mthc0", "di", "ei", "rdhwr"] as const),
  ...(["tlbp", "tlbr", "tlbwi", "tlbwr", "tlbinv", "tlbinvf", "cache", "cachee", "synci"] as const),
]);

/** What the emitter has to know of the function around it. */
export interface Surroundings {
  /** Local variable with the instructions that remain after the current block. */
  readonly remaining: number;
  /** Pushes the virtual address of a byte of the page. */
  readonly pushVa: (offset: number) => void;
  readonly cp0Specs: Cp0Specs;
  /** Memory offset of physical address 0, for code that is executed in kseg0 only; null for other code. */
  readonly unmappedRam: number | null;
  /** Where to go when everything is in the state block. */
  readonly left: () => Label;
}

/**
 * Emits instructions with constant operands.
 *
 * The instructions of a block are taken from the budget at its start, so whoever leaves in the middle gives back
 * those not executed. Slow paths that may raise or change the machine find everything in the state block. What is
 * rare is left to the careful interpreter.
 */
export class InstructionEmitter {
  /** Local variables: the current soft TLB bank, and where a jump under way leads. */
  readonly dataBank: number;
  readonly target: number;
  private readonly code: Code;
  private readonly registers: Registers;
  private readonly around: Surroundings;
  private readonly callTarget: (name: CallTarget) => number;
  private readonly access: MemoryAccess;
  private readonly value: number;
  private readonly whole: number;
  private readonly budgetChanged: number;
  private readonly temps: number[] = [];
  private readonly temps64: number[] = [];
  private readonly knownPages: KnownPage[] = [];
  private readonly keptPages: KeptPages;
  private pageShares: ReadonlyMap<Instruction, PageShare> = new Map();
  /** The instruction under way, and where its operands come from. */
  private current!: Instruction;
  private readonly source: OperandSource;
  /** Instructions of the current block from the current one on. */
  private notExecuted = 0;
  /** In a delay slot: pushes where the branch leads. */
  private slotTarget: (() => void) | null = null;
  /** The current instruction has called something that may have changed the budget. */
  private hadSlowPath = false;

  constructor(
    code: Code,
    endian: Endian,
    registers: Registers,
    target: (name: CallTarget) => number,
    keptPages: KeptPages,
    around: Surroundings,
  ) {
    this.code = code;
    this.registers = registers;
    this.around = around;
    this.callTarget = target;
    this.keptPages = keptPages;
    this.dataBank = code.local(I32);
    this.target = code.local(I32);
    this.value = code.local(I32);
    this.whole = code.local(I64);
    this.budgetChanged = code.local(I32);
    this.access = new MemoryAccess(code, endian, this.dataBank);
    this.source = this.operands();
  }

  /** Takes the block's instructions from the budget. */
  beginBlock(block: Block): void {
    this.giveBack(-block.length);
    this.notExecuted = block.length;
    this.pageShares = pageSharesOf(block, this.keptPages, this.around.unmappedRam !== null);
  }

  private knownPage(number: number): KnownPage {
    return (this.knownPages[number] ??= { tag: this.code.local(I32), addend: this.code.local(I32) });
  }

  /** How an access of the current block deals with a page that others go to as well. */
  private pageUse(instruction: Instruction, kind: "load" | "store"): PageUse | null {
    const share = this.pageShares.get(instruction);
    if (share === undefined) return null;
    const byReadTag = (kind === "load") !== share.forBoth;
    const tagAt = byReadTag ? SOFT_TLB.readTag : SOFT_TLB.writeTag;
    return { page: this.knownPage(share.page), role: share.role, tagAt };
  }

  /** On the way into the loop with head `block`: looks up the pages that it keeps. */
  beginLoop(block: Block): void {
    const { code, registers } = this;
    for (const { page, base, offset, loads, stores } of this.keptPages.get(block) ?? []) {
      registers.load(1 << base);
      registers.push(base);
      code.const32(offset);
      code.op(PLAIN.i32Add);
      this.access.emitFind(this.knownPage(page), loads, stores);
    }
  }

  /** The current instruction is done. */
  executed(): void {
    this.notExecuted--;
  }

  /** Adds to the remaining instructions. */
  giveBack(count: number): void {
    if (count === 0) return;
    const { code, around } = this;
    code.get(around.remaining);
    code.const32(count);
    code.op(PLAIN.i32Add);
    code.setLocal(around.remaining);
  }

  /**
   * Emits a whole instruction; in a delay slot `slotTarget` pushes where the branch leads, for ways out: the way on
   * does not need it.
   */
  emit(instruction: Instruction, slotTarget: (() => void) | null): void {
    this.slotTarget = slotTarget;
    this.current = instruction;
    this.registers.load(instruction.reads);
    const { statements } = instruction.operation;
    for (let n = 0; n < statements.length; n++) this.emitStatement(statements[n]!, instruction);
    if (this.hadSlowPath) this.emitLeaveIfBudgetChanged(instruction.at);
    this.slotTarget = null;
    this.executed();
  }

  /** Emits the statements of `instruction` in front of the first for which `isLast` holds, and returns that. */
  emitUpTo(instruction: Instruction, isLast: (s: Statement) => boolean): Statement {
    this.current = instruction;
    for (const statement of instruction.operation.statements) {
      if (isLast(statement)) return statement;
      this.emitStatement(statement, instruction);
    }
    throw new Error(`${instruction.operation.row.mnemonic} does not end its block`);
  }

  /** Pushes what `e` is to `instruction`, be it the one under way or not. */
  pushFor(instruction: Instruction, e: Expr): void {
    const { current } = this;
    this.current = instruction;
    this.push(e);
    this.current = current;
  }

  private push(e: Expr): void {
    pushExpr(this.code, this.source, e);
  }

  /** The value of a field of the instruction under way. */
  private operand(name: GprField | ImmField): number {
    const { traits, word } = this.current;
    return fieldValue(traits.fields[name]!, word);
  }

  private operands(): OperandSource {
    const { code, registers } = this;
    return {
      gpr: (field) => registers.push(this.operand(field)),
      fpr: (field) => loadState(code, STATE.fpr + this.operand(field) * 4),
      field: (field) => code.const32(this.operand(field)),
      pc: () => this.around.pushVa(this.current.at),
      hi: () => registers.pushHi(),
      lo: () => registers.pushLo(),
      temp: (id) => (this.temps[id] ??= code.local(I32)),
      temp64: (id) => (this.temps64[id] ??= code.local(I64)),
    };
  }

  // --- leaving ---

  /** Pushes what says that the function leaves for the careful interpreter, `notExecuted` instructions early. */
  pushLeaving(notExecuted: number): void {
    const { code, around } = this;
    code.get(around.remaining);
    if (notExecuted !== 0) {
      code.const32(notExecuted);
      code.op(PLAIN.i32Add);
    }
    code.const32(-1);
    code.op(PLAIN.i32Xor);
  }

  /** Leaves in front of the current instruction: nothing of it has happened. */
  private emitLeaveBefore(at: number): void {
    const { code } = this;
    this.registers.spill(-1);
    this.storeSlot();
    this.around.pushVa(at);
    this.pushLeaving(this.notExecuted);
    code.return();
  }

  private storeSlot(): void {
    const { slotTarget, code } = this;
    if (slotTarget === null) return;
    storeState(code, STATE.inDelaySlot, () => code.const32(1));
    storeState(code, STATE.branchTarget, slotTarget);
  }

  /** Pushes the budget as it is when the current instruction counts as executed. */
  private pushBudget(): void {
    const { code, around } = this;
    code.get(around.remaining);
    code.const32(this.notExecuted - 1);
    code.op(PLAIN.i32Add);
  }

  /** Puts everything into the state block for code outside that looks at it. */
  private spillState(at: number): void {
    this.registers.spill(-1);
    storeState(this.code, STATE.pc, () => this.around.pushVa(at));
    storeState(this.code, STATE.remaining, () => this.pushBudget());
    this.storeSlot();
  }

  /** Leaves with everything in the state block. */
  private emitReturnState(): void {
    this.code.br(this.around.left());
  }

  // --- statements ---

  private emitStatement(s: Statement, instruction: Instruction): void {
    const { code, registers, source } = this;
    switch (s.kind) {
      case "setGpr":
        return this.emitSetGpr(this.operand(s.field), s.value);
      case "setFpr":
        return this.emitSetFpr(this.operand(s.field), s.value);
      case "requireFpu":
        return this.emitRequireFpu(instruction.at);
      case "setLink":
        return this.emitSetGpr(GPR.ra, s.value);
      case "setHi":
        this.push(s.value);
        return registers.takeHi();
      case "setLo":
        this.push(s.value);
        return registers.takeLo();
      case "setHiLo":
        pushExpr64(code, source, s.value);
        code.setLocal(this.whole);
        code.get(this.whole);
        code.op(PLAIN.i32WrapI64);
        registers.takeLo();
        code.get(this.whole);
        code.const64(32);
        code.op(PLAIN.i64ShrU);
        code.op(PLAIN.i32WrapI64);
        return registers.takeHi();
      case "let":
        this.push(s.value);
        code.setLocal(source.temp(s.id));
        return;
      case "let64":
        pushExpr64(code, source, s.value);
        code.setLocal(source.temp64(s.id));
        return;
      case "load":
        this.emitLoad(s, instruction);
        return code.setLocal(source.temp(s.id));
      case "store":
        return this.emitStore(s, instruction);
      case "storeConditional":
        return this.emitStoreConditional(s, instruction.at);
      case "raise":
        return this.emitRaise(EXC_CODE[s.exception], instruction.at);
      case "raiseIf":
        this.push(s.condition);
        code.ifUnlikely();
        this.emitRaise(EXC_CODE[s.exception], instruction.at);
        code.end();
        return;
      case "helper":
        return this.emitHelper(s, instruction);
      case "branch":
      case "jump":
        throw new Error(`${instruction.operation.row.mnemonic} inside a block`);
      default:
        s satisfies never;
    }
  }

  private emitSetGpr(register: number, value: Expr): void {
    if (register === 0) return;
    this.push(value);
    this.registers.take(register);
  }

  private emitSetFpr(register: number, value: Expr): void {
    storeState(this.code, STATE.fpr + register * 4, () => this.push(value));
  }

  /** Raises Coprocessor Unusable (1) unless the FPU may be used. */
  private emitRequireFpu(at: number): void {
    const { code } = this;
    loadState(code, STATE.fpuUsable);
    code.op(PLAIN.i32Eqz);
    code.ifUnlikely();
    this.spillState(at);
    code.const32(1);
    code.call(this.callTarget("coprocessorUnusable"));
    code.drop();
    this.emitReturnState();
    code.end();
  }

  private emitRaise(code: number, at: number): void {
    this.emitCallRaise(code, at);
    this.emitReturnState();
  }

  private emitCallRaise(code: number, at: number): void {
    this.spillState(at);
    this.code.const32(code);
    this.code.call(this.callTarget("raise"));
    this.code.drop();
  }

  private emitHelper(s: Statement & { kind: "helper" }, instruction: Instruction): void {
    const { code, source } = this;
    const { at, traits } = instruction;
    const field = (name: ImmField): number => (traits.fields[name] === undefined ? 0 : this.operand(name));
    const index = field("rdNumber") * 8 + field("sel");
    const value = (): void => this.push(s.args.at(-1)!);
    const { cp0Specs, unmappedRam } = this.around;
    const inline = inlineOperation(code, cp0Specs, s.name, index, value, unmappedRam !== null);
    if (inline === null) {
      this.callHelper(s, instruction);
      return;
    }
    const emit = (): void => {
      inline.emit();
      if (s.id !== null) code.setLocal(source.temp(s.id));
    };
    if (inline.condition === null) return emit();
    inline.condition();
    code.if();
    emit();
    if (!inline.elseRaises) {
      code.const32(0);
      code.setLocal(this.budgetChanged);
    }
    code.else();
    if (inline.elseRaises) {
      this.emitCallRaise(EXC_CODE.CpU, at);
      this.emitComeBack(s, instruction);
    } else this.callHelper(s, instruction);
    code.end();
  }

  /** Calls a privileged operation. It says whether the state block tells where to go on. */
  private callHelper(s: Statement & { kind: "helper" }, instruction: Instruction): void {
    const { code, source } = this;
    this.spillState(instruction.at);
    for (const arg of s.args) this.push(arg);
    code.call(this.callTarget(s.name));
    code.if();
    this.emitComeBack(s, instruction);
    if (s.id !== null) {
      code.else();
      loadState(code, STATE.mmioData);
      code.setLocal(source.temp(s.id));
    }
    code.end();
    this.emitAfterSlowPath();
  }

  /**
   * Goes on behind the current instruction if that is where the state block leads, or what handles the exception that
   * it has raised; leaves otherwise. Whoever has emulated it may have changed registers.
   */
  private emitComeBack(s: Statement & { kind: "helper" }, { at, operation }: Instruction): void {
    const { code, source } = this;
    if (!COMES_BACK.has(s.name) || this.slotTarget !== null) {
      this.emitReturnState();
      return;
    }
    this.around.pushVa(at + 4);
    code.get(this.dataBank);
    code.call(this.callTarget("comeBack"));
    code.op(PLAIN.i32Eqz);
    code.brIf(this.around.left());
    loadState(code, STATE.remaining);
    this.pushBudget();
    code.op(PLAIN.i32Ne);
    code.brIf(this.around.left());
    this.registers.reload();
    if (s.id === null) return;
    const result = operation.statements.find(({ kind }) => kind === "setGpr") as Statement & {
      kind: "setGpr";
    };
    loadState(code, STATE.gpr + 4 * this.operand(result.field));
    code.setLocal(source.temp(s.id));
  }

  /** The instruction goes on after a slow path, which may have changed the budget. */
  private emitAfterSlowPath(): void {
    const { code } = this;
    this.leaveSlot();
    loadState(code, STATE.remaining);
    this.pushBudget();
    code.op(PLAIN.i32Ne);
    code.setLocal(this.budgetChanged);
    this.hadSlowPath = true;
  }

  /** Leaves behind the current instruction if its slow path changed the budget. */
  private emitLeaveIfBudgetChanged(at: number): void {
    const { code } = this;
    this.hadSlowPath = false;
    code.get(this.budgetChanged);
    code.ifUnlikely();
    this.emitLeaveBehind(at);
    code.end();
  }

  /**
   * Leaves behind the current instruction, with the budget that the state block says. Callers must leave as well:
   * their code may be what has changed.
   */
  private emitLeaveBehind(at: number): void {
    const { code, slotTarget } = this;
    this.registers.spill(-1);
    storeState(code, STATE.pc, () => {
      if (slotTarget === null) this.around.pushVa(at + 4);
      else slotTarget();
    });
    this.leaveSlot();
    this.emitReturnState();
  }

  private leaveSlot(): void {
    const { code } = this;
    if (this.slotTarget !== null) storeState(code, STATE.inDelaySlot, () => code.const32(0));
  }

  private emitLoadLinked(at: number): void {
    const { code } = this;
    code.call(this.callTarget("linkToRam"));
    this.emitLeaveIfZero(at);
    code.get(this.value);
    code.memory(MEMORY.i32Load, 0);
  }

  /** value <- what is on the stack; leaves in front of the instruction if that is 0. */
  private emitLeaveIfZero(at: number): void {
    const { code } = this;
    code.tee(this.value);
    code.op(PLAIN.i32Eqz);
    code.ifUnlikely();
    this.emitLeaveBefore(at);
    code.end();
  }

  private emitStoreConditional(s: Statement & { kind: "storeConditional" }, at: number): void {
    const { code } = this;
    const result = this.source.temp(s.id);
    this.push(s.address);
    if (s.user) {
      this.emitDropAndLeave(at);
      code.setLocal(result);
      return;
    }
    this.push(s.value);
    code.call(this.callTarget("storeToRam"));
    code.tee(this.value);
    code.const32(0);
    code.op(PLAIN.i32LtS);
    code.if();
    this.emitLeaveBefore(at);
    code.end();
    code.get(this.value);
    code.setLocal(result);
  }

  /** For what is left to the interpreter: pops the address, leaves, and stands for the value. */
  private emitDropAndLeave(at: number): void {
    this.code.drop();
    this.emitLeaveBefore(at);
  }

  // --- memory ---

  /** Pushes what is loaded. */
  private emitLoad(s: Statement & { kind: "load" }, instruction: Instruction): void {
    const { access } = this;
    const { at } = instruction;
    const { old } = s;
    this.push(s.address);
    if (s.linked && s.user) return this.emitDropAndLeave(at);
    if (s.linked) return this.emitLoadLinked(at);
    const pushOld = old === null ? null : (): void => this.push(old);
    const miss = (): void => this.emitLoadMiss(s, at);
    const { unmappedRam } = this.around;
    if (unmappedRam !== null && isUnmappedLoad(s))
      access.emitLoadUnmapped(s.width, s.signed, unmappedRam, () =>
        access.emitLoad(s, s.signed, pushOld, miss),
      );
    else access.emitLoad(s, s.signed, pushOld, miss, this.pageUse(instruction, s.kind));
  }

  private emitStore(s: Statement & { kind: "store" }, instruction: Instruction): void {
    this.push(s.address);
    this.access.emitStore(
      s,
      () => this.push(s.value),
      () => this.emitStoreMiss(s, instruction.at),
      this.pageUse(instruction, s.kind),
    );
  }

  /** On a soft TLB miss: makes the access by the slow path, which pushes the place of a datum loaded, or leaves. */
  private emitMiss(name: SlowAccess, size: number, value: () => void, at: number): void {
    const { code, access } = this;
    this.registers.spill(-1);
    this.storeSlot();
    code.get(access.va);
    code.const32(slowAccess(size, this.notExecuted - 1));
    value();
    this.around.pushVa(at);
    code.get(this.around.remaining);
    code.call(this.callTarget(name));
    code.tee(this.value);
    code.op(PLAIN.i32Eqz);
    code.brIfUnlikely(this.around.left());
    this.leaveSlot();
  }

  private emitLoadMiss({ width, user }: AccessKind, at: number): void {
    const size = width === "left" || width === "right" ? LOAD_AROUND : width;
    this.emitMiss(user ? "loadUser" : "load", size, () => this.code.const32(0), at);
    this.code.get(this.value);
  }

  private emitStoreMiss({ width, user }: AccessKind, at: number): void {
    const size = width === "left" || width === "right" ? STORE_PART[width] : width;
    this.emitMiss(user ? "storeUser" : "store", size, () => this.code.get(this.access.value), at);
  }
}
