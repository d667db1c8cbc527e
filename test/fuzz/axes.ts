import { EVA_MAP, TE_MAP } from "../../src/kvm/guest-map.ts";
import type { HostKernelOptions } from "../../src/kvm/host-kernel.ts";
import type { VmOptions } from "../../src/kvm/vm.ts";
import { CPU_MODELS } from "../../src/machine/cpu-models.ts";
import { Random } from "./random.ts";

/*
 * What a seed can be, as data: guests and hosts are points in a space with these axes. A new setting of the
 * hypervisor is one more axis, and a line in `vmOptions` or `kernelOptions` below.
 */

/** The values that an axis has, each with its weight. The first is the plainest: comparisons start there. */
type Axis = readonly (readonly [weight: number, value: string | number | boolean])[];

/** What a guest can see, or is. */
const GUEST_AXES = {
  /** Anything anywhere; or data accesses to data, jumps to code, and registers with roles (see words.ts). */
  style: [
    [33, "tame"],
    [67, "wild"],
  ],
  map: [
    [65, "te"],
    [35, "eva"],
  ],
  endian: [
    [50, "little"],
    [50, "big"],
  ],
  /** Bytes of the smallest page that the guest maps. */
  guestPage: [
    [70, 4096],
    [30, 16384],
  ],
  /** Hosts with larger pages than the guest's are allowed: many a guest cannot go on there. */
  smallPages: [
    [90, false],
    [10, true],
  ],
  /** Accesses aim at the commpage and other strange addresses, and the VMM stores to it where it is mapped. */
  commpage: [
    [40, false],
    [60, true],
  ],
  branchesInSlots: [
    [50, false],
    [50, true],
  ],
  /** Entries of its TLB: with more than 64 come TLBINV and EHINV. */
  guestTlb: [
    [50, 64],
    [40, 128],
    [10, 512],
  ],
  /** A second VM runs in between. */
  victim: [
    [50, false],
    [50, true],
  ],
  /** It has the FPU of the host, and uses it. */
  fpu: [
    [60, false],
    [40, true],
  ],
} as const satisfies Record<string, Axis>;

/** How the host runs it: nothing here may show in the guest, but for {@link hides}. */
export const HOST_AXES = {
  model: [
    [15, "24Kc"],
    [15, "24Kc-kscratch"],
    [15, "24Kc-rixi"],
    [15, "34Kc"],
    [10, "24Kf"],
    [10, "34Kf"],
    [40, "P5600"],
  ],
  pageSize: [
    [65, 4096],
    [35, 16384],
  ],
  /** PTEs of two words, and EntryLo's upper half in use. */
  xpa: [
    [60, false],
    [40, true],
  ],
  refill: [
    [75, "fast"],
    [25, "slow"],
  ],
  /** Guest ASIDs whose tables the hypervisor keeps. */
  gvaRoots: [
    [40, 8],
    [30, 1],
    [30, 2],
  ],
  /** Simple privileged instructions, RDHWR and system calls are settled in generated code. */
  fastExits: [
    [30, false],
    [70, true],
  ],
  /** Instructions that trap are replaced; the guest has a commpage. */
  dyntrans: [
    [50, false],
    [50, true],
  ],
  engine: [
    [50, "interpreter"],
    [50, "translator"],
  ],
  /** With two CPUs the guest migrates between them now and then. */
  hostCpus: [
    [60, 1],
    [40, 2],
  ],
} as const satisfies Record<string, Axis>;

type Point<Axes extends Record<string, Axis>> = {
  readonly [Name in keyof Axes]: Axes[Name][number][1];
};

/** What a guest is, and the seed of what it does. */
export interface GuestPlan extends Point<typeof GUEST_AXES> {
  readonly seed: number;
}
/** The host that it is let loose on. */
export type HostPlan = Point<typeof HOST_AXES>;

/** Combinations that there are. */
const RULES: readonly ((guest: Point<typeof GUEST_AXES>, host: HostPlan) => boolean)[] = [
  // Only the P5600 has segmentation control and XPA.
  ({ map }, { model, xpa }) => model === "P5600" || (map === "te" && !xpa),
  ({ guestPage, smallPages }, { pageSize }) => pageSize <= guestPage || smallPages,
  ({ fpu }, { model }) => !fpu || CPU_MODELS[model]!.fpu !== null,
];

