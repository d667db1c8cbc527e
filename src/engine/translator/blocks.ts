import type { Decoder } from "../../isa/decode.ts";
import { rowIndex } from "../../isa/instructions.ts";
import type { Statement } from "../../isa/ir.ts";
import { fieldValue } from "../../isa/operands.ts";
import { PAGE_SIZE } from "../../machine/state-layout.ts";
import { OPERATIONS, type Operation } from "../operations.ts";

/** An instruction to be translated: its place in the page, its word, and what it means. */
export interface Instruction {
  /** Byte offset in the page. */
  readonly at: number;
  readonly word: number;
  readonly operation: Operation;
}

/**
 * A straight run of instructions that is entered only at its start. `branch` is its last instruction, if that
 * is a branch or jump; then `delaySlot` is executed behind it.
 */
export interface Block {
  readonly start: number;
  /** What is executed in order, without branch and delay slot. */
  readonly body: readonly Instruction[];
  readonly branch: Instruction | null;
  readonly delaySlot: Instruction | null;
  /** Where control goes without a branch: behind the block. */
  readonly end: number;
}

/** Instructions of a block, branch and delay slot included. */
export function blockLength(block: Block): number {
  return block.body.length + (block.branch === null ? 0 : 2);
}

const isTransfer = (operation: Operation): boolean =>
  operation.row.kind === "branch" || operation.row.kind === "jump";

const LEFT_TO_INTERPRETER: ReadonlySet<Statement["kind"]> = new Set(["helper", "raise", "storeConditional"]);

/** Whether translated code can carry the instruction out: it calls nothing outside, whatever happens. */
function isTranslatable(operation: Operation): boolean {
  return !operation.statements.some(
    (s) => LEFT_TO_INTERPRETER.has(s.kind) || (s.kind === "load" && s.linked),
  );
}

/** Target of a PC-relative branch as an offset in its page, or null if it lies in another page. */
export function targetInPage(instruction: Instruction): number | null {
  const offset = instruction.operation.slots.get("offset");
  if (offset === undefined) return null;
  const target = instruction.at + 4 + fieldValue(offset.field, instruction.word);
  return target >= 0 && target < PAGE_SIZE ? target : null;
}

/**
 * Cuts the code of a page into blocks, by address. Only words that `executed` says were reached are taken: the
 * rest of a page may be data. A branch whose delay slot cannot be translated along with it is left out.
 */
export function findBlocks(
  decode: Decoder,
  wordAt: (offset: number) => number,
  executed: (offset: number) => boolean,
): ReadonlyMap<number, Block> {
  const instructions = new Map<number, Instruction>();
  for (let at = 0; at < PAGE_SIZE; at += 4) {
    if (!executed(at)) continue;
    const word = wordAt(at);
    const row = decode(word);
    if (row === null) continue;
    const operation = OPERATIONS[rowIndex(row)]!;
    if (isTranslatable(operation)) instructions.set(at, { at, word, operation });
  }
  const withSlot = (at: number): boolean => {
    const slot = instructions.get(at + 4);
    return slot !== undefined && !isTransfer(slot.operation);
  };
  const leaders = new Set<number>();
  for (const [at, instruction] of instructions) {
    if (!instructions.has(at - 4)) leaders.add(at);
    if (!isTransfer(instruction.operation)) continue;
    const target = targetInPage(instruction);
    if (target !== null) leaders.add(target);
    leaders.add(at + 8);
  }
  const blocks = new Map<number, Block>();
  for (const start of [...leaders].sort((a, b) => a - b)) {
    const body: Instruction[] = [];
    let branch: Instruction | null = null;
    let at = start;
    for (; ; at += 4) {
      const instruction = instructions.get(at);
      if (instruction === undefined || (at !== start && leaders.has(at))) break;
      if (isTransfer(instruction.operation)) {
        if (withSlot(at)) branch = instruction;
        break;
      }
      body.push(instruction);
    }
    const delaySlot = branch === null ? null : instructions.get(at + 4)!;
    const block = { start, body, branch, delaySlot, end: branch === null ? at : at + 8 };
    if (blockLength(block) > 0) blocks.set(start, block);
  }
  return blocks;
}
