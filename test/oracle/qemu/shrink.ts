import type { Endian } from "../../../src/machine/memory.ts";
import { without, type Program } from "./program.ts";
import type { EngineName } from "../malta.ts";
import { comparePrograms, type Failure } from "./suite.ts";

/**
 * Drops groups of a failing program (by NOPs in their place) as long as it still fails, all candidates of a round
 * in one image. Returns the failure of what is left.
 */
export async function shrink(failure: Failure, endian: Endian, engine?: EngineName): Promise<Failure> {
  let smallest = failure;
  const dropped = new Set<number>();
  for (;;) {
    const candidates: { group: number; program: Program }[] = [];
    failure.program.groups.forEach((_, group) => {
      if (!dropped.has(group))
        candidates.push({ group, program: without(failure.program, new Set([...dropped, group])) });
    });
    if (candidates.length === 0) return smallest;
    const { failures } = await comparePrograms(
      candidates.map(({ program }) => program),
      endian,
      engine,
    );
    // The last group first: what comes after the difference goes at once.
    const next = failures.at(-1);
    if (next === undefined) return smallest;
    smallest = next;
    dropped.add(candidates.find(({ program }) => program === next.program)!.group);
  }
}
