import type { IsaLevel } from "../isa/row.ts";

/** An instruction that the target CPU does not have. */
export class IsaLevelError extends Error {
  override readonly name = "IsaLevelError";
  readonly mnemonic: string;
  /** Level at which the instruction appeared. */
  readonly needs: IsaLevel;
  /** Level of the target. */
  readonly has: IsaLevel;
  constructor(mnemonic: string, needs: IsaLevel, has: IsaLevel) {
    super(`${mnemonic} needs ${needs}, the target is ${has}`);
    this.mnemonic = mnemonic;
    this.needs = needs;
    this.has = has;
  }
}

/** The code does not fit the words that it was given. */
export class BufferLimitError extends Error {
  override readonly name = "BufferLimitError";
  readonly limitWords: number;
  constructor(limitWords: number) {
    super(`the code is longer than ${limitWords} words`);
    this.limitWords = limitWords;
  }
}

/** A branch or jump whose target it cannot reach. */
export class TargetRangeError extends Error {
  override readonly name = "TargetRangeError";
  readonly mnemonic: string;
  /** Address of the instruction. */
  readonly address: number;
  readonly target: number;
  constructor(mnemonic: string, address: number, target: number, reason: string) {
    super(`${mnemonic} at 0x${address.toString(16)} cannot reach 0x${target.toString(16)}: ${reason}`);
    this.mnemonic = mnemonic;
    this.address = address;
    this.target = target;
  }
}

/** A label that is used and never bound, bound twice, or bound by another assembler. */
export class LabelError extends Error {
  override readonly name = "LabelError";
  readonly label: string;
  constructor(label: string, reason: string) {
    super(`label ${label}: ${reason}`);
    this.label = label;
  }
}

/** A branch or jump in the delay slot of another, which is unpredictable, or a delay slot left out. */
export class DelaySlotError extends Error {
  override readonly name = "DelaySlotError";
  readonly mnemonic: string;
  readonly address: number;
  constructor(mnemonic: string, address: number, reason: string) {
    super(`${mnemonic} at 0x${address.toString(16)} ${reason}`);
    this.mnemonic = mnemonic;
    this.address = address;
  }
}
