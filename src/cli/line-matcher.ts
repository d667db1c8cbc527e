/** A line longer than this is matched by its end only, in characters. */
const LONGEST_LINE = 4096;

/**
 * Looks for a regular expression in the lines of the console, without their line ends. The line that is still being
 * printed counts as far as it goes, so that prompts can be matched.
 */
export class LineMatcher {
  private readonly regex: RegExp;
  private readonly decoder = new TextDecoder();
  private line = "";

  constructor(regex: RegExp) {
    this.regex = regex;
  }

  /** Takes what was printed next; true if a line now matches. */
  matches(bytes: Uint8Array): boolean {
    const text = this.line + this.decoder.decode(bytes, { stream: true }).replaceAll("\r", "");
    const lines = text.split("\n");
    this.line = lines.at(-1)!.slice(-LONGEST_LINE);
    return lines.some((line) => this.regex.test(line));
  }
}
