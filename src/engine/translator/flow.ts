import type { Block, Edge, Region } from "./region.ts";

/** A way on from a block: an edge, and the node it leads to, or null if it leaves the region. */
export interface Way {
  readonly from: FlowNode;
  readonly edge: Edge;
  readonly to: FlowNode | null;
}

/** The blocks of a loop, its head first. */
export interface Loop {
  readonly nodes: ReadonlySet<FlowNode>;
  /** Something is called in it. */
  readonly calls: boolean;
}

/** A block in the order and nesting in which structured code is made of it. */
export interface FlowNode {
  readonly block: Block;
  /** Place in reverse postorder: forward edges lead to higher numbers. */
  readonly order: number;
  /** One for each edge of the block. Edges that would enter a loop in its middle leave. */
  readonly ways: Way[];
  /** Blocks that only this one leads to immediately (its children in the dominator tree), by order. */
  readonly children: FlowNode[];
  /** Several forward edges lead here, or one of a switch. */
  isMerge: boolean;
  /** The loop that this block is the head of: edges lead back here. */
  loop: Loop | null;
  /** Some loop around this block calls nothing: registers stay in local variables there. */
  inTightLoop: boolean;
}

/** Leaves the region, in place of the number of a block. */
const NOWHERE = -1;

/** Which block of a region each edge leads to. Blocks have numbers here. */
interface Graph {
  head: number;
  readonly blocks: Block[];
  /** By block and edge. */
  readonly targets: number[][];
}

/** Blocks that can be reached, by their places in reverse postorder. */
interface Numbering {
  /** The block at each place. */
  readonly order: readonly number[];
  /** The place of each block, or -1. */
  readonly placeOf: readonly number[];
  /** Places from which edges lead to a place. */
  readonly predecessors: readonly (readonly number[])[];
  /** Immediate dominator of each place. */
  readonly dominators: readonly number[];
}

/** Orders the blocks of a region, and finds its loops: nodes in reverse postorder, of which the first is the head. */
export function flowOf(region: Region): readonly FlowNode[] {
  const graph = graphOf(region);
  let numbering = numberBlocks(graph);
  while (cutIrreducible(graph, numbering)) numbering = numberBlocks(graph);
  if (splitHeads(graph, numbering)) numbering = numberBlocks(graph);
  return buildNodes(graph, numbering);
}

function graphOf(region: Region): Graph {
  const blocks = [...region.blocks.values()];
  const numbers = new Map<number, number>();
  blocks.forEach(({ start }, number) => numbers.set(start, number));
  const targets = blocks.map(({ edges }) => edges.map(({ to }) => numbers.get(to) ?? NOWHERE));
  return { head: numbers.get(region.head)!, blocks, targets };
}

/** Reverse postorder by depth-first search, then predecessors and dominators. */
function numberBlocks({ head, targets }: Graph): Numbering {
  const placeOf = targets.map(() => -1);
  const order: number[] = [];
  const stack = [head];
  /** By block: edges followed so far; -1 before it is found. */
  const followed = targets.map(() => -1);
  followed[head] = 0;
  while (stack.length > 0) {
    const block = stack[stack.length - 1]!;
    // The last edge first: what falls through comes first in reverse postorder.
    const target = targets[block]![followed[block]!++];
    if (target === undefined) {
      order.push(block);
      stack.pop();
    } else if (target !== NOWHERE && followed[target] === -1) {
      followed[target] = 0;
      stack.push(target);
    }
  }
  order.reverse();
  order.forEach((block, place) => (placeOf[block] = place));
  const predecessors: number[][] = order.map(() => []);
  order.forEach((block, place) => {
    for (const target of targets[block]!) if (target !== NOWHERE) predecessors[placeOf[target]!]!.push(place);
  });
  return { order, placeOf, predecessors, dominators: findDominators(predecessors) };
}

/** By iteration (Cooper, Harvey, Kennedy). */
function findDominators(predecessors: readonly (readonly number[])[]): readonly number[] {
  const dominators = predecessors.map(() => -1);
  dominators[0] = 0;
  for (let changed = true; changed;) {
    changed = false;
    for (let place = 1; place < predecessors.length; place++) {
      let found = -1;
      for (const from of predecessors[place]!)
        if (dominators[from]! >= 0) found = found < 0 ? from : meet(dominators, from, found);
      if (dominators[place] === found) continue;
      dominators[place] = found;
      changed = true;
    }
  }
  return dominators;
}

