import { EXC_CODE } from "../isa/exceptions.ts";
import type { Expr, GprField, ImmField, Statement } from "../isa/ir.ts";
import { RECORD, STATE } from "../machine/state-layout.ts";
import { loadState, pushExpr, pushExpr64, storeState, type OperandSource } from "./compile-ir.ts";
import { InterpreterFrame } from "./interpreter-frame.ts";
import { LOAD_AROUND, STORE_PART } from "./imports.ts";
import type { AccessKind } from "./memory-access.ts";
import type { Operation } from "./operations.ts";
import { I32, I64, MEMORY, PLAIN } from "./wasm/code.ts";

/** One variant of the interpreter: the frame, and what each operation does in it. */
export class Interpreter extends InterpreterFrame {
  protected override emitOperation(operation: Operation, near: boolean): void {
    const source = this.operands(operation);
    let ended = false;
    let checked = !operation.isTransfer;
    for (const statement of operation.statements) {
      if (!checked && statement.kind !== "requireFpu") {
        this.emitBranchInDelaySlot();
        checked = true;
      }
      ended = this.emitStatement(operation, source, statement, near);
      if (ended) break;
    }
    if (!ended) this.emitAdvance();
  }

  /** A branch in a delay slot is unpredictable in release 2; like QEMU (and release 6) it is made reserved. */
  private emitBranchInDelaySlot(): void {
    const { code } = this;
    this.pushInDelaySlot();
    code.if();
    code.const32(EXC_CODE.RI);
    code.setLocal(this.exception);
    code.br(this.raise);
    code.end();
  }

  private operands(operation: Operation): OperandSource {
    const { code } = this;
    const slotOf = (name: GprField | ImmField) => {
      const slot = operation.slots.get(name);
      if (slot === undefined) throw new Error(`${operation.row.mnemonic}: no slot for ${name}`);
      return slot;
    };
    return {
      gpr: (field) => {
        code.get(this.current);
        code.memory(MEMORY.i32Load8U, slotOf(field).at);
        code.memory(MEMORY.i32Load, STATE.gpr);
      },
      fpr: (field) => {
        this.pushFprOffset(slotOf(field).at);
        code.memory(MEMORY.i32Load, STATE.fpr);
      },
      field: (field) => {
        const slot = slotOf(field);
        code.get(this.current);
        code.memory(slot.isWide ? MEMORY.i32Load : MEMORY.i32Load8U, slot.at);
      },
      pc: () => this.pushPcOf(this.current),
      hi: () => loadState(code, STATE.hi),
      lo: () => loadState(code, STATE.lo),
      temp: (id) => (this.temps[id] ??= code.local(I32)),
      temp64: (id) => (this.temps64[id] ??= code.local(I64)),
    };
  }

  /** Pushes the byte offset, among FPU registers, of the one whose number lies at `lane` of the record. */
  private pushFprOffset(lane: number): void {
    const { code } = this;
    code.get(this.current);
    code.memory(MEMORY.i32Load8U, lane);
    code.const32(2);
    code.op(PLAIN.i32Shl);
  }

  /** Raises Coprocessor Unusable (1) unless the FPU may be used. */
  private emitRequireFpu(): void {
    const { code } = this;
    loadState(code, STATE.fpuUsable);
    code.op(PLAIN.i32Eqz);
    if (this.isFast) {
      code.brIf(this.change);
      return;
    }
    code.if();
    this.spill();
    code.const32(1);
    this.call("coprocessorUnusable");
    code.drop();
    code.br(this.reload);
    code.end();
  }

