import { Bytes, unsignedLength } from "./bytes.ts";

/**
 * A WebAssembly function body under construction (WebAssembly core specification, section 5.4 "Instructions").
 * Methods append one instruction each; operands are pushed before, as on the stack machine.
 */

/** Result type of a block: nothing, or one 32-bit integer. */
const BLOCK_VOID = 0x40;
export const I32 = 0x7f;
export const I64 = 0x7e;
export type ValueType = typeof I32 | typeof I64;

// prettier-ignore
const OP = {
  block: 0x02, loop: 0x03, if: 0x04, else: 0x05, end: 0x0b, br: 0x0c, brIf: 0x0d, brTable: 0x0e, return: 0x0f,
  call: 0x10, callIndirect: 0x11, returnCall: 0x12, returnCallIndirect: 0x13, drop: 0x1a, select: 0x1b, localGet: 0x20, localSet: 0x21, localTee: 0x22,
  i32Const: 0x41, i64Const: 0x42,
} as const;

/** Instructions without immediates. */
// prettier-ignore
export const PLAIN = {
  unreachable: 0x00,
  i32Eqz: 0x45, i32Eq: 0x46, i32Ne: 0x47, i32LtS: 0x48, i32LtU: 0x49, i32GtS: 0x4a, i32GtU: 0x4b,
  i32LeS: 0x4c, i32LeU: 0x4d, i32GeS: 0x4e, i32GeU: 0x4f,
  i32Clz: 0x67, i32Add: 0x6a, i32Sub: 0x6b, i32Mul: 0x6c, i32DivS: 0x6d, i32DivU: 0x6e, i32RemS: 0x6f,
  i32RemU: 0x70, i32And: 0x71, i32Or: 0x72, i32Xor: 0x73, i32Shl: 0x74, i32ShrS: 0x75, i32ShrU: 0x76,
  i32Rotr: 0x78, i64Add: 0x7c, i64Sub: 0x7d, i64Mul: 0x7e, i64RemU: 0x82, i64Or: 0x84, i64Shl: 0x86, i64ShrU: 0x88,
  i32WrapI64: 0xa7, i64ExtendI32S: 0xac, i64ExtendI32U: 0xad, i32Extend8S: 0xc0, i32Extend16S: 0xc1,
} as const;

/** Loads and stores: opcode and natural alignment as a power of two. */
// prettier-ignore
export const MEMORY = {
  i32Load: [0x28, 2], i64Load: [0x29, 2], i32Load8S: [0x2c, 0], i32Load8U: [0x2d, 0], i32Load16S: [0x2e, 1],
  i32Load16U: [0x2f, 1], i32Store: [0x36, 2], i64Store: [0x37, 2], i32Store8: [0x3a, 0], i32Store16: [0x3b, 1],
} as const;

/** Depth of an enclosing block, for branches that are written before the block's place is known. */
export interface Label {
  readonly depth: number;
}

/** Whether it is likely that the condition of a branch is not 0. */
type Likely = 0 | 1;

export class Code {
  private readonly bytes = new Bytes(4096);
  /** Places in `bytes` of branches with hints, in order; and what the hints say. */
  private readonly hintedAt: number[] = [];
  private readonly hinted: Likely[] = [];
  private readonly locals: ValueType[] = [];
  private readonly parameters: number;
  private depth = 0;

  constructor(parameters: number) {
    this.parameters = parameters;
  }

  /** Declares a local variable and returns its index. */
  local(type: ValueType): number {
    this.locals.push(type);
    return this.parameters + this.locals.length - 1;
  }

