import type { Block, Edge, Region } from "./region.ts";

/** A block in the order and nesting in which structured code is made of it. */
export interface FlowNode {
  readonly block: Block;
  /** Place in reverse postorder: forward edges lead to higher numbers. */
  readonly order: number;
  /** Blocks that only this one leads to immediately (its children in the dominator tree), by order. */
  readonly children: FlowNode[];
  /** Several forward edges lead here, or one of a switch. */
  isMerge: boolean;
  /** Edges lead back here: the blocks of the loop, this one included; null if it is no loop's head. */
  loop: Set<FlowNode> | null;
  /** Some loop around this block calls nothing: registers stay in local variables there. */
  inTightLoop: boolean;
}

/** The control flow of a region. Edges that would enter a loop in its middle are not part of it: they leave. */
export interface Flow {
  /** All nodes in reverse postorder; the first is the head. */
  readonly nodes: readonly FlowNode[];
  /** The node that `edge` leads to, or null if it leaves the region. */
  target(from: FlowNode, edge: Edge): FlowNode | null;
}

interface Numbering {
  readonly order: readonly Block[];
  readonly numberOf: ReadonlyMap<number, number>;
  /** Immediate dominator of each block, by number. */
  readonly dominators: readonly number[];
}

const keyOf = (from: Block, edge: Edge): string => `${from.start} ${edge.to}`;

/** Orders the blocks of a region, and finds its loops. */
export function flowOf(region: Region): Flow {
  const cut = new Set<string>();
  let numbering = numberBlocks(region, cut);
  while (cutIrreducible(numbering, cut)) numbering = numberBlocks(region, cut);
  return buildFlow(numbering, cut);
}

function successors(
  { numberOf }: Pick<Numbering, "numberOf">,
  cut: ReadonlySet<string>,
  block: Block,
): number[] {
  const numbers: number[] = [];
  for (const edge of block.edges) {
    const number = numberOf.get(edge.to);
    if (number !== undefined && !cut.has(keyOf(block, edge))) numbers.push(number);
  }
  return numbers;
}

/** Reverse postorder by depth-first search, then dominators by iteration (Cooper, Harvey, Kennedy). */
function numberBlocks(region: Region, cut: ReadonlySet<string>): Numbering {
  const postorder: Block[] = [];
  const seen = new Set<number>([region.head]);
  const stack = [{ block: region.blocks.get(region.head)!, next: 0 }];
  while (stack.length > 0) {
    const top = stack.at(-1)!;
    // The last edge first: what falls through comes first in reverse postorder.
    const edge = top.block.edges[top.next++];
    if (edge === undefined) {
      postorder.push(top.block);
      stack.pop();
      continue;
    }
    const target = region.blocks.get(edge.to);
    if (target === undefined || seen.has(edge.to) || cut.has(keyOf(top.block, edge))) continue;
    seen.add(edge.to);
    stack.push({ block: target, next: 0 });
  }
  const order = postorder.toReversed();
  const numberOf = new Map(order.map((block, number) => [block.start, number]));
  const predecessors: number[][] = order.map(() => []);
  order.forEach((block, number) => {
    for (const to of successors({ numberOf }, cut, block)) predecessors[to]!.push(number);
  });
  return { order, numberOf, dominators: findDominators(predecessors) };
}

function findDominators(predecessors: readonly (readonly number[])[]): number[] {
  const dominators: number[] = predecessors.map((_, number) => (number === 0 ? 0 : -1));
  const meet = (a: number, b: number): number => {
    while (a !== b)
      if (a > b) a = dominators[a]!;
      else b = dominators[b]!;
    return a;
  };
  for (let changed = true; changed;) {
    changed = false;
    for (let number = 1; number < predecessors.length; number++) {
      let found = -1;
      for (const from of predecessors[number]!)
        if (dominators[from]! >= 0) found = found < 0 ? from : meet(found, from);
      if (dominators[number] === found) continue;
      dominators[number] = found;
      changed = true;
    }
  }
  return dominators;
}

function dominates(dominators: readonly number[], above: number, below: number): boolean {
  while (below > above) below = dominators[below]!;
  return below === above;
}

/** Cuts the edges that lead back to a block which does not dominate their start; true if there was one. */
function cutIrreducible({ order, numberOf, dominators }: Numbering, cut: Set<string>): boolean {
  const before = cut.size;
  order.forEach((block, number) => {
    for (const edge of block.edges) {
      const to = numberOf.get(edge.to);
      if (to !== undefined && to <= number && !dominates(dominators, to, number)) cut.add(keyOf(block, edge));
    }
  });
  return cut.size > before;
}

function buildFlow(numbering: Numbering, cut: ReadonlySet<string>): Flow {
  const { order, numberOf, dominators } = numbering;
  const nodes = order.map((block, number): FlowNode => ({
    ...{ block, order: number, children: [] },
    ...{ isMerge: false, loop: null, inTightLoop: false },
  }));
  const predecessors: FlowNode[][] = nodes.map(() => []);
  const forward = nodes.map(() => 0);
  for (const node of nodes) {
    if (node.order > 0) nodes[dominators[node.order]!]!.children.push(node);
    for (const to of successors(numbering, cut, node.block)) {
      predecessors[to]!.push(node);
      if (to > node.order) forward[to]!++;
      else (nodes[to]!.loop ??= new Set([nodes[to]!])).add(node);
      // A switch branches: what it leads to cannot simply follow it.
      if (node.block.ending.kind === "switch") nodes[to]!.isMerge = true;
    }
  }
  for (const node of nodes) {
    node.isMerge ||= forward[node.order]! > 1;
    if (node.loop !== null) completeLoop(node, node.loop, predecessors);
  }
  return {
    nodes,
    target: (from, edge) => {
      const to = numberOf.get(edge.to);
      return to === undefined || cut.has(keyOf(from.block, edge)) ? null : nodes[to]!;
    },
  };
}

/** Adds to a loop that knows its head and where it turns back all that lies between. */
function completeLoop(head: FlowNode, loop: Set<FlowNode>, predecessors: readonly FlowNode[][]): void {
  // The set grows while it is walked.
  for (const node of loop) if (node !== head) for (const from of predecessors[node.order]!) loop.add(from);
  const calls = [...loop].some(({ block }) => block.edges.some((edge) => edge.afterCall));
  if (!calls) for (const node of loop) node.inTightLoop = true;
}
