import { disassemble } from "../isa/disassemble.ts";
import { encodeRow, type OperandsOf, type OperandValues } from "../isa/encode.ts";
import { rowOf, type Mnemonic } from "../isa/instructions.ts";
import { parseAsm } from "../isa/operands.ts";
import { levelIncludes, type InstructionRow, type IsaLevel } from "../isa/row.ts";
import { splitAddress } from "./address.ts";
import { EmitterBase, type Target } from "./emitters.ts";
import { BufferLimitError, DelaySlotError, IsaLevelError, LabelError, TargetRangeError } from "./errors.ts";
import { Label } from "./label.ts";
import type { ListingLine } from "./listing.ts";

/** The CPU and the place for which code is made. */
export interface AssemblerTarget {
  /** Instructions above this level are refused. */
  readonly level: IsaLevel;
  /** Virtual address of the first word; a multiple of 4. */
  readonly baseAddress: number;
  /** Room, in words (default: no limit). */
  readonly limitWords?: number;
  /** SSNOPs that clear an execution hazard before release 2, which brought EHB (default 4). */
  readonly hazardNops?: number;
}

/** An instruction whose operand waits for a label. */
interface Fixup {
  readonly index: number;
  readonly row: InstructionRow;
  readonly operands: OperandValues;
  readonly label: Label;
  /** What of the label's address goes into the word. */
  readonly part: "target" | "high" | "low";
}

interface Emitted {
  word: number;
  readonly row: InstructionRow;
  readonly comment: string;
}

const hasDelaySlot = (row: InstructionRow): boolean =>
  row.kind === "branch" || row.kind === "jump" || /^bc[12]/.test(row.mnemonic);

/**
 * A micro-assembler: makes machine code at run time from the instruction table.
 *
 * Every mnemonic of the table is a method (see `Emitters`); `emit` takes operands by name. A branch or
 * jump target is a label, bound or not, or an absolute address. All mistakes are typed errors: an operand
 * out of range (`EncodeError`), a target out of reach, an instruction that the CPU lacks, no room left.
 */
export class Assembler extends EmitterBase {
  readonly target: AssemblerTarget;
  private readonly emitted: Emitted[] = [];
  private readonly places = new Map<number, string[]>();
  private fixups: Fixup[] = [];
  private pendingComment = "";
  private labelCount = 0;

  constructor(target: AssemblerTarget) {
    super();
    this.target = { ...target, baseAddress: target.baseAddress >>> 0 };
    if (target.baseAddress % 4 !== 0) {
      throw new TargetRangeError(
        "code",
        this.target.baseAddress,
        this.target.baseAddress,
        "not a multiple of 4",
      );
    }
  }

  /** Address of the next word (unsigned). */
  get address(): number {
    return this.addressOf(this.emitted.length);
  }

  /** Number of words so far. */
  get length(): number {
    return this.emitted.length;
  }

  /** Appends an instruction with its operands by name. Branch and jump targets are labels or addresses. */
  emit<M extends Mnemonic>(mnemonic: M, operands: OperandsOf<M, Target>): void {
    this.append(rowOf(mnemonic), operands);
  }

  /** Makes a label for later. */
  label(name = `L${this.labelCount}`): Label {
    this.labelCount += 1;
    return new Label(name);
  }

  /** Fixes a label, or a new one of this name, at the next word. Throws {@link LabelError}. */
  bind(label: Label | string = this.label()): Label {
    const place = typeof label === "string" ? this.label(label) : label;
    place.bindTo(this.address);
    const names = this.places.get(this.emitted.length) ?? [];
    this.places.set(this.emitted.length, [...names, place.name]);
    const waiting = this.fixups.filter((fixup) => fixup.label === place);
    this.fixups = this.fixups.filter((fixup) => fixup.label !== place);
    for (const fixup of waiting) this.resolve(fixup);
    return place;
  }

  /** A note for the next instruction, shown in the listing. */
  comment(text: string): this {
    this.pendingComment = text;
    return this;
  }

  /** The finished code. Throws {@link LabelError} and {@link DelaySlotError} if something is open. */
  words(): Uint32Array<ArrayBuffer> {
    const open = this.fixups[0];
    if (open !== undefined) throw new LabelError(open.label.name, "used but never bound");
    const last = this.emitted.at(-1);
    if (last !== undefined && hasDelaySlot(last.row)) {
      throw new DelaySlotError(
        last.row.mnemonic,
        this.addressOf(this.emitted.length - 1),
        "has no delay slot",
      );
    }
    return Uint32Array.from(this.emitted, (entry) => entry.word);
  }

  /** The finished code for a reader. Throws like {@link words}. */
  listing(): ListingLine[] {
    const options = { cp0Names: true, level: this.target.level };
    return Array.from(this.words(), (word, index) => {
      const address = this.addressOf(index);
      const comment = this.emitted[index]?.comment ?? "";
      return {
        ...{ address, word, comment, labels: this.places.get(index) ?? [] },
        // Most code is never shown, and disassembling it takes a fifth of the time to start a guest.
        get text() {
          return disassemble(word, address, options);
        },
      };
    });
  }

  /** SLL $0, $0, 0. */
  nop(): void {
    this.sll(0, 0, 0);
  }

  /** SLL $0, $0, 3: the execution hazard barrier of release 2. */
  ehb(): void {
    this.sll(0, 0, 3);
  }

  /** SLL $0, $0, 1: a NOP that superscalar CPUs issue alone. */
  ssnop(): void {
    this.sll(0, 0, 1);
  }

