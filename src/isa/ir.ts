/**
 * The vocabulary in which an instruction's meaning is stated, once.
 *
 * A row of the instruction table owns a `lower` function. It receives a {@link Lowering} and records
 * statements over expressions. Nothing is executed and no code is emitted here: the interpreter generator
 * and the translator compile the recorded statements, with operands taken from a pre-decoded record or as
 * constants.
 *
 * Rules that make one recording serve every consumer:
 * - Expressions are pure. Whatever may fault or change state is a statement, and statements happen in order.
 * - An instruction that raises has changed nothing: record checks and memory accesses before register writes.
 * - Values are 32 bits wide unless the name of the operation says 64.
 */

/** Names of the fields of an instruction word that a lowering may read. See `operands.ts` for their places. */
export type GprField = "rs" | "rt" | "rd";
export type FprField = "fs" | "ft" | "fd" | "fr";
export type ImmField =
  | ("imm" | "offset" | "sa" | "index" | "code" | "sel" | "rdNumber" | "rtNumber" | "lsb" | "msb" | "op")
  | (FprField | "fcr" | "cc");

export type BinaryOp =
  | "add"
  | "sub"
  | "mul"
  | "and"
  | "or"
  | "xor"
  | "shl"
  | "shrS"
  | "shrU"
  | "rotr"
  | "eq"
  | "ne"
  | "ltS"
  | "ltU"
  | "geS"
  | "geU"
  | "gtS"
  | "leS"
  | "divS"
  | "divU"
  | "remS"
  | "remU";

export type Binary64Op = "add64" | "sub64" | "mul64" | "or64" | "shl64" | "shrU64";

/** A pure expression with a 32-bit value. Comparisons yield 0 or 1; shift counts are taken modulo 32. */
export type Expr =
  | { readonly kind: "const"; readonly value: number }
  | { readonly kind: "gpr"; readonly field: GprField }
  | { readonly kind: "field"; readonly field: ImmField }
  | { readonly kind: "hi" }
  | { readonly kind: "lo" }
  /** Word in an FPU register. */
  | { readonly kind: "fpr"; readonly field: FprField }
  | { readonly kind: "fcsr" }
  /** Virtual address of the instruction itself. */
  | { readonly kind: "pc" }
  | { readonly kind: "temp"; readonly id: number }
  | { readonly kind: "binary"; readonly op: BinaryOp; readonly left: Expr; readonly right: Expr }
  | { readonly kind: "clz"; readonly value: Expr }
  | { readonly kind: "extend8"; readonly value: Expr }
  | { readonly kind: "extend16"; readonly value: Expr }
  | { readonly kind: "select"; readonly condition: Expr; readonly then: Expr; readonly otherwise: Expr }
  /** Low or high half of a 64-bit expression. */
  | { readonly kind: "low" | "high"; readonly value: Expr64 };

/** A pure expression with a 64-bit value. */
export type Expr64 =
  | { readonly kind: "temp64"; readonly id: number }
  | { readonly kind: "signed" | "unsigned"; readonly value: Expr }
  /** HI in the upper half, LO in the lower. */
  | { readonly kind: "hilo" }
  | { readonly kind: "binary64"; readonly op: Binary64Op; readonly left: Expr64; readonly right: Expr64 };

/** Width of a memory access in bytes, or the left/right part of an unaligned word (LWL, LWR, SWL, SWR). */
export type AccessWidth = 1 | 2 | 4 | "left" | "right";

