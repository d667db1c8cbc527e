import { describe, expect, it } from "vitest";
import { CommandSession } from "./command-session.ts";

/** A session that has been told these pieces of the console. */
function session(...console: string[]): { session: CommandSession; sent: () => string } {
  let sent = "";
  const made = new CommandSession((bytes) => (sent += Buffer.from(bytes).toString("latin1")));
  for (const piece of console) made.takeConsole(Buffer.from(piece, "latin1"));
  return { session: made, sent: () => sent };
}

describe("CommandSession", () => {
  it("keeps input until the guest is ready, and gives it in pieces with their lengths", () => {
    const { session: made, sent } = session("[    0.0] Linux\r\nkseg: rea");
    made.input(Buffer.from("one\n"));
    made.input(new Uint8Array(0));
    expect(sent()).toBe("");
    expect(made.heldBytes).toBe(6);
    made.takeConsole(Buffer.from("dy\n"));
    expect(made.heldBytes).toBe(0);
    made.input(Buffer.from([0xff, 0x00]));
    made.endInput();
    expect(sent()).toBe("4\none\n2\n\u00ff\u00000\n");
  });

  it("learns the command's status, in whatever pieces it comes", () => {
    const { session: made } = session("kseg: ready\nkseg: sta", "tus 13");
    expect(made.status).toBeNull();
    made.takeConsole(Buffer.from("7\n"));
    expect(made.status).toBe(137);
    made.takeConsole(Buffer.from("kseg: status 1\n"));
    expect(made.status).toBe(137);
  });

  it("tells the end of the command from the end of the guest", () => {
    const ended = session("kseg: status 0\n").session;
    expect(ended.endingOf({ kind: "power-off" })).toEqual({ kind: "command", status: 0 });
    expect(ended.endingOf({ kind: "timeout", seconds: 1 })).toEqual({ kind: "timeout", seconds: 1 });
    const lost = (console: string, how: "power-off" | "reset" | "stuck"): unknown =>
      session(console).session.endingOf({ kind: how });
    const because = (why: string): unknown => ({
      kind: "no-status",
      report: `the guest ended before the command did: ${why}`,
    });
    expect(lost("", "power-off")).toEqual(because("it was turned off"));
    expect(lost("", "reset")).toEqual(because("it asked for a reset"));
    expect(lost("", "stuck")).toEqual(because("it waits for input that cannot come"));
    expect(lost("Kernel panic - not syncing: Oops\r\n", "reset")).toEqual(
      because("its kernel panicked (Oops)"),
    );
    expect(lost("Kernel panic - not syncing: VFS: Unable to mount root fs on x\n", "reset")).toEqual(
      because("its kernel could not unpack all files; give it more with --memory"),
    );
    expect(session("").session.endingOf({ kind: "failed", report: "no way on" })).toEqual({
      kind: "no-status",
      report: "the guest ended before the command did: it cannot go on\nno way on",
    });
  });
});
