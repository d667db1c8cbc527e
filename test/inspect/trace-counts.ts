/** What a trace says that was counted, in the form of the statistics. */
import type { Stats } from "../../src/index.ts";
import type { ReadEvent } from "./perfetto-schema.ts";

/** Statistics that a trace tells as well. */
export type TracedCounts = Pick<Stats, "exits" | "asidChanges" | "gvaPtesFilled" | "gvaPtesInvalidated"> & {
  readonly refills: Stats["refills"];
  /** What emulation found. */
  readonly found: Readonly<Record<"wait" | "cache" | "signal", number>>;
};

/** Counts what events tell. Throws if an exit has no end. */
export function countsIn(events: Iterable<ReadEvent>): TracedCounts {
  const exits = new Map<string, number>();
  const named = new Map<string, number>();
  let ptesFilled = 0;
  let ptesInvalidated = 0;
  let open = 0;
  for (const { type, name, fields } of events) {
    if (type === "begin") exits.set(name, (exits.get(name) ?? 0) + 1);
    else if (type === "instant") named.set(name, (named.get(name) ?? 0) + 1);
    open += type === "begin" ? 1 : type === "end" ? -1 : 0;
    if (open < 0 || open > 1) throw new Error("exits overlap");
    if (name === "kseg_fill") ptesFilled += Number(fields["ptes"]);
    if (name === "kseg_invalidate") ptesInvalidated += Number(fields["ptes"]);
  }
  if (open !== 0) throw new Error("an exit has no end");
  const count = (name: string): number => named.get(name) ?? 0;
  return {
    exits: Object.fromEntries(exits),
    asidChanges: count("kvm_asid_change"),
    gvaPtesFilled: ptesFilled,
    gvaPtesInvalidated: ptesInvalidated,
    refills: { fast: count("kseg_refill"), slow: count("kseg_slow_refill") },
    found: { wait: count("wait"), cache: count("cache"), signal: count("signal") },
  };
}

/** The same of statistics. */
export function countsOf(stats: Omit<Stats, "seconds">): TracedCounts {
  const { exits, asidChanges, gvaPtesFilled, gvaPtesInvalidated, refills, counters } = stats;
  const found = { wait: counters["wait"]!, cache: counters["cache"]!, signal: counters["signal"]! };
  // A cause that there was none of is no event.
  const some = Object.fromEntries(Object.entries(exits).filter(([, count]) => count > 0));
  return { exits: some, asidChanges, gvaPtesFilled, gvaPtesInvalidated, refills, found };
}
