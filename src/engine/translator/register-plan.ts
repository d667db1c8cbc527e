import type { FlowNode, Loop } from "./flow.ts";
import { blockUse, widestUse } from "./region.ts";

const ALL = -1;

/**
 * What local variables hold at the start of a block, as bits (see `RegisterUse`). `valid` ones have the
 * register's value; `dirty` ones, all of them valid, have a newer one than memory.
 */
export interface RegisterState {
  readonly valid: number;
  readonly dirty: number;
}

/** Which registers are where. Outside of tight loops every write goes to memory at once. */
export interface RegisterPlan {
  /** At the start of a block. */
  readonly at: (node: FlowNode) => RegisterState;
  /** Registers that need not be in memory on the way from one block to another. */
  readonly staysDirty: (from: FlowNode, to: FlowNode) => number;
  /** Registers that are loaded on the way into a loop. */
  readonly preload: (head: FlowNode) => number;
  /** What is valid on the way into a loop, before `preload`. */
  readonly beforeLoop: (head: FlowNode) => number;
}

/** What happens to registers on a way within the region, by the order of its nodes. */
interface Step {
  readonly from: number;
  readonly to: number;
  readonly isBack: boolean;
  /** What is valid behind it is what was valid in front of the block, if not all is lost, and this. */
  readonly keeps: boolean;
  readonly adds: number;
  /** Registers written, and whether they may stay dirty behind it. */
  readonly writes: number;
  readonly isTight: boolean;
}

/** Works out which registers local variables hold where, by iteration over the region's control flow. */
export function planRegisters(nodes: readonly FlowNode[]): RegisterPlan {
  const steps: Step[] = [];
  for (const node of nodes) addSteps(steps, node);
  const usedByLoop = nodes.map(({ loop }) => (loop === null ? 0 : usedIn(loop)));
  const preload = nodes.map(({ loop, inTightLoop }, order) =>
    // A loop that calls finds nothing in local variables when it turns.
    loop !== null && inTightLoop && !loop.calls ? usedByLoop[order]! : 0,
  );
  const { valid, before } = findValid(nodes, steps, preload, keptRegisters(nodes, usedByLoop));
  // What is loaded on the way into a loop is loaded whatever way led there: it may not be dirty on one of them.
  const mayStayDirty = (from: number, to: number): number =>
    nodes[to]!.loop !== null && to > from ? before[to]! : ALL;
  const dirty = nodes.map(() => 0);
  for (let changed = true; changed;) {
    changed = false;
    for (const { from, to, writes, isTight } of steps) {
      if (!isTight) continue;
      const staying = (dirty[from]! | writes) & mayStayDirty(from, to);
      const grown = (dirty[to]! | staying) & valid[to]!;
      if (grown === dirty[to]) continue;
      dirty[to] = grown;
      changed = true;
    }
  }
  return {
    at: ({ order }) => ({ valid: valid[order]!, dirty: dirty[order]! }),
    staysDirty: (from, to) => dirty[to.order]! & mayStayDirty(from.order, to.order),
    preload: ({ order }) => preload[order]! & valid[order]!,
    beforeLoop: ({ order }) => before[order]!,
  };
}

function addSteps(steps: Step[], { block, order, ways, inTightLoop }: FlowNode): void {
  const { reads, writes } = blockUse(block);
  for (const { edge, to } of ways) {
    if (to === null) continue;
    const slot = edge.withSlot ? block.delaySlot : null;
    const written = slot === null ? writes : writes | slot.writes;
    steps.push({
      from: order,
      to: to.order,
      isBack: to.order <= order,
      keeps: !edge.afterCall,
      adds: slot === null ? reads | written : reads | written | slot.reads,
      writes: written,
      isTight: inTightLoop && to.inTightLoop,
    });
  }
}

/** By block, what is valid at its start, and on the way into it from outside a loop before `preload`. */
function findValid(
  nodes: readonly FlowNode[],
  steps: readonly Step[],
  preload: readonly number[],
  kept: readonly number[],
): { readonly valid: readonly number[]; readonly before: readonly number[] } {
  const valid = nodes.map(() => ALL);
  const before = nodes.map(() => ALL);
  const incoming = nodes.map(() => ALL);
  const entering = nodes.map(() => ALL);
  for (let changed = true; changed;) {
    changed = false;
    incoming.fill(ALL);
    entering.fill(ALL);
    // The region's own entry is one more way into the head.
    incoming[0] = nodes[0]!.loop === null ? 0 : preload[0]!;
    entering[0] = 0;
    for (let n = 0; n < steps.length; n++) {
      const { from, to, isBack, keeps, adds } = steps[n]!;
      const after = keeps ? valid[from]! | adds : 0;
      incoming[to]! &= isBack ? after : after | preload[to]!;
      if (!isBack) entering[to]! &= after;
    }
    for (let order = 0; order < nodes.length; order++) {
      const here = incoming[order]! & kept[order]!;
      if (valid[order] === here && before[order] === entering[order]) continue;
      valid[order] = here;
      before[order] = entering[order]!;
      changed = true;
    }
  }
  return { valid, before };
}

/**
 * By block, the registers that may be in local variables: those that the innermost loop around it uses. All others
 * would take machine registers from them, or time to be kept elsewhere.
 */
function keptRegisters(nodes: readonly FlowNode[], usedByLoop: readonly number[]): readonly number[] {
  const kept = nodes.map(() => ALL);
  const sizes = nodes.map(() => nodes.length + 1);
  for (const { loop, order: head } of nodes) {
    if (loop === null) continue;
    for (const { order } of loop.nodes) {
      if (loop.nodes.size >= sizes[order]!) continue;
      sizes[order] = loop.nodes.size;
      kept[order] = usedByLoop[head]!;
    }
  }
  return kept;
}

/** All registers that a loop reads or writes. */
function usedIn(loop: Loop): number {
  let used = 0;
  for (const { block } of loop.nodes) {
    const { reads, writes } = widestUse(block);
    used |= reads | writes;
  }
  return used;
}
