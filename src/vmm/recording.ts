import { MAX_CPUS } from "../machine/machine.ts";
import { ByteWriter } from "../state/byte-stream.ts";
import { byteString, counter, integer, list, record, text, variants } from "../state/fields.ts";
import { FILE_HEADER_BYTES, finishFile, openFile, RECORDING_FILE } from "../state/file-kind.ts";
import type { GuestInput, LoggedInput } from "./input-log.ts";

/** A run that can be repeated: a snapshot of its start, and what the guest was given since. */
export interface Recording {
  readonly snapshot: Uint8Array;
  readonly inputs: readonly LoggedInput[];
}

/** More of each than there can be. */
const MOST_INPUTS = 2 ** 31;
const MOST_BYTES = 2 ** 31;

const INPUT = variants<"kind", GuestInput>("kind", {
  console: record<{ bytes: Uint8Array }>({ bytes: byteString(MOST_BYTES) }),
  "host-cpu": record<{ number: number }>({ number: integer(0, MAX_CPUS - 1) }),
  time: record<{ ticks: number }>({ ticks: counter }),
  mark: record<{ hash: string }>({ hash: text(8) }),
});

const INPUTS = list(
  record<LoggedInput>({ time: counter, instructions: counter, input: INPUT }),
  0,
  MOST_INPUTS,
);

/** Behind the header: length of the snapshot, the snapshot, and the inputs (`INPUTS`). */
export function encodeRecording({ snapshot, inputs }: Recording): Uint8Array {
  const contents = new ByteWriter();
  contents.word(snapshot.length);
  contents.raw(snapshot);
  INPUTS.write(contents, [...inputs]);
  const { bytes } = contents;
  const file = new Uint8Array(FILE_HEADER_BYTES + bytes.length);
  file.set(bytes, FILE_HEADER_BYTES);
  finishFile(RECORDING_FILE, file);
  return file;
}

/** Takes a recording apart. Throws SnapshotError. */
export function decodeRecording(bytes: Uint8Array): Recording {
  const reader = openFile(RECORDING_FILE, bytes);
  const snapshot = reader.raw(reader.word());
  const inputs = INPUTS.read(reader);
  reader.end();
  if (inputs.some(({ time }, n) => n > 0 && time < inputs[n - 1]!.time))
    reader.refuse("has inputs that are not in order");
  return { snapshot, inputs };
}
