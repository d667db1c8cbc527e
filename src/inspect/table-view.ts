/** GVA tables and their roots, for looking at. */
import type { Gva, Hpa } from "../kvm/addresses.ts";
import type { LoggedRefill } from "../machine/refill-log.ts";
import type { GvaRoot } from "../kvm/gva-roots.ts";
import type { AsidHolder } from "../kvm/host-mm.ts";
import type { GvaTables } from "../kvm/gva-table.ts";
import type { Vcpu } from "../kvm/vcpu.ts";
import type { GvaMapView, PageTableView, PteView, RootName, RootView } from "./views.ts";

/** More buckets than any picture needs. */
const MOST_BUCKETS = 2 ** 20;

/** The PTE at `at`, which is that of the page at `gva`. */
export function pteView(tables: GvaTables, gva: Gva, at: Hpa): PteView {
  const { format } = tables;
  const value = tables.readPte(at);
  return {
    gva,
    at,
    value,
    hpa: format.hpa(value),
    present: format.present(value),
    young: format.young(value),
    valid: format.valid(value),
    writable: format.hardwareWritable(value),
    dirty: format.dirty(value),
  };
}

/** The ASID that an address space has on the host CPU that a guest is on; null if it has none that is current. */
export function currentAsid({ mmu, cpu }: Vcpu, space: AsidHolder): number | null {
  const { asids } = mmu.host;
  return asids.isCurrent(space, cpu.number) ? asids.asid(space, cpu.number) : null;
}

/** A root of a mode of the guest. */
export function rootView(vcpu: Vcpu, root: GvaRoot, user: boolean): RootView {
  const { mmu } = vcpu;
  const inUse = mmu.mmOf(user).pgd === root.pgd;
  let tables = 0;
  mmu.tables.forEachTable(root.pgd, () => tables++);
  return {
    mode: user ? "user" : "kernel",
    guestAsid: root.guestAsid,
    pgd: root.pgd,
    hostAsid: currentAsid(vcpu, root),
    inUse,
    live: inUse && vcpu.machine.cpu === vcpu.cpu && mmu.host.livePgd === root.pgd,
    tables,
  };
}

/** All roots of a guest. */
export function rootViews(vcpu: Vcpu): RootView[] {
  return [false, true].flatMap((user) => vcpu.mmu.roots(user).map((root) => rootView(vcpu, root, user)));
}

/** The root that `name` names; null if there is none. */
export function findRoot({ mmu }: Vcpu, name: RootName): GvaRoot | null {
  const user = name.mode === "user";
  const asid = name.guestAsid ?? mmu.guestAsidOf(user);
  return mmu.roots(user).find(({ guestAsid }) => guestAsid === asid) ?? null;
}

/** Counts the PTEs that a root has from `first` to `last`, by bucket. Throws RangeError. */
export function gvaMapView(
  vcpu: Vcpu,
  root: GvaRoot,
  first: number,
  last: number,
  bucketSize: number,
): GvaMapView {
  const { tables } = vcpu.mmu;
  const { pageSize, tableShift } = tables.geometry;
  const from = first >>> 0;
  const count = Math.ceil(((last >>> 0) - from + 1) / bucketSize);
  if (!(bucketSize >= pageSize && bucketSize % pageSize === 0))
    throw new RangeError(`buckets of ${bucketSize} bytes: give a multiple of ${pageSize}`);
  if (from % pageSize !== 0 || !(count >= 1 && count <= MOST_BUCKETS))
    throw new RangeError(`${count} buckets from ${from.toString(16)} on`);
  const empty = (): number[] => new Array<number>(count).fill(0);
  const [present, writable, user] = [empty(), empty(), empty()];
  tables.forEachTable(root.pgd, (slot, table) => {
    const base = slot * 2 ** tableShift;
    if (base + 2 ** tableShift <= from || base > last >>> 0) return;
    tables.forEachPteOf(slot, table, (gva, pte) => {
      if (gva < from || gva > last >>> 0) return;
      const bucket = Math.floor((gva - from) / bucketSize);
      present[bucket]!++;
      if (tables.format.hardwareWritable(pte)) writable[bucket]!++;
      if (gva < tables.map.userLimit) user[bucket]!++;
    });
  });
  const refilled = new Array<number>(count).fill(-1);
  for (const { page, ago } of refillsOf(vcpu, root)) {
    if (page < from || page > last >>> 0) continue;
    const bucket = Math.floor((page - from) / bucketSize);
    if (refilled[bucket] === -1) refilled[bucket] = ago;
  }
  return { first: from, bucketSize, pageSize, present, writable, user, refilled };
}

/** The last refills that walked a root, as far as they are known, under the host ASID that it has now. */
function refillsOf(vcpu: Vcpu, root: GvaRoot): readonly LoggedRefill[] {
  const { refillLog, refills } = vcpu.cpu;
  const asid = currentAsid(vcpu, root);
  if (refillLog === null || asid === null) return [];
  return [...refillLog.before(refills)].filter((refill) => refill.asid === asid);
}

/** The table of PTEs in which a root has `gva`; null if it has none there. */
export function pageTableView(vcpu: Vcpu, root: GvaRoot, gva: Gva): PageTableView | null {
  const { tables } = vcpu.mmu;
  const { pte } = tables.path(root.pgd, gva);
  if (pte === null) return null;
  const { pageSize, pageShift, pteShift, ptesPerTable, tableShift } = tables.geometry;
  const hpa = pte - (pte % pageSize);
  const first = Math.floor((gva >>> 0) / 2 ** tableShift) * 2 ** tableShift;
  const ptes = Array.from({ length: ptesPerTable }, (_, n) =>
    pteView(tables, first + n * 2 ** pageShift, hpa + (n << pteShift)),
  );
  return { hpa, first, ptes };
}
