/**
 * Reader for Debian binary packages (deb(5)): an `ar` archive of `debian-binary` ("2.0"), `control.tar.*`
 * and `data.tar.*`. Needs neither dpkg nor root.
 */
import { createReadStream } from "node:fs";
import type { ArMember } from "../archives/ar.ts";
import { compressionOf } from "../archives/compression.ts";
import { shownName } from "../archives/errors.ts";
import { type TarMember, type TarVisit, walkTar } from "../archives/tar.ts";
import { readAr } from "./ar.ts";
import { decompress } from "./decompress.ts";
import { GuestError, GuestInputError, systemReason } from "./errors.ts";

/** A package whose control data has been read. */
export interface DebPackage {
  readonly path: string;
  readonly name: string;
  readonly version: string;
  /** Debian's name of the architecture: "mipsel", "all", … */
  readonly architecture: string;
  readonly data: ArMember;
}

/** Control files are a few kilobytes; more than this is no control file. */
const CONTROL_LIMIT = 1 << 20;

/**
 * Opens the package `path` and reads its control data.
 * @throws {GuestInputError} when it is no Debian package, is damaged or is cut off.
 */
export async function openDeb(path: string): Promise<DebPackage> {
  const members = await readAr(path);
  if (members[0]?.name !== "debian-binary") {
    throw new GuestInputError(path, "an ar archive, but not a Debian package");
  }
  const member = (stem: string): ArMember => {
    const found = members.find(({ name }) => name === stem || name.startsWith(`${stem}.`));
    if (found === undefined) throw new GuestInputError(path, `damaged: the package has no ${stem}`);
    return found;
  };
  const control = member("control.tar");
  const data = member("data.tar");
  let text: string | undefined;
  await walkMember(path, control, (entry) => {
    if (entry.name !== "control" || entry.size > CONTROL_LIMIT) return "skip";
    return async (body) => {
      const pieces = [];
      for await (const piece of body) pieces.push(piece);
      text = Buffer.concat(pieces).toString("utf8");
    };
  });
  if (text === undefined) throw new GuestInputError(path, "damaged: the package has no control file");
  const fields = controlFields(text);
  const field = (name: string): string => {
    const value = fields.get(name.toLowerCase());
    if (value === undefined) throw new GuestInputError(path, `damaged: its control file has no ${name}`);
    return value;
  };
  return {
    path,
    name: field("Package"),
    version: field("Version"),
    architecture: field("Architecture"),
    data,
  };
}

/**
 * Walks the files that the package would install (see {@link walkTar}); names are relative to the root.
 * @throws {GuestInputError} when the package is damaged.
 */
export function walkDeb(deb: DebPackage, visit: (member: TarMember) => TarVisit): Promise<void> {
  return walkMember(deb.path, deb.data, visit);
}

async function walkMember(
  path: string,
  member: ArMember,
  visit: (member: TarMember) => TarVisit,
): Promise<void> {
  if (member.size === 0) throw new GuestInputError(path, `damaged: its ${shownName(member.name)} is empty`);
  const range = (length: number) =>
    createReadStream(path, { start: member.offset, end: member.offset + length - 1 });
  try {
    const head: Buffer[] = [];
    for await (const piece of range(Math.min(member.size, 6))) head.push(piece as Buffer);
    await walkTar(decompress(range(member.size), compressionOf(Buffer.concat(head))), visit);
  } catch (error) {
    // A failure of the visitor's own (disk full while it writes) must not be blamed on the package.
    if (error instanceof GuestError) throw error;
    const reason = systemReason(error) ?? (error instanceof Error ? error.message : String(error));
    throw new GuestInputError(path, `cannot read its ${shownName(member.name)}: ${reason}`, { cause: error });
  }
}

/** Fields of a control file by lower-case name; continuation lines are left out (deb822(5)). */
function controlFields(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split("\n")) {
    const match = /^([!-9;-~]+):\s*(.*?)\s*$/.exec(line);
    if (match?.[1] !== undefined && match[2] !== undefined) fields.set(match[1].toLowerCase(), match[2]);
  }
  return fields;
}
