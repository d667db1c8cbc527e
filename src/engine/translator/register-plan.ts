import type { Flow, FlowNode } from "./flow.ts";
import { blockUse, widestUse, type Edge } from "./region.ts";

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

interface Facts {
  readonly reads: number;
  readonly writes: number;
  readonly slot: number;
  readonly slotWrites: number;
  readonly preload: number;
}

/** Works out which registers local variables hold where, by iteration over the region's control flow. */
export function planRegisters(flow: Flow): RegisterPlan {
  const { nodes } = flow;
  const facts = nodes.map(factsOf);
  const kept = keptRegisters(nodes);
  const valid = nodes.map(() => ALL);
  const dirty = nodes.map(() => 0);
  const before = nodes.map(() => ALL);
  const ways = nodes.flatMap((from) =>
    from.block.edges.flatMap((edge) => {
      const to = flow.target(from, edge);
      return to === null ? [] : [{ from, edge, to }];
    }),
  );
  const validAfter = (node: FlowNode, edge: Edge): number => {
    if (edge.afterCall) return 0;
    const { reads, writes, slot, slotWrites } = facts[node.order]!;
    const inSlot = edge.withSlot ? slot | slotWrites : 0;
    return valid[node.order]! | reads | writes | inSlot;
  };
  for (let changed = true; changed;) {
    changed = false;
    const [incoming, entering] = [nodes.map(() => ALL), nodes.map(() => ALL)];
    incoming[0] = 0;
    entering[0] = 0;
    for (const { from, edge, to } of ways) {
      const after = validAfter(from, edge);
      const back = to.order <= from.order;
      if (!back) entering[to.order]! &= after;
      incoming[to.order]! &= back ? after : after | facts[to.order]!.preload;
    }
    // The region's own entry is one more way into the head.
    if (nodes[0]!.loop !== null) incoming[0] = facts[0]!.preload & backEdgesInto(ways, validAfter);
    for (const { order } of nodes) {
      incoming[order]! &= kept[order]!;
      if (valid[order] === incoming[order] && before[order] === entering[order]) continue;
      valid[order] = incoming[order]!;
      before[order] = entering[order]!;
      changed = true;
    }
  }
  // What is loaded on the way into a loop is loaded whatever way led there: it may not be dirty on one of them.
  const mayStayDirty = (from: FlowNode, to: FlowNode): number =>
    to.loop !== null && to.order > from.order ? before[to.order]! : ALL;
  for (let changed = true; changed;) {
    changed = false;
    for (const { from, edge, to } of ways) {
      if (!from.inTightLoop || !to.inTightLoop) continue;
      const { writes, slotWrites } = facts[from.order]!;
      const after = dirty[from.order]! | writes | (edge.withSlot ? slotWrites : 0);
      const staying = after & mayStayDirty(from, to);
      const grown = (dirty[to.order]! | staying) & valid[to.order]!;
      if (grown === dirty[to.order]) continue;
      dirty[to.order] = grown;
      changed = true;
    }
  }
  return {
    at: ({ order }) => ({ valid: valid[order]!, dirty: dirty[order]! }),
    staysDirty: (from, to) => dirty[to.order]! & mayStayDirty(from, to),
    preload: ({ order }) => facts[order]!.preload & valid[order]!,
    beforeLoop: ({ order }) => before[order]!,
  };
}

/**
 * By block, the registers that may be in local variables: those that the innermost loop around it uses. All others
 * would take machine registers from them, or time to be kept elsewhere.
 */
function keptRegisters(nodes: readonly FlowNode[]): number[] {
  const kept = nodes.map(() => ALL);
  const sizes = nodes.map(() => Infinity);
  for (const { loop } of nodes) {
    if (loop === null) continue;
    const used = usedIn(loop);
    for (const { order } of loop) {
      if (loop.size >= sizes[order]!) continue;
      sizes[order] = loop.size;
      kept[order] = used;
    }
  }
  return kept;
}

/** All registers that a loop reads or writes. */
function usedIn(loop: ReadonlySet<FlowNode>): number {
  let used = 0;
  for (const { block } of loop) {
    const { reads, writes } = widestUse(block);
    used |= reads | writes;
  }
  return used;
}

type Way = { readonly from: FlowNode; readonly edge: Edge; readonly to: FlowNode };

/** What is valid on every edge back to the head of the region. */
function backEdgesInto(ways: readonly Way[], validAfter: (node: FlowNode, edge: Edge) => number): number {
  return ways.reduce((all, { from, edge, to }) => (to.order === 0 ? all & validAfter(from, edge) : all), ALL);
}

function factsOf(node: FlowNode): Facts {
  const { reads, writes } = blockUse(node.block);
  const slot = node.block.delaySlot;
  // A loop that calls finds nothing in local variables when it turns.
  const { loop } = node;
  const preload = loop !== null && node.inTightLoop && !callsIn(loop) ? usedIn(loop) : 0;
  return { reads, writes, slot: slot?.reads ?? 0, slotWrites: slot?.writes ?? 0, preload };
}

const callsIn = (loop: ReadonlySet<FlowNode>): boolean =>
  [...loop].some(({ block }) => block.edges.some((edge) => edge.afterCall));
