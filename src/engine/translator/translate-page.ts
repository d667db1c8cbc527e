import type { Expr, GprField, ImmField, Statement } from "../../isa/ir.ts";
import { fieldValue } from "../../isa/operands.ts";
import type { Endian } from "../../machine/memory.ts";
import { STATE } from "../../machine/state-layout.ts";
import { loadState, pushExpr, pushExpr64, storeState, type OperandSource } from "../compile-ir.ts";
import { MemoryAccess } from "../memory-access.ts";
import { Code, I32, I64, PLAIN, type Label } from "../wasm/code.ts";
import { i32Function, ModuleBuilder } from "../wasm/module.ts";
import { blockLength, targetInPage, type Block, type Instruction } from "./blocks.ts";

/** What translated code returns: go on at PC, or go on there with the careful interpreter. */
const TRANSLATED = { done: 0, careful: 1 } as const;

/** A translated function takes the index of its first block and the virtual address of its page. */
export const TRANSLATED_TYPE = i32Function(2, true);

/** Name under which a translated module exports its function. */
export const TRANSLATED_EXPORT = "page";

/**
 * Translates the blocks of one page to a module with one function. Blocks are numbered in order of address.
 *
 * General registers are in local variables. The function calls nothing: where something has to be called (a
 * soft TLB miss, a trap) it leaves in front of the instruction and has the careful interpreter carry it out.
 * Each block takes its instructions from the budget when it is entered, and is left to the interpreter if they
 * are more than remain; what a block does not execute is given back. So counts are exact everywhere.
 */
export function translatePage(blocks: readonly Block[], endian: Endian, memoryPages: number): Uint8Array {
  const module = new ModuleBuilder("translated");
  module.exportFunction(TRANSLATED_TYPE, new PageTranslator(blocks, endian).build(), TRANSLATED_EXPORT);
  return module.build(memoryPages);
}

const REGISTERS = 32;
const LINK = 31;

class PageTranslator {
  private readonly code = new Code(2);
  private readonly blocks: readonly Block[];
  private readonly indexOf: ReadonlyMap<number, number>;
  private readonly access: MemoryAccess;

  /** Parameters: which block to run next; virtual address of the page. */
  private readonly block = 0;
  private readonly pageVa = 1;
  private readonly gprs: number[] = Array.from({ length: REGISTERS }, () => this.code.local(I32));
  private readonly usedGprs: ReadonlySet<number>;
  private readonly writtenGprs: ReadonlySet<number>;
  private readonly remaining = this.code.local(I32);
  private readonly dataBank = this.code.local(I32);
  private readonly condition = this.code.local(I32);
  /** Where to go on: PC, and for a delay slot where control goes after it. */
  private readonly pc = this.code.local(I32);
  private readonly target = this.code.local(I32);
  private readonly inDelaySlot = this.code.local(I32);
  private readonly reason = this.code.local(I32);
  private readonly whole = this.code.local(I64);
  private readonly temps: number[] = [];
  private readonly temps64: number[] = [];

  private leave!: Label;
  private again!: Label;
  private labels: Label[] = [];
  /** Instructions of the current block that come after the current one, which is given back with them. */
  private notExecuted = 0;

  constructor(blocks: readonly Block[], endian: Endian) {
    this.blocks = blocks;
    this.indexOf = new Map(blocks.map((block, index) => [block.start, index]));
    this.access = new MemoryAccess(this.code, endian, this.dataBank);
    const used = new Set<number>();
    const written = new Set<number>();
    for (const block of blocks)
      for (const instruction of [...block.body, block.branch, block.delaySlot])
        if (instruction !== null) collectRegisters(instruction, used, written);
    written.delete(0);
    used.delete(0);
    this.usedGprs = used;
    this.writtenGprs = written;
  }

  build(): Code {
    const { code } = this;
    loadState(code, STATE.remaining);
    code.setLocal(this.remaining);
    loadState(code, STATE.dataBank);
    code.setLocal(this.dataBank);
    for (const register of this.usedGprs) {
      loadState(code, STATE.gpr + register * 4);
      code.setLocal(this.gprs[register]!);
    }
    this.leave = code.block();
    this.again = code.loop();
    this.labels = new Array<Label>(this.blocks.length);
    for (let index = this.blocks.length - 1; index >= 0; index--) this.labels[index] = code.block();
    code.get(this.block);
    code.brTable(this.labels.slice(0, -1), this.labels.at(-1)!);
    this.blocks.forEach((block, index) => {
      code.end();
      this.emitBlock(block, index);
    });
    code.end();
    code.end();
    this.emitEpilogue();
    return code;
  }

