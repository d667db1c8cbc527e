/** What `kseg stat` shows: KVM's counters and kseg's own, as kvm_stat shows KVM's. */
import type { Stats } from "../index.ts";

/** A counter, what it is now, and how fast it grew lately. */
export interface StatRow {
  readonly name: string;
  readonly total: number;
  /** Of what all of KVM's counters count together, in percent; null for counters that are not KVM's. */
  readonly share: number | null;
  /** How much it grew since the last look. */
  readonly growth: number;
  readonly perSecond: number;
}

const sum = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((total, count) => total + count, 0);

/** kseg's own counters: what KVM has no file for. */
function ownCounters(stats: Stats): Readonly<Record<string, number>> {
  return {
    exits: sum(stats.exits),
    fast_exits: sum(stats.fastExits),
    fast_refills: stats.refills.fast,
    slow_refills: stats.refills.slow,
    guest_tlb_lookups: stats.guestTlbLookups,
    asid_changes: stats.asidChanges,
    gva_ptes_filled: stats.gvaPtesFilled,
    gva_ptes_invalidated: stats.gvaPtesInvalidated,
    host_tlb_writes: stats.hostTlbWrites,
    guest_instructions: stats.guestInstructions,
  };
}

/** All counters by name: KVM's as the files in /sys/kernel/debug/kvm are called, then kseg's own. */
function allCounters(stats: Stats): Readonly<Record<string, number>> {
  return { ...stats.counters, ...ownCounters(stats) };
}

/** Follows the counters of a run. */
export class StatHistory {
  private before: Readonly<Record<string, number>> = {};

  /** The counters `seconds` after the last call, in the order in which they are stated. */
  update(stats: Stats, seconds: number): StatRow[] {
    const now = allCounters(stats);
    const all = Math.max(1, sum(stats.counters));
    const rows = Object.entries(now).map(([name, total]) => {
      const growth = total - (this.before[name] ?? 0);
      return {
        name,
        total,
        share: Object.hasOwn(stats.counters, name) ? (100 * total) / all : null,
        growth,
        perSecond: seconds > 0 ? growth / seconds : 0,
      };
    });
    this.before = now;
    return rows;
  }
}

const NAME_WIDTH = 32;

function tableLine(name: string, total: string, share: string, perSecond: string): string {
  return ` ${name.padEnd(NAME_WIDTH)}${total.padStart(16)} ${share.padStart(6)} ${perSecond.padStart(12)}`;
}

function tableRow({ name, total, share, perSecond }: StatRow): string {
  return tableLine(
    name,
    String(total),
    share === null ? "" : share.toFixed(1),
    perSecond === 0 ? "" : perSecond.toFixed(0),
  );
}

/** The lines of a screen of `height` lines: what grows fastest first, what never happened left out. */
export function screenLines(title: string, rows: readonly StatRow[], height: number): string[] {
  const moving = rows
    .filter(({ total }) => total > 0)
    .toSorted((a, b) => b.perSecond - a.perSecond || b.total - a.total);
  const parts = [
    ["KVM's counters", moving.filter(({ share }) => share !== null)],
    ["kseg's own", moving.filter(({ share }) => share === null)],
  ] as const;
  const lines = [title, "", tableLine("Event", "Total", "%Total", "CurAvg/s")];
  for (const [heading, part] of parts) lines.push(heading, ...part.map(tableRow));
  return lines.slice(0, Math.max(0, height - 1));
}

/** What a line of the log has, and the width of its columns. */
const LOGGED = [
  ...["exits", "fast_exits", "fast_refills", "tlbmiss_ld", "tlbmiss_st", "tlbmod", "cop_unusable"],
  ...["interrupt", "mmio_exits", "asid_changes", "guest_instructions"],
] as const;
const LOG_WIDTH = 10;

/** The headings of the log. */
export const LOG_HEADER = LOGGED.map((name) => name.padStart(LOG_WIDTH)).join(" ");

/** A line of the log: how much each counter grew since the line before. */
export function logLine(rows: readonly StatRow[]): string {
  const byName = new Map(rows.map((row) => [row.name, row]));
  return LOGGED.map((name) =>
    String(byName.get(name)?.growth ?? 0).padStart(Math.max(LOG_WIDTH, name.length)),
  ).join(" ");
}

/** All counters, one a line: name and value. */
export function keyValueLines(stats: Stats): string[] {
  return Object.entries(allCounters(stats)).map(([name, value]) => `${name} ${value}`);
}