/** Operations that the machine carries out: they read or change more than registers and memory. */
export type HelperName =
  | "mfc0" // (rdNumber, sel) → value
  | "mtc0" // (rdNumber, sel, value)
  | "mfhc0" // (rdNumber, sel) → upper half
  | "mthc0" // (rdNumber, sel, upper half)
  | "rdpgpr" // (rdNumber of the source) → value
  | "wrpgpr" // (rd number, value)
  | "di" // () → old Status
  | "ei" // () → old Status
  | "tlbp"
  | "tlbr"
  | "tlbwi"
  | "tlbwr"
  | "tlbinv"
  | "tlbinvf"
  | "eret"
  | "eretnc"
  | "deret"
  | "wait"
  | "cache" // (op, address)
  | "cachee" // (op, address): the address as user mode sees it
  | "prefe" // (): checks the right to it, and nothing more
  | "synci" // (address)
  | "rdhwr" // (rdNumber) → value
  | "sdbbp" // (code)
  | "cfc1" // (number) → value
  | "ctc1" // (number, value)
  | "mfhc1" // (FPU register) → upper half
  | "mthc1" // (FPU register, upper half)
  | "ldc1" // (FPU register, address)
  | "sdc1" // (FPU register, address)
  | "ldxc1" // (FPU register, address)
  | "sdxc1" // (FPU register, address)
  | "luxc1" // (FPU register, address, of which the low bits do not count)
  | "suxc1" // (FPU register, address, of which the low bits do not count)
  | "fpuOperate" // (function, format, fs, ft, fd), as COP1 encodes function and format
  | "fpuMultiplyAdd" // (MULTIPLY_ADD, format, fr, fs, ft, fd)
  | "fpuCompare" // (condition, format, fs, ft, cc)
  | "fpuMoveIf" // (format, whether to move, fs, fd)
  | "coprocessorUnusable"; // (coprocessor) raises CpU if it is unusable, else RI if it is absent

export type Statement =
  | { readonly kind: "setGpr"; readonly field: GprField; readonly value: Expr }
  /** Writes $31, for the linking jumps that name no register. */
  | { readonly kind: "setLink"; readonly value: Expr }
  | { readonly kind: "setHi" | "setLo"; readonly value: Expr }
  | { readonly kind: "setHiLo"; readonly value: Expr64 }
  | { readonly kind: "setFpr"; readonly field: FprField; readonly value: Expr }
  /** Raises Coprocessor Unusable (1) unless Status.CU1 is set. First in all that uses the FPU. */
  | { readonly kind: "requireFpu" }
  | { readonly kind: "let"; readonly id: number; readonly value: Expr }
  | { readonly kind: "let64"; readonly id: number; readonly value: Expr64 }
  /**
   * `old` is the register's previous value, merged by "left" and "right"; `linked` marks LL. A `user` access is
   * one of EVA: it needs coprocessor 0, and goes where the same access of user mode would go.
   */
  | {
      readonly kind: "load";
      readonly id: number;
      readonly width: AccessWidth;
      readonly signed: boolean;
      readonly linked: boolean;
      readonly user: boolean;
      readonly address: Expr;
      readonly old: Expr | null;
    }
  | {
      readonly kind: "store";
      readonly width: AccessWidth;
      readonly user: boolean;
      readonly address: Expr;
      readonly value: Expr;
    }
  /** SC: stores a word if LLbit is set; `id` becomes 1 if it did and 0 if not. */
  | {
      readonly kind: "storeConditional";
      readonly id: number;
      readonly user: boolean;
      readonly address: Expr;
      readonly value: Expr;
    }
  /**
   * PC-relative branch: the target is pc + 4 + the `offset` field (in bytes). `likely` nullifies the delay
   * slot when the branch is not taken.
   */
  | { readonly kind: "branch"; readonly condition: Expr; readonly likely: boolean }
  /** Unconditional jump through a delay slot. */
  | { readonly kind: "jump"; readonly target: Expr }
  | { readonly kind: "raise"; readonly exception: ExceptionName }
  | { readonly kind: "raiseIf"; readonly condition: Expr; readonly exception: ExceptionName }
  | {
      readonly kind: "helper";
      readonly name: HelperName;
      readonly args: readonly Expr[];
      readonly id: number | null;
    };

/** Exceptions that an instruction can raise by its own meaning (memory accesses raise their own). */
export type ExceptionName = "Sys" | "Bp" | "RI" | "Ov" | "Tr";

/** Records the statements of one instruction. Methods named after statements append; the others build. */
export class Lowering {
  readonly statements: Statement[] = [];
  private temps = 0;