  /** Clears an execution hazard: EHB, or SSNOPs on a CPU before release 2. */
  clearHazard(): void {
    if (levelIncludes(this.target.level, "mips32r2")) this.ehb();
    else for (let count = this.target.hazardNops ?? 4; count > 0; count--) this.ssnop();
  }

  /** Copies a register (OR with $0). */
  move(rd: number, rs: number): void {
    this.or(rd, rs, 0);
  }

  /** Branches always. */
  b(target: Target): void {
    this.beq(0, 0, target);
  }

  /** Branches if a register is zero. */
  beqz(rs: number, target: Target): void {
    this.beq(rs, 0, target);
  }

  /** Branches if a register is not zero. */
  bnez(rs: number, target: Target): void {
    this.bne(rs, 0, target);
  }

  /** Loads a 32-bit constant (signed or not) in one instruction where one is enough, else LUI and ORI. */
  loadConstant(rt: number, value: number): void {
    const signed = value | 0;
    if (signed >= -0x8000 && signed < 0x8000) return this.addiu(rt, 0, signed);
    if (signed >= 0 && signed <= 0xffff) return this.ori(rt, 0, signed);
    this.lui(rt, signed >>> 16);
    if ((signed & 0xffff) !== 0) this.ori(rt, rt, signed & 0xffff);
  }

  /**
   * Loads an address: LUI, then ADDIU of the signed low half, left out if that is zero. For a label, which
   * may be bound later, always both.
   */
  loadAddress(rt: number, target: Target): void {
    if (typeof target === "number") {
      const low = this.loadAddressMostly(rt, target);
      if (low !== 0) this.addiu(rt, rt, low);
      return;
    }
    this.appendPart(rowOf("lui"), { rt, uimm: 0 }, target, "high");
    this.appendPart(rowOf("addiu"), { rt, rs: rt, imm: 0 }, target, "low");
  }

  /**
   * Loads the upper part of an address with LUI, and returns the signed low half that the next load, store
   * or ADDIU through the register must carry as its displacement.
   */
  loadAddressMostly(rt: number, address: number): number {
    const { high, low } = splitAddress(address);
    this.lui(rt, high);
    return low;
  }

  /** Appends a row with operands in the order of assembly: what the methods named after mnemonics do. */
  override appendOrdered(row: InstructionRow, values: readonly (Target | undefined)[]): void {
    const names = parseAsm(row.asm).filter((operand) => operand.name !== "zero");
    this.append(row, Object.fromEntries(names.map((operand, index) => [operand.name, values[index]])));
  }

  private addressOf(index: number): number {
    return (this.target.baseAddress + index * 4) >>> 0;
  }

  private append(row: InstructionRow, operands: Readonly<Record<string, Target | undefined>>): void {
    const name = "offset" in operands ? "offset" : "index" in operands ? "index" : null;
    const target = name === null ? undefined : operands[name];
    if (name === null || target === undefined) {
      this.push(row, encodeRow(row, operands));
      return;
    }
    const others = { ...operands, [name]: 0 } as OperandValues;
    if (typeof target !== "number") return this.appendPart(row, others, target, "target");
    this.push(row, this.encodeTarget(row, others, this.address, target >>> 0));
  }

  /** Appends an instruction that depends on a label: finished now if the label is bound, else when it is. */
  private appendPart(row: InstructionRow, operands: OperandValues, label: Label, part: Fixup["part"]): void {
    const fixup: Fixup = { index: this.emitted.length, row, operands, label, part };
    this.push(row, encodeRow(row, operands));
    if (label.address === null) this.fixups.push(fixup);
    else this.resolve(fixup);
  }

  private push(row: InstructionRow, word: number): void {
    const { level, limitWords } = this.target;
    if (!levelIncludes(level, row.level)) throw new IsaLevelError(row.mnemonic, row.level, level);
    if (limitWords !== undefined && this.emitted.length >= limitWords) throw new BufferLimitError(limitWords);
    const previous = this.emitted.at(-1);
    if (previous !== undefined && hasDelaySlot(previous.row) && hasDelaySlot(row)) {
      throw new DelaySlotError(
        row.mnemonic,
        this.address,
        `is in the delay slot of ${previous.row.mnemonic}`,
      );
    }
    this.emitted.push({ word, row, comment: this.pendingComment });
    this.pendingComment = "";
  }

  private resolve({ index, row, operands, label, part }: Fixup): void {
    const entry = this.emitted[index];
    const target = label.address;
    if (entry === undefined || target === null) throw new LabelError(label.name, "used but never bound");
    const { high, low } = splitAddress(target);
    if (part === "target") entry.word = this.encodeTarget(row, operands, this.addressOf(index), target);
    else entry.word = encodeRow(row, { ...operands, ...(part === "high" ? { uimm: high } : { imm: low }) });
  }

  /** Encodes a branch or jump at `address` to `target`. Throws {@link TargetRangeError}. */
  private encodeTarget(
    row: InstructionRow,
    operands: OperandValues,
    address: number,
    target: number,
  ): number {
    const refuse = (reason: string) => new TargetRangeError(row.mnemonic, address, target, reason);
    if (target % 4 !== 0) throw refuse("not a multiple of 4");
    const slot = (address + 4) >>> 0;
    if (operands.index !== undefined) {
      if (slot >>> 28 !== target >>> 28) throw refuse("in another 256 MiB region");
      return encodeRow(row, { ...operands, index: target & 0x0fff_ffff });
    }
    const offset = (target - slot) | 0;
    if (offset < -0x2_0000 || offset > 0x1_fffc)
      throw refuse(`${offset} bytes away, at most 128 KiB allowed`);
    return encodeRow(row, { ...operands, offset });
  }
}