/** True if the guest cannot tell this host from the first that it ran on. */
function hides(guest: GuestPlan, host: HostPlan): boolean {
  // FPUs differ in FIR and in their NaNs.
  if (guest.fpu && host.model !== "P5600") return false;
  // A wild guest reads its own code, and finds the commpage.
  if (guest.style === "wild" && host.dyntrans) return false;
  return host.pageSize <= guest.guestPage;
}

/** What the hypervisor is told. */
export const kernelOptions = (guest: GuestPlan, host: HostPlan): HostKernelOptions => ({
  pageSize: host.pageSize,
  xpa: host.xpa,
  eva: guest.map === "eva",
});
/** What the VM is told. */
export const vmOptions = (guest: GuestPlan, host: HostPlan): VmOptions => ({
  map: { te: TE_MAP, eva: EVA_MAP }[guest.map],
  refill: host.refill,
  gvaRoots: host.gvaRoots,
  guestTlb: guest.guestTlb,
  fastExits: host.fastExits,
  dyntrans: host.dyntrans,
  fpu: guest.fpu,
});

/** Values that some axes are confined to, by name: what `--only model=P5600,map=eva` says. */
export type Only = Readonly<Record<string, string>>;

/** Draws a point. */
function draw<Axes extends Record<string, Axis>>(axes: Axes, random: Random, only: Only): Point<Axes> {
  const entries = Object.entries(axes).map(([name, values]): [string, unknown] => {
    const allowed = values.filter(([, value]) => only[name] === undefined || String(value) === only[name]);
    return [name, random.weighted(allowed.map(([weight, value]) => [weight, () => value] as const))];
  });
  return Object.fromEntries(entries) as Point<Axes>;
}

/** All points, those with the first values first. */
function points<Axes extends Record<string, Axis>>(axes: Axes): Point<Axes>[] {
  let all: Record<string, unknown>[] = [{}];
  for (const [name, values] of Object.entries(axes))
    all = all.flatMap((point) => values.map(([, value]) => ({ ...point, [name]: value })));
  return all as Point<Axes>[];
}

/** Tries to draw this often before it says that there is nothing that could be drawn. */
const MAX_DRAWS = 10_000;

function drawUntil<T>(make: () => T, fits: (value: T) => boolean): T {
  for (let i = 0; i < MAX_DRAWS; i++) {
    const value = make();
    if (fits(value)) return value;
  }
  throw new RangeError("no guest on any host is like that");
}

const STREAM = 7;

/** Why `only` names no axis or no value of one, or null. */
export function wrongOnly(only: Only): string | null {
  const axes: Record<string, Axis> = { ...GUEST_AXES, ...HOST_AXES };
  for (const [name, value] of Object.entries(only)) {
    const axis = axes[name];
    if (axis === undefined) return `no axis ${name}; there are ${Object.keys(axes).join(", ")}`;
    const values = axis.map((entry) => String(entry[1]));
    if (!values.includes(value)) return `${name} is one of ${values.join(", ")}`;
  }
  return null;
}

/** The guest of a seed and the host that it is let loose on. */
export function planOf(seed: number, only: Only = {}): { guest: GuestPlan; host: HostPlan } {
  const random = new Random(seed, STREAM);
  return drawUntil(
    () => ({ guest: { seed, ...draw(GUEST_AXES, random, only) }, host: draw(HOST_AXES, random, only) }),
    ({ guest, host }) => RULES.every((rule) => rule(guest, host)),
  );
}

/** `count` hosts on which a guest has to come to the same end, the plainest that there is first. */
export function comparableHosts(guest: GuestPlan, count: number): HostPlan[] {
  const random = new Random(guest.seed, STREAM + 1);
  const fits = (host: HostPlan): boolean => hides(guest, host) && RULES.every((rule) => rule(guest, host));
  const first = points(HOST_AXES).find(fits);
  if (first === undefined) throw new RangeError("no host fits");
  const others = Array.from({ length: count - 1 }, () =>
    drawUntil(
      () => draw(HOST_AXES, random, {}),
      (host) => fits(host),
    ),
  );
  return [first, ...others];
}

/** A point in words. */
export const describe = (plan: GuestPlan | HostPlan): string =>
  Object.entries(plan)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
