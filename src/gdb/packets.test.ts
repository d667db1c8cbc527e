import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  escapeText,
  fromHex,
  MAX_PACKET,
  packetOf,
  PacketReader,
  parseNumber,
  textToHex,
  toHex,
  unescapeBytes,
  type PacketEvent,
} from "./packets.ts";

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** What `text` brings, taken in pieces of `size` bytes. */
function eventsOf(text: string, size = text.length): PacketEvent[] {
  const reader = new PacketReader();
  const events: PacketEvent[] = [];
  for (let at = 0; at < text.length; at += Math.max(size, 1))
    events.push(...reader.take(bytesOf(text.slice(at, at + size))));
  return events;
}

describe("packets", () => {
  test("have the sum of the protocol", () => {
    expect(packetOf("OK")).toBe("$OK#9a");
    expect(packetOf("")).toBe("$#00");
  });

  test("are read wherever they are torn apart, between acknowledgements", () => {
    const text = `+${packetOf("g")}-\u0003${packetOf("m40100000,4")}`;
    const expected: PacketEvent[] = [
      { kind: "ack" },
      { kind: "packet", body: "g" },
      { kind: "resend" },
      { kind: "interrupt" },
      { kind: "packet", body: "m40100000,4" },
    ];
    for (let size = 1; size <= text.length; size++) expect(eventsOf(text, size)).toEqual(expected);
  });

  test.each(["$g#00", "$g#zz", "$g#6"])("%s is broken, and what follows is read", (text) => {
    const events = eventsOf(`${text}${packetOf("g")}`);
    expect(events.at(-1)).toEqual({ kind: "packet", body: "g" });
    expect(events.filter(({ kind }) => kind === "packet")).toHaveLength(1);
  });

  test("that are too long are broken, whatever their sum, and are not kept", () => {
    const longest = "m".repeat(MAX_PACKET);
    expect(eventsOf(packetOf(longest))).toEqual([{ kind: "packet", body: longest }]);
    expect(eventsOf(packetOf("m".repeat(MAX_PACKET + 10)))).toEqual([{ kind: "broken" }]);
    expect(eventsOf(`${packetOf("m".repeat(1 << 18))}${packetOf("g")}`)).toEqual([
      { kind: "broken" },
      { kind: "packet", body: "g" },
    ]);
  });

  test("of any content come back", () => {
    const body = fc.string({ unit: fc.constantFrom(...Array.from("abcXZ0123456789,;:=*}+-\u0003\u00ff")) });
    fc.assert(
      fc.property(fc.array(body), fc.integer({ min: 1, max: 9 }), (bodies, size) => {
        expect(
          eventsOf(bodies.map(packetOf).join("+"), size).filter(({ kind }) => kind === "packet"),
        ).toEqual(bodies.map((text) => ({ kind: "packet", body: text })));
      }),
    );
  });
});

describe("what is in bodies", () => {
  test("bytes become digits, and digits bytes", () => {
    expect(toHex(Uint8Array.of(0, 0xab, 0xff))).toBe("00abff");
    expect(textToHex("OK\n")).toBe("4f4b0a");
    expect(fromHex("00ABff")).toEqual(Uint8Array.of(0, 0xab, 0xff));
    for (const wrong of ["0", "0g", " 0", "00 "]) expect(fromHex(wrong)).toBeNull();
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(fromHex(toHex(bytes))).toEqual(bytes);
      }),
    );
  });

  test("numbers are of 32 bits, their sign perhaps extended", () => {
    expect(parseNumber("80000180")).toBe(0x8000_0180);
    expect(parseNumber("ffffffff80000180")).toBe(0x8000_0180);
    for (const wrong of ["", "-1", "g", "0x10", "1".repeat(17)]) expect(parseNumber(wrong)).toBeNull();
  });

  test("what has a meaning is escaped", () => {
    expect(escapeText("a$b#c}d*e")).toBe("a}\u0004b}\u0003c}]d}\ne");
    expect(unescapeBytes("a}\u0004b}]")).toEqual(bytesOf("a$b}"));
    expect(unescapeBytes("a}")).toBeNull();
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(unescapeBytes(escapeText(String.fromCharCode(...bytes)))).toEqual(bytes);
      }),
    );
  });
});
