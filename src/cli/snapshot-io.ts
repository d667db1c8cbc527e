/** Snapshots and recordings as files: packed by gzip, so that browsers can read and write them as well. */
import { gunzip, gzipSync } from "node:zlib";
import { promisify } from "node:util";
import { SnapshotError } from "../index.ts";
import { UsageError } from "./errors.ts";
import { readInput } from "./input-files.ts";
import { OutputFile } from "./output-file.ts";

/** What a gzip file begins with (RFC 1952, 2.3.1). */
const GZIP_MAGIC = [0x1f, 0x8b] as const;
/** Higher levels take several times as long and save a tenth. */
const LEVEL = 1;
/** More than any guest's state: a file that unpacks to more is none. */
const LARGEST = 2 ** 31 + 2 ** 28;

const unpack = promisify(gunzip);

/**
 * Reads the snapshot or recording that a flag names, packed or not. Throws {@link UsageError}, and the signal's reason if `stop` was
 * aborted.
 */
export async function readSnapshot(flag: string, file: string, stop?: AbortSignal): Promise<Uint8Array> {
  const bytes = await readInput(flag, file, stop);
  if (!GZIP_MAGIC.every((byte, n) => bytes[n] === byte)) return bytes;
  try {
    return await unpack(bytes, { maxOutputLength: LARGEST });
  } catch (error) {
    throw new UsageError(`${flag} ${file}: the file is damaged or not complete`, { cause: error });
  }
}

/** The flag that takes a file of each kind. */
const FLAG_FOR = { snapshot: "--restore", recording: "--replay" } as const;

/** What `use` makes of the snapshot in `file`. Throws {@link UsageError} if it cannot be used. */
export function withSnapshot<T>(flag: string, file: string, use: () => T): T {
  try {
    return use();
  } catch (error) {
    if (!(error instanceof SnapshotError)) throw error;
    const hint = error.found === null ? "" : `: use ${FLAG_FOR[error.found]}`;
    throw new UsageError(`${flag} ${file}: ${error.message}${hint}`, { cause: error });
  }
}

/** Where snapshots of a run go, or its recording: the file of `--save` or `--record`. */
export class SnapshotFile {
  private readonly file: OutputFile;
  private readonly name: string;

  /** Throws {@link UsageError} if the file cannot be written. `inputs` are files that the run reads. */
  constructor(flag: "--save" | "--record", name: string, inputs: readonly (string | undefined)[]) {
    this.name = name;
    this.file = new OutputFile(flag, name, inputs);
  }

  /** Writes a snapshot or recording, in the place of the one before. Returns a line that says so. Throws {@link CliError}. */
  async write(snapshot: Uint8Array): Promise<string> {
    const packed = gzipSync(snapshot, { level: LEVEL });
    await this.file.writeWhole(packed);
    const size =
      packed.length < 1e6 ? `${Math.ceil(packed.length / 1e3)} kB` : `${(packed.length / 1e6).toFixed(1)} MB`;
    return `saved ${this.name} (${size})`;
  }
}
