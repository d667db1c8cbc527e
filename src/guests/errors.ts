/**
 * What can go wrong while real guests are obtained, as typed errors. Each message is one line that says
 * what is wrong and, where the user can do something, what to do.
 */
import { getSystemErrorMap } from "node:util";

/** Base of every error of this layer; `exitStatus` is what a command line program should end with. */
export class GuestError extends Error {
  /** 1: something failed on the way; 2: the request or an input file is wrong. */
  readonly exitStatus: 1 | 2;

  constructor(message: string, exitStatus: 1 | 2, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.exitStatus = exitStatus;
  }
}

/** A file given by the user (or found in a package) is not what it has to be. */
export class GuestInputError extends GuestError {
  readonly path: string;
  readonly reason: string;

  constructor(path: string, reason: string, options?: ErrorOptions) {
    super(`${path}: ${reason}`, 2, options);
    this.path = path;
    this.reason = reason;
  }
}

/** The request itself makes no sense: an unknown guest, a bad page size, nothing to import. */
export class GuestUsageError extends GuestError {
  constructor(message: string) {
    super(message, 2);
  }
}

/** Programs or headers that the work needs are not on this machine. */
export class MissingToolsError extends GuestError {
  /** What is missing, by the name of the program or header. */
  readonly missing: readonly string[];
  /** The Debian packages that hold them. */
  readonly packages: readonly string[];

  constructor(missing: readonly string[], packages: readonly string[], otherwise = "") {
    super(
      `missing on this machine: ${missing.join(", ")}; on Debian install: ${packages.join(" ")}` +
        (otherwise === "" ? "" : `; ${otherwise}`),
      1,
    );
    this.missing = missing;
    this.packages = packages;
  }
}

/** A guest is not in the cache (yet), or what is there may not be used. */
export class GuestMissingError extends GuestError {
  readonly guest: string;
  /** The command that would put it there. */
  readonly command: string;

  constructor(guest: string, reason: string, command: string) {
    super(`guest ${guest}: ${reason}; run: ${command}`, 2);
    this.guest = guest;
    this.command = command;
  }
}

/** A program that was started failed. */
export class CommandFailedError extends GuestError {
  readonly command: string;
  /** Exit status, or the name of the signal that ended it. */
  readonly status: number | string;
  /** The line of its output that tells most, or an empty string. */
  readonly detail: string;
  /** The signal that this process was asked to end by, and passed on to the program; null if there was none. */
  readonly stoppedBy: NodeJS.Signals | null;

  constructor(
    command: string,
    status: number | string,
    detail: string,
    hint = "",
    stoppedBy: NodeJS.Signals | null = null,
  ) {
    super(
      `${command} failed (${typeof status === "number" ? `status ${status}` : status})` +
        (detail === "" ? "" : `: ${detail}`) +
        (hint === "" ? "" : `; ${hint}`),
      1,
    );
    this.command = command;
    this.status = status;
    this.detail = detail;
    this.stoppedBy = stoppedBy;
  }
}

/** Contents do not have the checksum they must have. */
export class ChecksumError extends GuestError {
  readonly path: string;
  readonly expected: string;
  readonly actual: string;

  constructor(path: string, expected: string, actual: string) {
    super(
      `${path}: SHA-256 is ${actual.slice(0, 16)}…, expected ${expected.slice(0, 16)}…: the file was changed or damaged; obtain it again`,
      1,
    );
    this.path = path;
    this.expected = expected;
    this.actual = actual;
  }
}

/** The cache cannot be read or written: disk full, no permission, another kseg at work, something damaged. */
export class CacheError extends GuestError {
  readonly path: string;

  constructor(path: string, reason: string, options?: ErrorOptions) {
    super(`${path}: ${reason}`, 1, options);
    this.path = path;
  }
}

/** Plainer words than the system's own, by error code. */
const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  ENOSPC: "no space left on the disk",
  EDQUOT: "disk quota exceeded",
  EROFS: "the file system is read-only",
  EISDIR: "is a directory",
  ENOTDIR: "a part of the path is not a directory",
  EIO: "input/output error",
  ELOOP: "its links lead in a circle, or through too many others",
  ENAMETOOLONG: "the path or a name in it is too long",
  ENXIO: "is a socket, or a pipe or device with nobody at its other end",
  EPIPE: "nobody reads the pipe",
};

/** The operating system's error code of `error`, if it has one. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** Plain words for a failed system call, without its code, or undefined for any other kind of error. */
export function systemReason(error: unknown): string | undefined {
  const code = systemCode(error);
  if (code === undefined || !/^E[A-Z0-9]+$/.test(code)) return undefined;
  const errno = error instanceof Error && "errno" in error ? error.errno : undefined;
  const known = typeof errno === "number" ? getSystemErrorMap().get(errno)?.[1] : undefined;
  return SYSTEM_ERRORS[code] ?? known ?? "the system refused, without a reason";
}
