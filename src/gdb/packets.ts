/**
 * Packets of the gdb remote protocol (GDB manual, "Overview" of the protocol): `$`, the body, `#` and two digits of its
 * sum. Between packets `+` and `-` acknowledge, and a lone byte 3 asks for a stop. Strings here are of bytes, a
 * character each.
 */

/** Longest body that is taken, as the debugger is told: enough to write a page of memory in digits. */
export const MAX_PACKET = 0x4000;

const INTERRUPT = "\u0003";

/** What a stream of bytes brings. */
export type PacketEvent =
  | { readonly kind: "packet"; readonly body: string }
  /** A packet that was not understood: with a wrong sum, or too long. */
  | { readonly kind: "broken" }
  /** The last packet came to the debugger, or has to be sent again. */
  | { readonly kind: "ack" | "resend" }
  | { readonly kind: "interrupt" };

const checksum = (body: string): number => {
  let sum = 0;
  for (let at = 0; at < body.length; at++) sum = (sum + body.charCodeAt(at)) & 0xff;
  return sum;
};

export const hexByte = (value: number): string => (value & 0xff).toString(16).padStart(2, "0");

/** The packet with body `body`, in which `$`, `#`, `}` and `*` have to be escaped already. */
export function packetOf(body: string): string {
  return `$${body}#${hexByte(checksum(body))}`;
}

/** Cuts what comes from a debugger into packets, wherever it is torn apart. */
export class PacketReader {
  /** A packet that has begun, from behind its `$`; null between packets. */
  private begun: string | null = null;
  private tooLong = false;

  /** Takes bytes, and yields what is complete with them. */
  *take(bytes: Uint8Array): Generator<PacketEvent> {
    for (const byte of bytes) {
      const event = this.takeByte(String.fromCharCode(byte));
      if (event !== null) yield event;
    }
  }

  private takeByte(character: string): PacketEvent | null {
    if (character === "$") {
      this.begun = "";
      this.tooLong = false;
      return null;
    }
    if (this.begun === null) return betweenPackets(character);
    const body = this.begun + character;
    const end = body.length - 3;
    if (body[end] === "#") {
      this.begun = null;
      const sum = body.slice(end + 1);
      const isRight =
        !this.tooLong && /^[0-9a-f]{2}$/i.test(sum) && parseInt(sum, 16) === checksum(body.slice(0, end));
      return isRight ? { kind: "packet", body: body.slice(0, end) } : { kind: "broken" };
    }
    // Of a packet that is too long nothing but its end is of interest.
    this.tooLong ||= body.length > MAX_PACKET + 3;
    this.begun = this.tooLong ? body.slice(-3) : body;
    return null;
  }
}

function betweenPackets(character: string): PacketEvent | null {
  if (character === "+") return { kind: "ack" };
  if (character === "-") return { kind: "resend" };
  return character === INTERRUPT ? { kind: "interrupt" } : null;
}

// --- what is in bodies ---

/** Bytes as hexadecimal digits. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += hexByte(byte);
  return text;
}

/** Text of Latin-1 as hexadecimal digits. */
export function textToHex(text: string): string {
  return toHex(Uint8Array.from(text, (character) => character.charCodeAt(0)));
}

/** The bytes that pairs of hexadecimal digits stand for, or null if there is something else. */
export function fromHex(digits: string): Uint8Array | null {
  if (digits.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(digits)) return null;
  return Uint8Array.from({ length: digits.length / 2 }, (_, n) =>
    parseInt(digits.slice(2 * n, 2 * n + 2), 16),
  );
}

/** A number in hexadecimal digits, or null: not a number, or one that no register holds. */
export function parseNumber(digits: string): number | null {
  if (!/^[0-9a-f]{1,16}$/i.test(digits)) return null;
  // Debuggers extend the sign of 32-bit addresses.
  return parseInt(digits.slice(-8), 16);
}

const ESCAPE = "}";
const MUST_ESCAPE: ReadonlySet<string> = new Set(["$", "#", ESCAPE, "*"]);
const ESCAPE_BIT = 0x20;

/** Text with its special characters escaped, as in the answers of `qXfer`. */
export function escapeText(text: string): string {
  return Array.from(text)
    .map((c) => (MUST_ESCAPE.has(c) ? ESCAPE + String.fromCharCode(c.charCodeAt(0) ^ ESCAPE_BIT) : c))
    .join("");
}

/** The bytes of escaped binary data (`X`), or null if it ends in an escape. */
export function unescapeBytes(data: string): Uint8Array | null {
  const bytes: number[] = [];
  for (let at = 0; at < data.length; at++) {
    if (data[at] !== ESCAPE) bytes.push(data.charCodeAt(at));
    else if (++at < data.length) bytes.push(data.charCodeAt(at) ^ ESCAPE_BIT);
    else return null;
  }
  return Uint8Array.from(bytes);
}
