/** What a snapshot under a right checksum says of the host, but no host has ever been in: refused, and harmless anyway. */
import { beforeAll, expect, it } from "vitest";
import { SnapshotError } from "../../src/index.ts";
import { ENTRY_HI, ENTRY_LO, CP0 } from "../../src/isa/cp0.ts";
import type { RunLoop, LoopSnapshot } from "../../src/kvm/run-loop.ts";
import type { MachineSnapshot } from "../../src/machine/machine-snapshot.ts";
import { CPU_MODELS } from "../../src/machine/cpu-models.ts";
import { TLB_ENTRY } from "../../src/machine/state-layout.ts";
import { ByteReader, ByteWriter } from "../../src/state/byte-stream.ts";
import type { Field } from "../../src/state/fields.ts";
import type { MachineGuest } from "../../src/vmm/machine-guest.ts";
import type { GuestImage } from "../../src/vmm/snapshot-file.ts";
import { tinyGuest } from "../parsers/targets/tiny-guest.ts";

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] extends Int32Array ? T[Key] : Mutable<T[Key]> };

/** Of a guest's state, what is changed here. */
type State = Mutable<{ machine: MachineSnapshot; vm: { vcpus: { loop: LoopSnapshot }[] } }>;

/** The inside of a guest that nobody else asks for. */
interface Insides {
  readonly stateField: Field<State>;
  readonly vm: { readonly vcpus: readonly { readonly loop: RunLoop }[] };
}
const insides = (guest: MachineGuest): Insides => guest as unknown as Insides;

/** Where the host's CPU is with respect to the guest. */
type Place = "in the guest" | "parked" | "resuming" | "entering";

/** The guest has not stored anything yet. */
const BEGINNING = 1;
const LIFE = 500;
const images = new Map<Place, GuestImage>();

beforeAll(() => {
  const capture = (place: Place, ...steps: readonly ("settle" | "leaveGuest" | "enterGuest")[]): void => {
    const guest = tinyGuest("te");
    guest.run(BEGINNING);
    const loop = insides(guest).vm.vcpus[0]!.loop as unknown as Record<(typeof steps)[number], () => void>;
    for (const step of steps) loop[step]();
    images.set(place, guest.capture());
  };
  capture("in the guest");
  capture("parked", "settle");
  capture("resuming", "settle", "enterGuest");
  capture("entering", "leaveGuest", "enterGuest");
});

/** The image of a guest whose host is in `place`, with a changed state. */
const changed = (place: Place, change: (state: State) => void): GuestImage =>
  changedImage(tinyGuest("te"), images.get(place)!, change);

/** An image of a guest like `guest`, with a changed state. */
function changedImage(guest: MachineGuest, image: GuestImage, change: (state: State) => void): GuestImage {
  const { stateField } = insides(guest);
  const state = stateField.read(new ByteReader(image.state, "state"));
  change(state);
  const writer = new ByteWriter();
  stateField.write(writer, state);
  return { ...image, state: writer.bytes };
}

const registersOf = ({ machine }: State) => machine.cpus[0]!.cpu.registers;

/** Words of the host's TLB, of which each entry has `TLB_ENTRY.words`. */
const tlbOf = ({ machine }: State) => machine.cpus[0]!.tlb;

/** Puts `words` into the host's TLB, from word `field` of entry `index` on. */
const setTlb =
  (index: number, field: keyof typeof TLB_ENTRY, ...words: readonly number[]) =>
  (state: State): void =>
    tlbOf(state).set(words, index * TLB_ENTRY.words + TLB_ENTRY[field]);

/** The valid entry of the host's TLB that maps the guest's code. */
function guestsEntry(state: State): Int32Array {
  const tlb = tlbOf(state);
  for (let at = 0; at < tlb.length; at += TLB_ENTRY.words)
    if ((tlb[at + TLB_ENTRY.entryLo0]! & ENTRY_LO.V) !== 0) return tlb.slice(at, at + TLB_ENTRY.words);
  throw new Error("the guest has no entry");
}

