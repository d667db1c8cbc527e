import type { HostTlbEntryView, TlbEntryView } from "../../src/index.ts";

/** An entry of a TLB. */
export type Entry = TlbEntryView | HostTlbEntryView;

/** The addresses that an entry is for. */
const tagOf = ({ vpn2, asid, global, pageSize }: Entry): string =>
  [vpn2, global ? "g" : asid, pageSize].join(":");
/** What its pages are. */
const pagesOf = ({ halves }: Entry): string =>
  halves.map(({ physical, valid, dirty }) => `${physical},${valid},${dirty}`).join(":");
const validPages = ({ halves }: Entry): number => halves.filter(({ valid }) => valid).length;

/**
 * What has become of an entry: filled, as a whole or with another page; replaced by one for other addresses, or with
 * other pages; hit by an invalidation, as a whole or in one of its pages. Null: nothing.
 */
export function changeOf(old: Entry | undefined, now: Entry | undefined): "new" | "other" | "gone" | null {
  if (old === undefined) return now === undefined ? null : "new";
  if (now === undefined) return "gone";
  if (tagOf(old) !== tagOf(now)) return "other";
  if (pagesOf(old) === pagesOf(now)) return null;
  const [before, after] = [validPages(old), validPages(now)];
  return after > before ? "new" : after < before ? "gone" : "other";
}
