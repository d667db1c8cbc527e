/** Where a process spent its time, from the profile that Node's `--cpu-prof` writes. */

/** The part of a profile (Chrome DevTools Protocol, `Profiler.Profile`) that is used here. Times in microseconds. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  /** On the scale of `process.hrtime`. */
  readonly startTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string };
  readonly children?: readonly number[];
}

/** What the time of a frame counts as: the first pattern that its URL or, where that is empty, its name matches. */
const PARTS: readonly (readonly [pattern: RegExp, part: string])[] = [
  [/^wasm:\/\/wasm\/interpreter/, "interpret"],
  [/^wasm:\/\//, "translated code"],
  [/\/src\/(isa|uasm|engine\/(translator|wasm))\//, "translate and decode"],
  [/\/src\/(machine\/(mmu|tlb|segments|page-walker)|engine\/soft-tlb)\.ts$/, "slow memory path"],
  [/\/src\/engine\//, "calls from the engine"],
  [/\/src\/(devices|boards)\/|\/src\/machine\/bus\.ts$/, "devices"],
  [/\/src\/kvm\//, "hypervisor"],
  [/\/src\/(machine|vmm)\//, "machine"],
  [/\/src\/cli\/|^node:/, "command line"],
  [/^\(garbage collector\)$/, "garbage collection"],
  [/^\(idle\)$/, "waiting"],
];

/** Time of a part of the program, or of one function. */
export interface Share {
  readonly name: string;
  readonly seconds: number;
}

/** What a profile comes to between two times. */
export interface Shares {
  readonly seconds: number;
  /** Longest first, as `functions` is. */
  readonly parts: readonly Share[];
  readonly functions: readonly Share[];
}

/** Sums up the samples between two times (microseconds, on the profile's scale). */
export function sharesOf(profile: CpuProfile, from: number, to: number): Shares {
  const { partOf, functionOf } = namesOf(profile.nodes);
  const parts = new Map<string, number>();
  const functions = new Map<string, number>();
  const add = (sums: Map<string, number>, name: string, seconds: number): void => {
    sums.set(name, (sums.get(name) ?? 0) + seconds);
  };
  let time = profile.startTime;
  let total = 0;
  for (const [index, node] of profile.samples.entries()) {
    const delta = profile.timeDeltas[index]!;
    time += delta;
    if (time < from || time >= to) continue;
    const seconds = delta / 1e6;
    total += seconds;
    add(parts, partOf.get(node) ?? OTHER, seconds);
    add(functions, functionOf.get(node) ?? OTHER, seconds);
  }
  return { seconds: total, parts: sorted(parts), functions: sorted(functions) };
}

const OTHER = "other";

function sorted(sums: ReadonlyMap<string, number>): Share[] {
  return [...sums].map(([name, seconds]) => ({ name, seconds })).sort((a, b) => b.seconds - a.seconds);
}

/** Names by node. What belongs to no file, such as a call from Wasm to JavaScript, belongs to its caller's part. */
function namesOf(nodes: readonly ProfileNode[]): {
  partOf: Map<number, string>;
  functionOf: Map<number, string>;
} {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const partOf = new Map<number, string>();
  const functionOf = new Map<number, string>();
  const visit = (node: ProfileNode, inherited: string): void => {
    const { functionName, url } = node.callFrame;
    const part = PARTS.find(([pattern]) => pattern.test(url === "" ? functionName : url))?.[1] ?? inherited;
    partOf.set(node.id, part);
    const place = url.startsWith("wasm:") ? part : (/\/(src\/.*)$/.exec(url)?.[1] ?? url);
    // Translated functions are many, and all have the same name.
    const name = part === "translated code" ? part : `${functionName || "(anonymous)"} ${place}`;
    functionOf.set(node.id, name.trim());
    for (const child of node.children ?? []) visit(byId.get(child)!, part);
  };
  const children = new Set(nodes.flatMap((node) => node.children ?? []));
  for (const node of nodes) if (!children.has(node.id)) visit(node, OTHER);
  return { partOf, functionOf };
}
