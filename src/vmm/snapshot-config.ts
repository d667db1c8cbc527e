import type { GuestConfig } from "../guest.ts";
import { MEMORY_UNIT } from "./limits.ts";
import { decodeSnapshot } from "./snapshot-file.ts";

/** What of a guest's configuration its snapshots keep: not its files, nor what is chosen anew for each run. */
export type SnapshotConfig = Pick<
  GuestConfig,
  | "memory"
  | "mode"
  | "hostCpus"
  | "hostPageSize"
  | "refill"
  | "gvaRoots"
  | "guestTlb"
  | "fastExits"
  | "guestFpu"
  | "dyntrans"
  | "clock"
> & {
  /** The name of its model. */
  readonly hostCpu: string;
};

const onOff = (value: boolean): "on" | "off" => (value ? "on" : "off");

/**
 * The configuration of the guest that `snapshot` (`Guest.save`) was taken of, to be shown: `restoreGuest` knows it by
 * itself. Throws {@link SnapshotError} if the snapshot cannot be used.
 */
export function snapshotConfig(snapshot: Uint8Array): SnapshotConfig {
  const { hostCpu, memoryUnits, clock, hypervisor } = decodeSnapshot(snapshot).settings;
  const machine = { hostCpu, clock, memory: memoryUnits * MEMORY_UNIT };
  if (hypervisor === null) return { ...machine, mode: "bare" };
  const { hostCpus, hostPageSize, refill, gvaRoots, fastExits, guestFpu, dyntrans } = hypervisor;
  return {
    ...machine,
    mode: "te",
    ...{ hostCpus, hostPageSize, refill, gvaRoots },
    // One of those that the snapshot may have.
    guestTlb: hypervisor.guestTlb as NonNullable<GuestConfig["guestTlb"]>,
    fastExits: onOff(fastExits),
    guestFpu: onOff(guestFpu),
    dyntrans: onOff(dyntrans),
  };
}