  private emitEpilogue(): void {
    const { code } = this;
    for (const register of this.writtenGprs)
      storeState(code, STATE.gpr + register * 4, () => code.get(this.gprs[register]!));
    storeState(code, STATE.remaining, () => code.get(this.remaining));
    storeState(code, STATE.pc, () => code.get(this.pc));
    storeState(code, STATE.inDelaySlot, () => code.get(this.inDelaySlot));
    storeState(code, STATE.branchTarget, () => code.get(this.target));
    code.get(this.reason);
  }

  // --- blocks ---

  private emitBlock(block: Block, index: number): void {
    const { code } = this;
    const length = blockLength(block);
    code.get(this.remaining);
    code.const32(length);
    code.op(PLAIN.i32LtS);
    code.if();
    this.emitLeaveAt(block.start, "careful");
    code.end();
    this.addToRemaining(-length);
    this.notExecuted = length;
    for (const instruction of block.body) {
      this.emitInstruction(instruction, false);
      this.notExecuted--;
    }
    if (block.branch === null) this.emitGoTo(block.end, index, true);
    else this.emitBranch(block, block.branch, block.delaySlot!, index);
  }

  private addToRemaining(amount: number): void {
    const { code } = this;
    code.get(this.remaining);
    code.const32(amount);
    code.op(PLAIN.i32Add);
    code.setLocal(this.remaining);
  }

  private pushVa(offset: number): void {
    const { code } = this;
    code.get(this.pageVa);
    if (offset === 0) return;
    code.const32(offset);
    code.op(PLAIN.i32Add);
  }

  /** Leaves with PC at `offset` of the page. */
  private emitLeaveAt(offset: number, how: keyof typeof TRANSLATED): void {
    const { code } = this;
    this.pushVa(offset);
    code.setLocal(this.pc);
    if (TRANSLATED[how] !== 0) {
      code.const32(TRANSLATED[how]);
      code.setLocal(this.reason);
    }
    code.br(this.leave);
  }

  /** Goes on at `offset` of the page, from block `from`: by falling through if it comes next. */
  private emitGoTo(offset: number, from: number, fallThrough: boolean): void {
    const { code } = this;
    const index = this.indexOf.get(offset);
    if (index === undefined) {
      // Code that was not reached when the page was translated, or that is the interpreter's.
      this.emitLeaveAt(offset, "done");
    } else if (index > from) {
      if (!fallThrough || index !== from + 1) code.br(this.labels[index]!);
    } else {
      code.const32(index);
      code.setLocal(this.block);
      code.br(this.again);
    }
  }

  // --- branches ---

  private emitBranch(block: Block, branch: Instruction, slot: Instruction, index: number): void {
    const { code } = this;
    const source = this.operands(branch);
    for (const statement of branch.operation.statements) {
      if (statement.kind === "branch") {
        pushExpr(code, source, statement.condition);
        code.setLocal(this.condition);
        this.emitConditional(block, branch, slot, index, statement.likely);
        return;
      }
      if (statement.kind === "jump") {
        pushExpr(code, source, statement.target);
        code.setLocal(this.target);
        this.notExecuted--;
        this.emitInstruction(slot, true);
        code.get(this.target);
        code.setLocal(this.pc);
        code.br(this.leave);
        return;
      }
      this.emitStatement(source, statement, branch, false);
    }
  }

  private emitConditional(
    block: Block,
    branch: Instruction,
    slot: Instruction,
    index: number,
    likely: boolean,
  ): void {
    const { code } = this;
    const taken = branch.at + 4 + fieldValue(branch.operation.slots.get("offset")!.field, branch.word);
    this.notExecuted--;
    if (likely) {
      code.get(this.condition);
      code.if();
      this.pushVa(taken);
      code.setLocal(this.target);
      this.emitInstruction(slot, true);
      this.emitTaken(branch, taken, index);
      code.end();
      // Nullified: the delay slot was not executed.
      this.addToRemaining(1);
    } else {
      this.pushVa(taken);
      this.pushVa(block.end);
      code.get(this.condition);
      code.select();
      code.setLocal(this.target);
      this.emitInstruction(slot, true);
      code.get(this.condition);
      code.if();
      this.emitTaken(branch, taken, index);
      code.end();
    }
    this.emitGoTo(block.end, index, true);
  }