  /** Emits one statement; true if it ends the operation. */
  private emitStatement(operation: Operation, source: OperandSource, s: Statement, near: boolean): boolean {
    const { code } = this;
    const push = (e: Expr): void => pushExpr(code, source, e);
    switch (s.kind) {
      case "setGpr": {
        const slot = operation.slots.get(s.field)!;
        code.get(this.current);
        code.memory(MEMORY.i32Load8U, slot.at);
        push(s.value);
        code.memory(MEMORY.i32Store, STATE.gpr);
        return false;
      }
      case "setFpr":
        this.pushFprOffset(operation.slots.get(s.field)!.at);
        push(s.value);
        code.memory(MEMORY.i32Store, STATE.fpr);
        return false;
      case "requireFpu":
        this.emitRequireFpu();
        return false;
      case "setLink":
        storeState(code, STATE.gpr + 31 * 4, () => push(s.value));
        return false;
      case "setHi":
        storeState(code, STATE.hi, () => push(s.value));
        return false;
      case "setLo":
        storeState(code, STATE.lo, () => push(s.value));
        return false;
      case "setHiLo": {
        const { whole } = this;
        pushExpr64(code, source, s.value);
        code.setLocal(whole);
        storeState(code, STATE.lo, () => {
          code.get(whole);
          code.op(PLAIN.i32WrapI64);
        });
        storeState(code, STATE.hi, () => {
          code.get(whole);
          code.const64(32);
          code.op(PLAIN.i64ShrU);
          code.op(PLAIN.i32WrapI64);
        });
        return false;
      }
      case "let":
        push(s.value);
        code.setLocal(source.temp(s.id));
        return false;
      case "let64":
        pushExpr64(code, source, s.value);
        code.setLocal(source.temp64(s.id));
        return false;
      case "load":
        if (s.linked && this.isFast) {
          code.br(this.change);
          return true;
        }
        push(s.address);
        if (s.linked) this.emitLoadLinked(s.user);
        else {
          const old = s.old;
          const miss = (): void => this.emitLoadMiss(s);
          this.access.emitLoad(s, s.signed, old === null ? null : () => push(old), miss);
        }
        code.setLocal(source.temp(s.id));
        return false;
      case "store":
        push(s.address);
        this.access.emitStore(
          s,
          () => push(s.value),
          () => this.emitStoreMiss(s),
        );
        return false;
      case "storeConditional":
        if (this.isFast) {
          code.br(this.change);
          return true;
        }
        this.spill();
        push(s.address);
        push(s.value);
        this.pushZeroInsteadOfSink(operation, "rt");
        this.call(s.user ? "storeConditionalUser" : "storeConditional");
        code.tee(this.value);
        code.op(PLAIN.i32Eqz);
        code.brIf(this.reload);
        this.reloadRemaining();
        this.addFrom(this.value, -1, source.temp(s.id));
        return false;
      case "branch":
        this.emitBranch(source, s.condition, s.likely, near);
        return true;
      case "jump":
        push(s.target);
        code.setLocal(this.pendingTarget);
        code.const32(this.fetchRecord);
        code.setLocal(this.next);
        this.emitDelaySlot();
        return true;
      case "raise":
        code.const32(EXC_CODE[s.exception]);
        code.setLocal(this.exception);
        code.br(this.raise);
        return true;
      case "raiseIf":
        code.const32(EXC_CODE[s.exception]);
        code.setLocal(this.exception);
        push(s.condition);
        code.brIf(this.raise);
        return false;
      case "helper":
        if (this.isFast) {
          code.br(this.change);
          return true;
        }
        this.spill();
        for (const arg of s.args) push(arg);
        this.call(s.name);
        code.brIf(this.reload);
        this.reloadRemaining();
        if (s.id !== null) {
          loadState(code, STATE.mmioData);
          code.setLocal(source.temp(s.id));
        }
        return false;
      default:
        return s satisfies never;
    }
  }

  /**
   * Replaces the value on the stack by 0 if it was read from register `field` and that is $zero: a register that
   * is also written is the sink then, which holds anything. What other instructions read there is never seen.
   */
  private pushZeroInsteadOfSink(operation: Operation, field: GprField): void {
    const { code } = this;
    code.const32(0);
    code.get(this.current);
    code.memory(MEMORY.i32Load8U, operation.slots.get(field)!.at);
    code.const32(STATE.sink - STATE.gpr);
    code.op(PLAIN.i32Ne);
    code.select();
  }

  private emitBranch(source: OperandSource, condition: Expr, likely: boolean, near: boolean): void {
    const { code } = this;
    pushExpr(code, source, condition);
    code.if();
    code.get(this.current);
    code.memory(MEMORY.i32Load, RECORD.c);
    if (near) {
      code.get(this.current);
      code.op(PLAIN.i32Add);
      code.setLocal(this.next);
    } else {
      this.pushPcOf(this.current);
      code.op(PLAIN.i32Add);
      code.setLocal(this.pendingTarget);
      code.const32(this.fetchRecord);
      code.setLocal(this.next);
    }
    this.emitDelaySlot();
    code.end();
    // Not taken: a likely branch nullifies its delay slot.
    if (likely) this.addTo(this.next, RECORD.bytes);
    else this.copy(this.current, this.branchRecord);
    this.emitAdvance();
  }

  /** Goes on to the next record. */
  private emitAdvance(): void {
    this.copy(this.next, this.current);
    this.addFrom(this.current, RECORD.bytes, this.next);
    this.code.br(this.dispatch);
  }

  /** Executes the delay slot of the taken branch `current`; `next` is already the target. */
  private emitDelaySlot(): void {
    this.copy(this.current, this.branchRecord);
    this.addTo(this.current, RECORD.bytes);
    this.code.br(this.dispatch);
  }

  // --- memory ---

  /** What happens on a soft TLB miss of a load: pushes the datum's place, or leaves. */
  private emitLoadMiss({ width, user }: AccessKind): void {
    const { code } = this;
    if (this.isFast) {
      code.br(this.change);
      return;
    }
    this.spill();
    code.get(this.access.va);
    code.const32(width === "left" || width === "right" ? LOAD_AROUND : width);
    this.call(user ? "loadUser" : "load");
    code.tee(this.place);
    code.op(PLAIN.i32Eqz);
    code.brIf(this.reload);
    this.reloadRemaining();
    code.get(this.place);
  }

  private emitStoreMiss({ width, user }: AccessKind): void {
    const { code } = this;
    if (this.isFast) {
      code.br(this.change);
      return;
    }
    this.spill();
    code.get(this.access.va);
    code.const32(width === "left" || width === "right" ? STORE_PART[width] : width);
    code.get(this.access.value);
    this.call(user ? "storeUser" : "store");
    code.op(PLAIN.i32Eqz);
    code.brIf(this.reload);
    this.reloadRemaining();
  }

  /** LL of the address on the stack; pushes the word. */
  private emitLoadLinked(user: boolean): void {
    const { code } = this;
    code.setLocal(this.value);
    this.spill();
    code.get(this.value);
    this.call(user ? "loadLinkedUser" : "loadLinked");
    code.tee(this.place);
    code.op(PLAIN.i32Eqz);
    code.brIf(this.reload);
    this.reloadRemaining();
    code.get(this.place);
    code.memory(MEMORY.i32Load, 0);
  }
}
