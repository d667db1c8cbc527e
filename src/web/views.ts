import type { Cp0View, Guest, Inspection } from "../index.ts";
import type { Views, Watched } from "./protocol.ts";

/** What `watched` asks for, of a guest as it is. */
export function viewsOf(guest: Guest, watched: Watched): Views {
  const inspection = guest.inspect();
  return {
    time: guest.time,
    ...(watched.tlbs === true && { tlbs: tlbs(inspection) }),
    ...(watched.maps !== undefined && {
      maps: watched.maps.map(({ root, first, last, bucketSize }) =>
        inspection.gvaMap(root, first, last, bucketSize),
      ),
    }),
    ...(watched.address !== undefined && { explanation: inspection.explain(watched.address) }),
    ...(watched.registers === true && { registers: inspection.registers() }),
    ...(watched.cp0 === true && { cp0: { guest: inspection.cp0(), host: inspection.hostCp0() } }),
    ...(watched.code !== undefined && { code: code(inspection, watched.code) }),
  };
}

const tlbs = (inspection: Inspection): NonNullable<Views["tlbs"]> => ({
  host: inspection.hostTlb(),
  guest: inspection.guestTlb(),
  roots: inspection.roots(),
  hostSize: tlbSize(inspection.hostCp0()),
  guestSize: tlbSize(inspection.cp0()),
});

/** Entries of a TLB, as its CPU tells: Config1.MMUSize, and Config4.MMUSizeExt above it where that is defined so. */
function tlbSize(cp0: readonly Cp0View[]): number {
  const read = (wanted: string): number => cp0.find(({ name }) => name === wanted)?.value ?? 0;
  const config4 = read("Config4");
  const extension = ((config4 >>> 14) & 3) === 1 ? config4 & 0xff : 0;
  return extension * 64 + ((read("Config1") >>> 25) & 63) + 1;
}

function code(
  inspection: Inspection,
  { around, before, after }: NonNullable<Watched["code"]>,
): NonNullable<Views["code"]> {
  return inspection.code(around === "pc" ? inspection.registers().pc : around, before, after);
}
