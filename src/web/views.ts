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

/** Config4.MMUExtDef: what extends Config1.MMUSize, if anything does. */
const MMU_SIZE_EXT = 1;
const VTLB_SIZE_EXT = 3;
/** Config.MT of a CPU whose FTLB is in use. */
const WITH_FTLB = 4;

/**
 * Entries of a TLB, as its CPU tells: Config1.MMUSize, what Config4 has above it, and the FTLB that is described there:
 * FTLBWays, less 2, and the logarithm of FTLBSets.
 */
function tlbSize(cp0: readonly Cp0View[]): number {
  const read = (wanted: string): number => cp0.find(({ name }) => name === wanted)?.value ?? 0;
  const config4 = read("Config4");
  const base = ((read("Config1") >>> 25) & 63) + 1;
  const defined = (config4 >>> 14) & 3;
  if (defined === MMU_SIZE_EXT) return (config4 & 0xff) * 64 + base;
  if (defined !== VTLB_SIZE_EXT) return base;
  const vtlb = ((config4 >>> 24) & 15) * 64 + base;
  const hasFtlb = ((read("Config") >>> 7) & 7) === WITH_FTLB;
  return hasFtlb ? vtlb + ((((config4 >>> 4) & 15) + 2) << (config4 & 15)) : vtlb;
}

function code(
  inspection: Inspection,
  { around, before, after }: NonNullable<Watched["code"]>,
): NonNullable<Views["code"]> {
  return inspection.code(around === "pc" ? inspection.registers().pc : around, before, after);
}