/** The nearest place that dominates both. */
function meet(dominators: readonly number[], a: number, b: number): number {
  while (a !== b)
    if (a > b) a = dominators[a]!;
    else b = dominators[b]!;
  return a;
}

function dominates(dominators: readonly number[], above: number, below: number): boolean {
  while (below > above) below = dominators[below]!;
  return below === above;
}

/** Cuts the edges that lead back to a block which does not dominate their start; true if there was one. */
function cutIrreducible({ targets }: Graph, { order, placeOf, dominators }: Numbering): boolean {
  let found = false;
  order.forEach((block, place) => {
    const ways = targets[block]!;
    ways.forEach((target, edge) => {
      if (target === NOWHERE) return;
      const to = placeOf[target]!;
      if (to > place || dominates(dominators, to, place)) return;
      ways[edge] = NOWHERE;
      found = true;
    });
  });
  return found;
}

/**
 * Splits the heads of loops that are loops by themselves, so that the two loops are told apart: a block that repeats
 * itself is most likely hot, and what the loop around it needs is not to take registers from it.
 */
function splitHeads(graph: Graph, { order, predecessors }: Numbering): boolean {
  const heads = order.filter((_, place) => {
    const from = predecessors[place]!;
    return from.includes(place) && from.some((other) => other > place);
  });
  for (const head of heads) split(graph, head);
  return heads.length > 0;
}

/** From here on only the block `head` itself turns back to it: all others lead to an empty block in front of it. */
function split(graph: Graph, head: number): void {
  const { blocks, targets } = graph;
  const { start } = blocks[head]!;
  const outer = blocks.length;
  targets.forEach((ways, from) => {
    if (from === head) return;
    ways.forEach((target, edge) => {
      if (target === head) ways[edge] = outer;
    });
  });
  blocks.push({
    ...{ start, end: start, length: 0, body: [], branch: null, delaySlot: null, ending: { kind: "next" } },
    edges: [{ to: start, afterCall: false, withSlot: false }],
  });
  targets.push([head]);
  if (graph.head === head) graph.head = outer;
}

function buildNodes({ blocks, targets }: Graph, numbering: Numbering): readonly FlowNode[] {
  const { order, placeOf, predecessors, dominators } = numbering;
  const nodes = order.map((number, place): FlowNode => {
    const ways: Way[] = [];
    const children: FlowNode[] = [];
    const block = blocks[number]!;
    return { block, order: place, ways, children, isMerge: false, loop: null, inTightLoop: false };
  });
  for (const from of nodes) {
    const { block, ways, order: place } = from;
    if (place > 0) nodes[dominators[place]!]!.children.push(from);
    const leadsTo = targets[order[place]!]!;
    block.edges.forEach((edge, n) => {
      const target = leadsTo[n]!;
      const to = target === NOWHERE ? null : nodes[placeOf[target]!]!;
      ways.push({ from, edge, to });
      // A switch branches: what it leads to cannot simply follow it.
      if (to !== null && block.ending.kind === "switch") to.isMerge = true;
    });
  }
  for (const node of nodes) {
    let forward = 0;
    for (const from of predecessors[node.order]!) if (from < node.order) forward++;
    if (forward > 1) node.isMerge = true;
    if (forward < predecessors[node.order]!.length) node.loop = loopOf(node, nodes, predecessors);
  }
  return nodes;
}

/** The loop with the head `head`: the blocks that turn back to it, and all that lies between. */
function loopOf(head: FlowNode, all: readonly FlowNode[], predecessors: Numbering["predecessors"]): Loop {
  const nodes = new Set([head]);
  for (const from of predecessors[head.order]!) if (from >= head.order) nodes.add(all[from]!);
  let calls = false;
  // The set grows while it is walked.
  for (const node of nodes) {
    if (node !== head) for (const from of predecessors[node.order]!) nodes.add(all[from]!);
    calls ||= node.block.edges.some((edge) => edge.afterCall);
  }
  if (!calls) for (const node of nodes) node.inTightLoop = true;
  return { nodes, calls };
}