  const(value: number): Expr {
    return { kind: "const", value: value | 0 };
  }
  get rs(): Expr {
    return { kind: "gpr", field: "rs" };
  }
  get rt(): Expr {
    return { kind: "gpr", field: "rt" };
  }
  get rd(): Expr {
    return { kind: "gpr", field: "rd" };
  }
  get hi(): Expr {
    return { kind: "hi" };
  }
  get lo(): Expr {
    return { kind: "lo" };
  }
  get pc(): Expr {
    return { kind: "pc" };
  }
  fpr(field: FprField): Expr {
    return { kind: "fpr", field };
  }
  get fcsr(): Expr {
    return { kind: "fcsr" };
  }
  field(field: ImmField): Expr {
    return { kind: "field", field };
  }
  binary(op: BinaryOp, left: Expr, right: Expr): Expr {
    return { kind: "binary", op, left, right };
  }
  add(left: Expr, right: Expr): Expr {
    return this.binary("add", left, right);
  }
  sub(left: Expr, right: Expr): Expr {
    return this.binary("sub", left, right);
  }
  and(left: Expr, right: Expr): Expr {
    return this.binary("and", left, right);
  }
  or(left: Expr, right: Expr): Expr {
    return this.binary("or", left, right);
  }
  xor(left: Expr, right: Expr): Expr {
    return this.binary("xor", left, right);
  }
  not(value: Expr): Expr {
    return this.xor(value, this.const(-1));
  }
  clz(value: Expr): Expr {
    return { kind: "clz", value };
  }
  extend8(value: Expr): Expr {
    return { kind: "extend8", value };
  }
  extend16(value: Expr): Expr {
    return { kind: "extend16", value };
  }
  select(condition: Expr, then: Expr, otherwise: Expr): Expr {
    return { kind: "select", condition, then, otherwise };
  }
  signed64(value: Expr): Expr64 {
    return { kind: "signed", value };
  }
  unsigned64(value: Expr): Expr64 {
    return { kind: "unsigned", value };
  }
  get hilo(): Expr64 {
    return { kind: "hilo" };
  }
  binary64(op: Binary64Op, left: Expr64, right: Expr64): Expr64 {
    return { kind: "binary64", op, left, right };
  }
  low(value: Expr64): Expr {
    return { kind: "low", value };
  }
  high(value: Expr64): Expr {
    return { kind: "high", value };
  }

  setGpr(field: GprField, value: Expr): void {
    this.statements.push({ kind: "setGpr", field, value });
  }
  setLink(value: Expr): void {
    this.statements.push({ kind: "setLink", value });
  }
  setHi(value: Expr): void {
    this.statements.push({ kind: "setHi", value });
  }
  setLo(value: Expr): void {
    this.statements.push({ kind: "setLo", value });
  }
  setHiLo(value: Expr64): void {
    this.statements.push({ kind: "setHiLo", value });
  }
  setFpr(field: FprField, value: Expr): void {
    this.statements.push({ kind: "setFpr", field, value });
  }
  requireFpu(): void {
    this.statements.push({ kind: "requireFpu" });
  }
  let(value: Expr): Expr {
    const id = this.temps++;
    this.statements.push({ kind: "let", id, value });
    return { kind: "temp", id };
  }
  let64(value: Expr64): Expr64 {
    const id = this.temps++;
    this.statements.push({ kind: "let64", id, value });
    return { kind: "temp64", id };
  }
  load(width: 1 | 2 | 4, signed: boolean, address: Expr, { linked = false, user = false } = {}): Expr {
    const id = this.temps++;
    this.statements.push({ kind: "load", id, width, signed, linked, user, address, old: null });
    return { kind: "temp", id };
  }
  loadPart(part: "left" | "right", address: Expr, old: Expr, { user = false } = {}): Expr {
    const id = this.temps++;
    this.statements.push({ kind: "load", id, width: part, signed: false, linked: false, user, address, old });
    return { kind: "temp", id };
  }
  store(width: AccessWidth, address: Expr, value: Expr, { user = false } = {}): void {
    this.statements.push({ kind: "store", width, user, address, value });
  }
  storeConditional(address: Expr, value: Expr, { user = false } = {}): Expr {
    const id = this.temps++;
    this.statements.push({ kind: "storeConditional", id, user, address, value });
    return { kind: "temp", id };
  }
  branch(condition: Expr, likely = false): void {
    this.statements.push({ kind: "branch", condition, likely });
  }
  jump(target: Expr): void {
    this.statements.push({ kind: "jump", target });
  }
  raise(exception: ExceptionName): void {
    this.statements.push({ kind: "raise", exception });
  }
  raiseIf(condition: Expr, exception: ExceptionName): void {
    this.statements.push({ kind: "raiseIf", condition, exception });
  }
  helper(name: HelperName, ...args: Expr[]): void {
    this.statements.push({ kind: "helper", name, args, id: null });
  }
  helperValue(name: HelperName, ...args: Expr[]): Expr {
    const id = this.temps++;
    this.statements.push({ kind: "helper", name, args, id });
    return { kind: "temp", id };
  }
}