  op(opcode: number): void {
    this.bytes.push(opcode);
  }
  const32(value: number): void {
    this.bytes.pushWithSigned(OP.i32Const, value);
  }
  /** A 64-bit constant that fits 32 signed bits. */
  const64(value: number): void {
    this.bytes.pushWithSigned(OP.i64Const, value);
  }
  get(local: number): void {
    this.bytes.pushWith(OP.localGet, local);
  }
  setLocal(local: number): void {
    this.bytes.pushWith(OP.localSet, local);
  }
  tee(local: number): void {
    this.bytes.pushWith(OP.localTee, local);
  }
  memory(access: readonly [number, number], offset: number): void {
    this.bytes.pushTwo(access[0], access[1]);
    this.bytes.unsigned(offset);
  }
  call(functionIndex: number): void {
    this.bytes.pushWith(OP.call, functionIndex);
  }
  /** Calls the function at the table index on the stack; `type` is an index of the module's types. */
  callIndirect(type: number): void {
    this.bytes.pushWith(OP.callIndirect, type);
    this.bytes.push(0);
  }
  /** Calls in place of the current function, whose results become those of the one called. */
  returnCall(functionIndex: number): void {
    this.bytes.pushWith(OP.returnCall, functionIndex);
  }
  /** The same through the table; see `callIndirect`. */
  returnCallIndirect(type: number): void {
    this.bytes.pushWith(OP.returnCallIndirect, type);
    this.bytes.push(0);
  }
  drop(): void {
    this.bytes.push(OP.drop);
  }
  select(): void {
    this.bytes.push(OP.select);
  }
  return(): void {
    this.bytes.push(OP.return);
  }

  block(type: number = BLOCK_VOID): Label {
    return this.open(OP.block, type);
  }
  loop(type: number = BLOCK_VOID): Label {
    return this.open(OP.loop, type);
  }
  if(type: number = BLOCK_VOID): Label {
    return this.open(OP.if, type);
  }
  /** An `if` whose condition is mostly true: a compiler gives no registers to what is needed otherwise only. */
  ifLikely(type: number = BLOCK_VOID): Label {
    this.hint(1);
    return this.open(OP.if, type);
  }
  /** An `if` whose condition is mostly false. */
  ifUnlikely(type: number = BLOCK_VOID): Label {
    this.hint(0);
    return this.open(OP.if, type);
  }
  private open(opcode: number, type: number): Label {
    this.bytes.pushTwo(opcode, type);
    return { depth: this.depth++ };
  }
  else(): void {
    this.bytes.push(OP.else);
  }
  end(): void {
    this.bytes.push(OP.end);
    this.depth--;
  }
  br(label: Label): void {
    this.bytes.pushWith(OP.br, this.depth - 1 - label.depth);
  }
  brIf(label: Label): void {
    this.bytes.pushWith(OP.brIf, this.depth - 1 - label.depth);
  }
  /** A `br_if` whose condition is mostly false. */
  brIfUnlikely(label: Label): void {
    this.hint(0);
    this.brIf(label);
  }
  /** Branches to `labels[index]`, or to `otherwise` if the index is out of range. */
  brTable(labels: readonly Label[], otherwise: Label): void {
    this.bytes.pushWith(OP.brTable, labels.length);
    for (const label of labels) this.bytes.unsigned(this.depth - 1 - label.depth);
    this.bytes.unsigned(this.depth - 1 - otherwise.depth);
  }

  private hint(likely: Likely): void {
    this.hintedAt.push(this.bytes.length);
    this.hinted.push(likely);
  }

  /** How many hints were given. */
  get hints(): number {
    return this.hinted.length;
  }

  /** Appends them as a vector (WebAssembly 3.0, appendix "Custom Sections"), with places as of what `finish` appends. */
  emitHints(out: Bytes): void {
    const before = unsignedLength(this.locals.length) + 2 * this.locals.length;
    out.unsigned(this.hinted.length);
    for (let n = 0; n < this.hinted.length; n++) {
      out.unsigned(before + this.hintedAt[n]!);
      out.pushTwo(1, this.hinted[n]!);
    }
  }

  /** Appends the body as the code section holds it: local declarations, instructions, final end. */
  finish(out: Bytes): void {
    out.unsigned(this.locals.length);
    for (let n = 0; n < this.locals.length; n++) out.pushTwo(1, this.locals[n]!);
    out.append(this.bytes);
    out.push(OP.end);
  }
}
