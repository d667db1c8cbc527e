/** Which branches inputs have taken, in modules that are instrumented while they are loaded. */
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import { COUNTERS, instrument } from "./instrument.ts";

/** More than all sources of a target have. */
const MOST = 1 << 15;

/** How often a branch was taken is told apart up to each of these: magic numbers are compared in short loops. */
const LEVELS = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 32, 64, 128, 256] as const;
const HIGHEST = LEVELS.at(-1)! + 1;

/** A bit for each level, by the number of times. */
const LEVEL_OF = Uint16Array.from({ length: HIGHEST + 1 }, (_, times) => {
  const level = LEVELS.findIndex((most) => times <= most);
  return 1 << (level < 0 ? LEVELS.length : level);
});

/**
 * The branches of modules. There is one of these in a thread; it has to be made before the modules are imported, and
 * knows those that are.
 */
export class Branches {
  /** What the instrumented code counts in. */
  private readonly counters = new Uint32Array(MOST);
  /** Levels that were seen, a bit each. */
  private readonly seen = new Uint16Array(MOST);
  private used = 0;
  private readonly known = new Set<string | number>();

  /** Modules whose file starts with one of `covers` are instrumented. */
  constructor(covers: readonly string[]) {
    Object.assign(globalThis, { [COUNTERS]: this.counters });
    registerHooks({
      load: (url, context, next) => {
        const loaded = next(url, context);
        if (!url.startsWith("file:") || !covers.some((start) => fileURLToPath(url).startsWith(start)))
          return loaded;
        const file = fileURLToPath(url);
        const { source, counters, literals } = instrument(file, readFileSync(file, "utf8"), this.used);
        if (counters > MOST) throw new RangeError(`${file}: more than ${MOST} branches in all`);
        this.used = counters;
        for (const literal of literals) this.known.add(literal);
        return { ...loaded, source };
      },
    });
  }

  /** Branches that there are, of which code is loaded. */
  get all(): number {
    return this.used;
  }

  /** Branches that any input has taken. */
  get taken(): number {
    return this.seen.reduce((sum, levels) => sum + (levels === 0 ? 0 : 1), 0);
  }

  /** Texts and numbers in the modules. */
  get literals(): ReadonlySet<string | number> {
    return this.known;
  }

  /** To be called before an input. */
  begin(): void {
    this.counters.fill(0, 0, this.used);
  }

  /** True if the input has taken a branch, or taken it so often, as none before. */
  end(): boolean {
    const { counters, seen, used } = this;
    let isNew = false;
    for (let n = 0; n < used; n++) {
      const times = counters[n]!;
      if (times === 0) continue;
      const level = LEVEL_OF[Math.min(times, HIGHEST)]!;
      if ((seen[n]! & level) !== 0) continue;
      seen[n]! |= level;
      isNew = true;
    }
    return isNew;
  }
}
