/** The files that a run is given, and the demo guest's that come with kseg. */
import { readFile, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { systemReason } from "../guests/index.ts";
import type { Mode } from "../index.ts";
import { UsageError } from "./errors.ts";

/** More than the machine can have of memory. */
const LARGEST = 2 ** 31 - 1;

/** Reads a file that the user named. Throws {@link UsageError} with the flag and file in the message. */
export async function readInput(flag: string, file: string): Promise<Uint8Array> {
  const refuse = (why: string, cause?: unknown): UsageError =>
    new UsageError(`${flag} ${file}: ${why}`, { cause });
  try {
    const info = await stat(file);
    if (info.isDirectory()) throw refuse("is a directory; give a file");
    if (info.isCharacterDevice() || info.isBlockDevice()) throw refuse("is a device; give a file");
    if (info.size > LARGEST) throw refuse("is larger than any memory of the machine");
    return await readFile(file);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw refuse(systemReason(error) ?? (error instanceof Error ? error.message : String(error)), error);
  }
}

/** The demo guest's kernel for this way to run it. */
export function demoKernel(mode: Mode, hostPageSize: number): string {
  const te = hostPageSize === 16384 ? "demo-te-16k.elf" : "demo-te.elf";
  return fileURLToPath(
    new URL(`../../guests/demo/${mode === "bare" ? "demo-bare.elf" : te}`, import.meta.url),
  );
}
