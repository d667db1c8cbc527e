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
  readonly numberOf: ReadonlyMap<Block, number>;
  /** Immediate dominator of each block, by number. */
  readonly dominators: readonly number[];
}

/** Orders the blocks of a region, and finds its loops. */
export function flowOf(region: Region): Flow {
  const ways = new Ways(region);
  let numbering = numberBlocks(ways);
  while (cutIrreducible(numbering, ways)) numbering = numberBlocks(ways);
  if (splitHeads(numbering, ways)) numbering = numberBlocks(ways);
  return buildFlow(numbering, ways);
}

/** Which block each edge leads to. */
class Ways {
  private readonly region: Region;
  private readonly cutEdges = new Set<Edge>();
  /** By head of an inner loop: the empty block in front of it that is the head of the loop around it. */
  private readonly outerHeads = new Map<Block, Block>();

  constructor(region: Region) {
    this.region = region;
  }

  get head(): Block {
    const head = this.region.blocks.get(this.region.head)!;
    return this.outerHeads.get(head) ?? head;
  }

  /** The block that `edge` leads to, or undefined if it leaves. */
  target(from: Block, edge: Edge): Block | undefined {
    const to = this.region.blocks.get(edge.to);
    if (to === undefined || this.cutEdges.has(edge)) return undefined;
    const outer = this.outerHeads.get(to);
    return outer === undefined || from === to || from === outer ? to : outer;
  }

  successors(from: Block): Block[] {
    return from.edges.flatMap((edge) => this.target(from, edge) ?? []);
  }

  cut(edge: Edge): void {
    this.cutEdges.add(edge);
  }

  /** From here on only `head` itself turns back to it: all others lead to an empty block in front of it. */
  split(head: Block): void {
    const { start } = head;
    this.outerHeads.set(head, {
      ...{ start, end: start, length: 0, body: [], branch: null, delaySlot: null, ending: { kind: "next" } },
      edges: [{ to: start, afterCall: false, withSlot: false }],
    });
  }
}

/** Reverse postorder by depth-first search, then dominators by iteration (Cooper, Harvey, Kennedy). */
function numberBlocks(ways: Ways): Numbering {
  const postorder: Block[] = [];
  const { head } = ways;
  const seen = new Set<Block>([head]);
  const stack = [{ block: head, next: 0 }];
  while (stack.length > 0) {
    const top = stack.at(-1)!;
    // The last edge first: what falls through comes first in reverse postorder.
    const edge = top.block.edges[top.next++];
    if (edge === undefined) {
      postorder.push(top.block);
      stack.pop();
      continue;
    }
    const target = ways.target(top.block, edge);
    if (target === undefined || seen.has(target)) continue;
    seen.add(target);
    stack.push({ block: target, next: 0 });
  }
  const order = postorder.toReversed();
  const numberOf = new Map(order.map((block, number) => [block, number]));
  const predecessors: number[][] = order.map(() => []);
  order.forEach((block, number) => {
    for (const to of ways.successors(block)) predecessors[numberOf.get(to)!]!.push(number);
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
function cutIrreducible({ order, numberOf, dominators }: Numbering, ways: Ways): boolean {
  let found = false;
  order.forEach((block, number) => {
    for (const edge of block.edges) {
      const target = ways.target(block, edge);
      if (target === undefined) continue;
      const to = numberOf.get(target)!;
      if (to > number || dominates(dominators, to, number)) continue;
      ways.cut(edge);
      found = true;
    }
  });
  return found;
}

/**
 * Splits the heads of loops that are loops by themselves, so that the two loops are told apart: a block that repeats
 * itself is most likely hot, and what the loop around it needs is not to take registers from it.
 */
function splitHeads({ order, numberOf }: Numbering, ways: Ways): boolean {
  const turnsTo = (block: Block, head: Block): boolean => ways.successors(block).includes(head);
  const heads = order.filter(
    (head, number) =>
      turnsTo(head, head) && order.some((block) => numberOf.get(block)! > number && turnsTo(block, head)),
  );
  for (const head of heads) ways.split(head);
  return heads.length > 0;
}

function buildFlow(numbering: Numbering, ways: Ways): Flow {
  const { order, numberOf, dominators } = numbering;
  const nodes = order.map((block, number): FlowNode => {
    const children: FlowNode[] = [];
    return { block, order: number, children, isMerge: false, loop: null, inTightLoop: false };
  });
  const predecessors: FlowNode[][] = nodes.map(() => []);
  const forward = nodes.map(() => 0);
  for (const node of nodes) {
    if (node.order > 0) nodes[dominators[node.order]!]!.children.push(node);
    for (const target of ways.successors(node.block)) {
      const to = numberOf.get(target)!;
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
      const to = ways.target(from.block, edge);
      return to === undefined ? null : nodes[numberOf.get(to)!]!;
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
