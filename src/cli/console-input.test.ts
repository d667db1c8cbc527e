import { PassThrough } from "node:stream";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ConsoleInput } from "./console-input.ts";

/** An input, its stream, and a record of what it tells its listener. */
function setUp(isFile = false) {
  const stream = new PassThrough();
  const input = new ConsoleInput(stream, isFile);
  const events: string[] = [];
  const listen = (): void =>
    input.listen({
      onBytes: (bytes) => events.push(Buffer.from(bytes).toString()),
      onEnd: () => events.push("end"),
      onError: (error) => events.push(error.message),
    });
  return { stream, input, events, listen };
}

const never = (): boolean => false;
/** Lets this much time pass, without waiting for it. */
const soon = (milliseconds: number): Promise<unknown> => vi.advanceTimersByTimeAsync(milliseconds);
/** Lets streams hand on what they have. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("ConsoleInput", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
  afterEach(() => void vi.useRealTimers());

  it("keeps what comes before anybody listens", async () => {
    const { stream, input, events, listen } = setUp();
    stream.write("one");
    stream.end("two");
    await input.readAhead(never);
    expect(input.ended).toBe(true);
    listen();
    expect(events).toEqual(["one", "two", "end"]);
  });

  it("gives all of the input that has ended before anybody listens, and nothing before its end", async () => {
    const { stream, input, events, listen } = setUp();
    stream.write("one");
    const ahead = input.readAhead(never);
    await soon(1000);
    await ahead;
    expect(input.takeWhole()).toBeNull();
    stream.end("two");
    await input.readAhead(never);
    expect(Buffer.from(input.takeWhole()!).toString()).toBe("onetwo");
    listen();
    expect(events).toEqual(["end"]);
  });

  it("waits before the start as long as more comes, and no longer", async () => {
    const { stream, input, events, listen } = setUp();
    let started = false;
    const ahead = input.readAhead(never).then(() => (started = true));
    for (const text of ["1", "2", "3"]) {
      stream.write(text);
      await settle();
      await soon(90);
      expect(started).toBe(false);
    }
    await soon(150);
    await ahead;
    listen();
    expect(events).toEqual(["1", "2", "3"]);
    expect(input.ended).toBe(false);
    stream.write("late");
    await settle();
    expect(events).toEqual(["1", "2", "3", "late"]);
  });

  it("waits for the end of a file, however slow", async () => {
    const { stream, input, events, listen } = setUp(true);
    const ahead = input.readAhead(never);
    await soon(5000);
    stream.end("slow");
    await ahead;
    listen();
    expect(events).toEqual(["slow", "end"]);
  });

  it("stops waiting when the run is over", async () => {
    const { input } = setUp(true);
    let stopped = false;
    const ahead = input.readAhead(() => stopped);
    await soon(5000);
    stopped = true;
    await soon(100);
    await ahead;
    expect(input.ended).toBe(false);
  });

  it("reads no faster than the guest takes", async () => {
    const { stream, input, events, listen } = setUp();
    listen();
    input.regulate(1 << 20);
    stream.write("x");
    await settle();
    expect(events).toEqual([]);
    input.regulate(0);
    await settle();
    expect(events).toEqual(["x"]);
  });

  it("tells errors in words", async () => {
    const { stream, input, events, listen } = setUp();
    stream.destroy(Object.assign(new Error("EISDIR"), { code: "EISDIR" }));
    await input.readAhead(never);
    listen();
    expect(events).toEqual(["cannot read the standard input: is a directory"]);
  });
});