  private emitTaken(branch: Instruction, taken: number, index: number): void {
    const inPage = targetInPage(branch);
    if (inPage === null) this.emitLeaveAt(taken, "done");
    else this.emitGoTo(inPage, index, false);
  }

  // --- instructions ---

  private operands(instruction: Instruction): OperandSource {
    const { code } = this;
    const { operation, word, at } = instruction;
    const value = (name: GprField | ImmField): number => fieldValue(operation.slots.get(name)!.field, word);
    return {
      gpr: (field) => {
        const register = value(field);
        if (register === 0) code.const32(0);
        else code.get(this.gprs[register]!);
      },
      field: (field) => code.const32(value(field)),
      pc: () => this.pushVa(at),
      temp: (id) => (this.temps[id] ??= code.local(I32)),
      temp64: (id) => (this.temps64[id] ??= code.local(I64)),
    };
  }

  private emitInstruction(instruction: Instruction, inDelaySlot: boolean): void {
    const source = this.operands(instruction);
    for (const statement of instruction.operation.statements)
      this.emitStatement(source, statement, instruction, inDelaySlot);
  }

  /** Leaves in front of the current instruction: nothing of it has happened. */
  private emitLeaveBefore(instruction: Instruction, inDelaySlot: boolean): void {
    const { code } = this;
    this.addToRemaining(this.notExecuted);
    if (inDelaySlot) {
      code.const32(1);
      code.setLocal(this.inDelaySlot);
    }
    this.emitLeaveAt(instruction.at, "careful");
  }

  private emitStatement(
    source: OperandSource,
    s: Statement,
    instruction: Instruction,
    inDelaySlot: boolean,
  ): void {
    const { code } = this;
    const push = (e: Expr): void => pushExpr(code, source, e);
    const miss = (): void => this.emitLeaveBefore(instruction, inDelaySlot);
    switch (s.kind) {
      case "setGpr": {
        const register = fieldValue(instruction.operation.slots.get(s.field)!.field, instruction.word);
        if (register === 0) return;
        push(s.value);
        code.setLocal(this.gprs[register]!);
        return;
      }
      case "setLink":
        push(s.value);
        code.setLocal(this.gprs[LINK]!);
        return;
      case "setHi":
        storeState(code, STATE.hi, () => push(s.value));
        return;
      case "setLo":
        storeState(code, STATE.lo, () => push(s.value));
        return;
      case "setHiLo":
        pushExpr64(code, source, s.value);
        code.setLocal(this.whole);
        storeState(code, STATE.lo, () => {
          code.get(this.whole);
          code.op(PLAIN.i32WrapI64);
        });
        storeState(code, STATE.hi, () => {
          code.get(this.whole);
          code.const64(32);
          code.op(PLAIN.i64ShrU);
          code.op(PLAIN.i32WrapI64);
        });
        return;
      case "let":
        push(s.value);
        code.setLocal(source.temp(s.id));
        return;
      case "let64":
        pushExpr64(code, source, s.value);
        code.setLocal(source.temp64(s.id));
        return;
      case "load":
        push(s.address);
        {
          const { old } = s;
          this.access.emitLoad(s, s.signed, old === null ? null : () => push(old), miss);
        }
        code.setLocal(source.temp(s.id));
        return;
      case "store":
        push(s.address);
        this.access.emitStore(s, () => push(s.value), miss);
        return;
      case "raiseIf":
        push(s.condition);
        code.if();
        miss();
        code.end();
        return;
      case "raise":
      case "helper":
      case "storeConditional":
      case "branch":
      case "jump":
        throw new Error(`${instruction.operation.row.mnemonic}: ${s.kind} in a translated block`);
      default:
        s satisfies never;
    }
  }
}

/** Adds the registers that an instruction reads or writes, and those that it writes. */
function collectRegisters({ operation, word }: Instruction, used: Set<number>, written: Set<number>): void {
  for (const slot of operation.slots.values()) {
    if (!slot.isGpr) continue;
    const register = fieldValue(slot.field, word);
    used.add(register);
    if (slot.isWritten) written.add(register);
  }
  if (operation.statements.some((s) => s.kind === "setLink")) {
    used.add(LINK);
    written.add(LINK);
  }
}
