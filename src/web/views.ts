import type { Guest, Inspection } from "../index.ts";
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
});

function code(
  inspection: Inspection,
  { around, before, after }: NonNullable<Watched["code"]>,
): NonNullable<Views["code"]> {
  return inspection.code(around === "pc" ? inspection.registers().pc : around, before, after);
}
