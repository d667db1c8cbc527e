/** What a guest prints, where kseg looks for something in it; and what is typed to it. */
import { CommandSession } from "../../../src/cli/command-session.ts";
import { EscapeKeys } from "../../../src/cli/escape-keys.ts";
import { LineMatcher } from "../../../src/cli/line-matcher.ts";
import { COMMAND_READY, COMMAND_STATUS } from "../../../src/guests/names.ts";
import type { Target } from "../../../tools/coverage-fuzzer/fuzz-target.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Pieces of output; the length of a piece is its first byte. */
function* piecesOf(input: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < input.length; at += 1 + input[at]!) yield input.subarray(at + 1, at + 1 + input[at]!);
}

const piece = (text: string): number[] => [text.length, ...bytesOf(text)];

export function openTarget(): Target {
  // Making a context takes longer than all else.
  const matcher = new LineMatcher(/^(login|kseg).*: $/);
  return {
    seeds: [
      [...piece("booting\r\n"), ...piece(`${COMMAND_READY}\n`), ...piece(`${COMMAND_STATUS}3\n`)],
      [...piece("Kernel panic - not syncing: VFS: Unable to mount root fs\n"), ...piece("login: ")],
      [...piece("\u0001x"), ...piece("\u0001"), ...piece("h\u0001\u0001s")],
    ].map((bytes) => Uint8Array.from(bytes)),
    longest: 1 << 14,
    take: (input) => {
      const keys = new EscapeKeys();
      let sent = 0;
      const session = new CommandSession((bytes) => (sent += bytes.length));
      for (const part of piecesOf(input)) {
        session.takeConsole(part);
        session.input(part);
        for (const typed of keys.take(part)) if (typed.kind === "input") sent += typed.bytes.length;
      }
      matcher.matches(input);
      matcher.sliceEnded();
      session.endingOf({ kind: "stuck" });
      const { status } = session;
      if (status !== null && !(status >= 0 && status <= 999)) throw new Error(`status ${status}`);
      // So much as each byte, framed, and typed.
      if (sent > 8 * input.length + 64) throw new Error(`${input.length} bytes become ${sent}`);
    },
  };
}
