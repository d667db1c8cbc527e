import { createContext, Script, type Context } from "node:vm";
import { CliError, STATUS } from "./errors.ts";

/** A line longer than this is looked at in pieces, which overlap by half; in characters. */
const LONGEST_LINE = 4096;

/** Longest that the lines of one piece of output may take to match, in milliseconds: usually it is microseconds. */
const PATIENCE = 1000;

/** What can be stopped: some expressions take time that grows exponentially with the line. */
const SCRIPT = new Script("lines.some((line) => regex.test(line))");

/**
 * Looks for a regular expression in the lines of the console, without their line ends. Lines are looked at once
 * they have ended, and the last one, so that prompts can be matched, once the console is silent. So it does not
 * depend on the pieces in which the output comes.
 */
export class LineMatcher {
  private readonly context: Context;
  private readonly decoder = new TextDecoder();
  private line = "";
  /** The last line has not been looked at as it is now. */
  private changed = false;
  private printedInSlice = false;

  constructor(regex: RegExp) {
    this.context = createContext({ regex });
  }

  /**
   * Takes what was printed next; true if a line that ended matches. Throws {@link CliError} if that cannot be
   * found out in time.
   */
  matches(bytes: Uint8Array): boolean {
    this.printedInSlice = true;
    this.changed = true;
    const text = this.line + this.decoder.decode(bytes, { stream: true }).replaceAll("\r", "");
    const pieces = text.split("\n").map(inPieces);
    this.line = pieces.at(-1)!.pop()!;
    const lines = pieces.flat();
    return lines.length > 0 && this.test(lines);
  }

  /**
   * To be told at equal distances of guest time. True if nothing was printed meanwhile, and the last line
   * matches. Throws as `matches` does.
   */
  sliceEnded(): boolean {
    if (!this.printedInSlice) return this.silent();
    this.printedInSlice = false;
    return false;
  }

  /** The guest waits and prints no more for now: true if the last line matches. Throws as `matches` does. */
  silent(): boolean {
    if (!this.changed || this.line === "") return false;
    this.changed = false;
    return this.test([this.line]);
  }

  private test(lines: readonly string[]): boolean {
    this.context["lines"] = lines;
    try {
      return SCRIPT.runInContext(this.context, { timeout: PATIENCE }) as boolean;
    } catch (error) {
      // An error of the context, and so no `Error` of ours.
      if ((error as { code?: unknown }).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
      throw new CliError("--exit-on: the regular expression takes too long: make it simpler", STATUS.failed, {
        cause: error,
      });
    }
  }
}

function inPieces(line: string): string[] {
  const pieces: string[] = [];
  let rest = line;
  for (; rest.length > LONGEST_LINE; rest = rest.slice(LONGEST_LINE / 2))
    pieces.push(rest.slice(0, LONGEST_LINE));
  return [...pieces, rest];
}