/** An entry of the host's TLB that is not valid, and has been dropped. */
const DROPPED = 3;
/**
 * With pages of 256 MiB it matches where all dropped entries do. The guest's first store has an entry dropped, which
 * ends in a machine check then.
 */
const hugePages = setTlb(DROPPED, "pageMask", 0x1fff_e000);

it.each<Place>(["in the guest", "parked", "resuming", "entering"])(
  "a host that is %s is restored",
  (place) => {
    const guest = tinyGuest("te");
    guest.reinstate(
      changed(place, () => {}),
      true,
    );
    expect(guest.run(LIFE)).toEqual({ kind: "running" });
  },
);

const TLB = "a host TLB has what no guest can have";
const MIDDLE = "a host CPU stands in the middle of the hypervisor";
/** An address of the guest's that it does not use. */
const GUESTS = 0x2000_0000;

it.each<[string, Place, (state: State) => void, string]>([
  ["an entry of the host TLB that matches where others do", "in the guest", hugePages, TLB],
  ["one for other pages", "in the guest", setTlb(DROPPED, "entryHi", GUESTS, 0x6000), TLB],
  ["one that is global", "in the guest", setTlb(DROPPED, "entryHi", GUESTS, 0, ENTRY_LO.G, ENTRY_LO.G), TLB],
  ["one with a higher address", "in the guest", setTlb(DROPPED, "high0", 1), TLB],
  ["one that was dropped elsewhere", "in the guest", setTlb(DROPPED, "entryHi", 0x8080_0000), TLB],
  [
    "one that was dropped and is valid",
    "in the guest",
    (state) => setTlb(DROPPED, "entryLo0", guestsEntry(state)[TLB_ENTRY.entryLo0]!)(state),
    TLB,
  ],
  [
    "the guest's twice",
    "in the guest",
    (state) => setTlb(DROPPED, "entryHi", ...guestsEntry(state))(state),
    TLB,
  ],
  [
    "an EntryHi with more than a page and an ASID",
    "in the guest",
    (state) => void (registersOf(state).cp0[CP0.EntryHi]! |= ENTRY_HI.EHINV),
    "EntryHi of host CPU 0 is wrong",
  ],
  [
    "a branch that is to be taken in the host's code",
    "resuming",
    (state) => void (registersOf(state).branchTarget = 0x1f0),
    MIDDLE,
  ],
  ["one at the entry", "entering", (state) => void (registersOf(state).branchTarget = 0x8000_0000), MIDDLE],
  [
    "a CPU that is parked at the entry",
    "entering",
    ({ vm }) => void (vm.vcpus[0]!.loop.phase = "parked"),
    MIDDLE,
  ],
])("refuses %s", (_, place, change, message) => {
  const attempt = () => tinyGuest("te").reinstate(changed(place, change), true);
  expect(attempt).toThrow(SnapshotError);
  expect(attempt).toThrow(`the snapshot is inconsistent: ${message}`);
});

it("refuses an entry of the host's FTLB that is in the set of others", () => {
  const { tlbEntries, ftlb } = CPU_MODELS["P5600"]!;
  const guest = tinyGuest("te", "P5600");
  guest.run(BEGINNING);
  const put = (set: number) => {
    const change = setTlb(tlbEntries + set, "entryHi", GUESTS, 0, 0, 0, 1);
    const image = changedImage(guest, guest.capture(), change);
    return () => tinyGuest("te", "P5600").reinstate(image, true);
  };
  expect(ftlb?.sets).toBeGreaterThan(1);
  expect(put(0)).not.toThrow();
  expect(put(1)).toThrow(`the snapshot is inconsistent: ${TLB}`);
});

it("a guest that cannot go on because of its host ends in a report that shows its code", () => {
  const guest = tinyGuest("te");
  // Not as what comes from a file: nothing is checked.
  guest.reinstate(changed("in the guest", hugePages));
  const result = guest.run(LIFE);
  expect(result).toMatchObject({
    kind: "failed",
    report: expect.stringMatching(/exits over and over[^]*> 4000800[048]: [0-9a-f]{8} \w/),
  });
});
