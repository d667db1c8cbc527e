/** What the command line tells its caller, and how. */

import { styled } from "../guests/colours.ts";

/** Exit statuses; a program that a signal ends has 128 and the signal's number, as in a shell. */
export const STATUS = {
  ok: 0,
  failed: 1,
  usage: 2,
  timeout: 124,
  /** With `--exec`: the guest has ended before the command did. */
  noStatus: 125,
  interrupted: 130,
  brokenPipe: 141,
} as const;

/** Something that ends kseg with one line on stderr. */
export class CliError extends Error {
  readonly exitStatus: 1 | 2;

  constructor(message: string, exitStatus: 1 | 2, options?: ErrorOptions) {
    super(message, options);
    this.name = "CliError";
    this.exitStatus = exitStatus;
  }
}

/** The user asked for what does not exist, or gave a file that is not what it has to be. */
export class UsageError extends CliError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, STATUS.usage, options);
    this.name = "UsageError";
  }
}

/** Whether errors come with their stacks: for work on kseg itself. */
const debugging = (): boolean => (process.env["KSEG_DEBUG"] ?? "") !== "";

/** One line about `error`; everything when KSEG_DEBUG is set. */
export function errorText(error: unknown): string {
  const kseg = styled("red", "kseg:", process.stderr);
  if (debugging() && error instanceof Error) return `${kseg} ${error.stack ?? error.message}`;
  if (error instanceof CliError) return `${kseg} ${oneLine(error.message)}`;
  const message = error instanceof Error ? error.message : String(error);
  return `${kseg} defect in kseg: ${oneLine(message)} (KSEG_DEBUG=1 shows where)`;
}

/** Control characters, line ends among them, as an escape would write them. */
export function oneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex -- they are what this is about
  return text.replaceAll(/[\u0000-\u001f\u007f]+/g, (found) =>
    /^\s+$/.test(found) ? " " : JSON.stringify(found),
  );
}
