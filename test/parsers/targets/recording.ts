/** Recorded runs. An input is what comes behind the snapshot that a recording begins with, or with a K the whole file. */
import { ByteWriter } from "../../../src/state/byte-stream.ts";
import { FILE_HEADER_BYTES } from "../../../src/state/file-kind.ts";
import { SnapshotError } from "../../../src/state/snapshot-error.ts";
import type { LoggedInput } from "../../../src/vmm/input-log.ts";
import { decodeRecording, encodeRecording } from "../../../src/vmm/recording.ts";
import { DivergenceError, TimeTravel } from "../../../src/vmm/time-travel.ts";
import { checkRefusal, latin1, type Target } from "../../../tools/coverage-fuzzer/fuzz-target.ts";
import { isFile, withChecksum } from "./checksum.ts";
import { tinyGuest, WHILE } from "./tiny-guest.ts";

/** Ticks for which a run is repeated. */
const RUN = 3000;

export function openTarget(): Target {
  const guest = tinyGuest("bare");
  guest.run(WHILE);
  const image = guest.capture();
  const { time, instructions } = guest;
  const at = (later: number): Omit<LoggedInput, "input"> => ({
    time: time + later,
    instructions: instructions + later,
  });
  // What is in front of the inputs has nothing to do with how they are read.
  const front = encodeRecording({ snapshot: new Uint8Array(4), inputs: [] });
  const inputsAt = FILE_HEADER_BYTES + 4 + 4;
  const recorded = (inputs: readonly LoggedInput[]): Uint8Array =>
    encodeRecording({ snapshot: new Uint8Array(4), inputs });
  const seeds = [
    recorded([{ ...at(0), input: { kind: "console", bytes: Uint8Array.of(1, 2, 3) } }]),
    recorded([
      { ...at(0), input: { kind: "host-cpu", number: 0 } },
      { ...at(1000), input: { kind: "time", ticks: 50 } },
      { time: time + 1060, instructions: instructions + 1010, input: { kind: "mark", hash: "01234567" } },
    ]),
  ];
  const replay = (inputs: readonly LoggedInput[]): void => {
    if (inputs.length === 0) return;
    const outputs = { onConsole() {} };
    guest.reinstate(image);
    const travel = new TimeTravel(() => guest, outputs, { interval: RUN }, inputs);
    travel.run(RUN);
  };
  return {
    seeds: [...seeds, ...seeds.map((file) => file.subarray(inputsAt))],
    longest: 96,
    repair: (input) => (isFile(input) ? withChecksum(input) : input),
    take: (input) => {
      const contents = new ByteWriter();
      contents.raw(front.subarray(0, inputsAt));
      contents.raw(input);
      const file = isFile(input) ? input : withChecksum(contents.bytes);
      try {
        replay(decodeRecording(file).inputs);
      } catch (error) {
        checkRefusal(error, [SnapshotError, DivergenceError], latin1(input));
      }
    },
  };
}
