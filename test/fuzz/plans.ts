import type { HostPageSize } from "../../src/kvm/page-format.ts";
import type { GuestPlan, HostPlan } from "./hostile-vm.ts";
import { Random } from "./random.ts";

const STREAM = 7;
const MODELS = ["24Kc", "24Kc-kscratch", "24Kc-rixi", "34Kc"] as const;

/** The guest of a seed and the host that it is let loose on. Two seeds of three are wild. */
export function planOf(seed: number): { guest: GuestPlan; host: HostPlan } {
  const random = new Random(seed, STREAM);
  const pageSize: HostPageSize = random.chance(70) ? 4096 : 16384;
  const guest: GuestPlan = {
    seed,
    style: random.chance(67) ? "wild" : "tame",
    endian: random.chance(50) ? "little" : "big",
    guestPage: random.chance(90) ? pageSize : 4096,
    commpage: random.chance(60),
    branchesInSlots: random.chance(50),
    victim: random.chance(50),
  };
  const host: HostPlan = {
    model: random.pick(MODELS),
    pageSize,
    refill: random.chance(75) ? "fast" : "slow",
    dyntrans: random.chance(75),
    engine: random.pick(["interpreter", "translator"] as const),
    gvaRoots: random.pick([1, 2, 8]),
  };
  return { guest, host };
}
