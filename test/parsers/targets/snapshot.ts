/**
 * Snapshots. Most of a file is pages and a checksum that no random change survives. So most inputs are not files but a
 * byte for the mode, one for the length of the settings, the settings and the state: pages and checksum are put to them
 * here. An input that begins like a file is one.
 */
import { isDeepStrictEqual } from "node:util";
import { crc32 } from "node:zlib";
import type { Mode } from "../../../src/index.ts";
import { ByteWriter } from "../../../src/state/byte-stream.ts";
import { FILE_HEADER_BYTES } from "../../../src/state/file-kind.ts";
import { SnapshotError } from "../../../src/state/snapshot-error.ts";
import { restoreMachineGuest } from "../../../src/vmm/create-guest.ts";
import type { MachineGuest } from "../../../src/vmm/machine-guest.ts";
import { SETTINGS } from "../../../src/vmm/settings.ts";
import { decodeSnapshot, encodeSnapshot, type GuestImage } from "../../../src/vmm/snapshot-file.ts";
import { checkRefusal, latin1, type Target } from "../../../tools/coverage-fuzzer/fuzz-target.ts";
import { isFile, withChecksum } from "./checksum.ts";
import { tinyGuest, WHILE } from "./tiny-guest.ts";

/** Time that a guest is given after it was restored, in ticks. */
const LIFE = 500;
/** What the hypervisor would do with other settings is tried with one of so many inputs: it takes a hundred times longer. */
const BUILT = 256;
const MOST_UNITS = 4;

/** A guest into which states are put again and again, and what belongs to them. */
class Rig {
  private guest: MachineGuest;
  readonly image: GuestImage;
  /** The snapshot's file, in front of its settings and behind its state. */
  readonly header: Uint8Array;
  readonly pages: Uint8Array;
  private pristine: GuestImage;
  private readonly mode: Mode;

  constructor(mode: Mode) {
    this.mode = mode;
    const other = tinyGuest(mode);
    other.run(WHILE);
    this.image = other.capture();
    other.destroy();
    const file = encodeSnapshot(this.image);
    this.header = file.subarray(0, FILE_HEADER_BYTES);
    const { length } = encodeSnapshot({ ...this.image, ram: new Map() });
    // In front of the pages is how many there are.
    this.pages = file.subarray(length - 4);
    this.guest = tinyGuest(mode);
    this.pristine = this.guest.capture();
  }

  /** What is left of a snapshot without pages and checksum. */
  get input(): Uint8Array {
    const settings = new ByteWriter();
    SETTINGS.write(settings, this.image.settings);
    const { bytes } = settings;
    return Uint8Array.of(MODES.indexOf(this.mode), bytes.length, ...bytes, ...this.image.state);
  }

  /** Restores a snapshot and lets the guest run. Throws SnapshotError, if nothing is wrong. */
  restore({ settings, ...image }: GuestImage): void {
    if (!isDeepStrictEqual(settings, this.image.settings)) return;
    try {
      this.guest.reinstate(image, true);
      this.guest.run(LIFE);
    } catch (error) {
      // What was refused while it was read has changed nothing.
      const isUntouched =
        error instanceof SnapshotError && error.message.startsWith("the snapshot cannot be used: state");
      if (!isUntouched) this.renew();
      throw error;
    }
    this.renew();
  }

  /** A guest with a foreign state is not one to put another into, as a new one is: if it must be, one is made. */
  private renew(): void {
    try {
      this.guest.reinstate(this.pristine);
    } catch {
      this.guest = tinyGuest(this.mode);
      this.pristine = this.guest.capture();
    }
  }
}

const MODES: readonly Mode[] = ["bare", "te"];

/** The file that an input stands for. */
function fileOf(input: Uint8Array, { header, pages }: Rig): Uint8Array {
  const settings = input.subarray(2, 2 + input[1]!);
  const state = input.subarray(2 + settings.length);
  const contents = new ByteWriter();
  for (const part of [settings, state]) {
    contents.word(part.length);
    contents.raw(part);
  }
  const front = contents.bytes;
  const file = new Uint8Array(FILE_HEADER_BYTES + front.length + pages.length);
  file.set(header);
  file.set(front, FILE_HEADER_BYTES);
  file.set(pages, FILE_HEADER_BYTES + front.length);
  return withChecksum(file);
}

/** What a guest is restored into: a snapshot's may have either clock. */
const SURROUNDINGS = { engine: "interp", now: () => 0, onConsole() {} } as const;

export function openTarget(): Target {
  const rigs = MODES.map((mode) => new Rig(mode));
  const small = { ...rigs[0]!.image, ram: new Map([[3, new Uint8Array(4096)]]) };
  const restore = (input: Uint8Array): void => {
    const rig = rigs[input[0]! % rigs.length]!;
    const file = isFile(input) ? input : fileOf(input, rig);
    const image = decodeSnapshot(file);
    const { memoryUnits } = image.settings;
    if (crc32(input) % BUILT === 0 && memoryUnits <= MOST_UNITS)
      restoreMachineGuest(file, SURROUNDINGS).destroy();
    else
      try {
        rig.restore(image);
      } catch (error) {
        // A guest that was another before is not held to what a new one is.
        if (error instanceof SnapshotError) throw error;
        restoreMachineGuest(file, SURROUNDINGS).run(LIFE);
      }
  };
  return {
    seeds: [...rigs.map(({ input }) => input), encodeSnapshot(small)],
    longest: 12_000,
    repair: (input) => (isFile(input) ? withChecksum(input) : input),
    take: (input) => {
      if (input.length < 2) return;
      try {
        restore(input);
      } catch (error) {
        checkRefusal(error, [SnapshotError], latin1(input));
      }
    },
  };
}
