/**
 * Debugs a guest by gdb's remote protocol, without a connection: a breakpoint, registers, and what `monitor` tells.
 * To let gdb itself do this, hand what comes from its socket to `receive`, and send back what that returns.
 *
 * Run it with `npx node examples/gdb-from-code.ts`.
 * Outside of this checkout it needs Node 22.18 or newer, and to be copied out of node_modules: `node gdb-from-code.ts`.
 */
import { readFileSync } from "node:fs";
import { createGuest, GdbSession, kernelSymbols, TICKS_PER_SECOND } from "kseg";

const kernel = readFileSync(new URL(import.meta.resolve("kseg/guests/demo-te.elf")));
const guest = createGuest({ kernel, onConsole() {} });
guest.sendInput(new TextEncoder().encode("poweroff\n"));
const session = new GdbSession(guest);

const text = new TextDecoder("latin1");
const toHex = (value: string): string => Buffer.from(value, "latin1").toString("hex");
const fromHex = (digits: string): string => Buffer.from(digits, "hex").toString("latin1");

/** Sends a command as gdb would, runs the guest for as long as it wants, and returns its answer. */
function ask(command: string): string {
  const checksum = [...Buffer.from(command)].reduce((sum, byte) => sum + byte, 0) & 0xff;
  const packet = `$${command}#${checksum.toString(16).padStart(2, "0")}`;
  let answer = text.decode(session.receive(Buffer.from(packet, "latin1")));
  for (;;) {
    const { wanted } = session;
    if (wanted.kind !== "run" && wanted.kind !== "step") break;
    const result = wanted.kind === "step" ? wanted.view.step() : guest.run(TICKS_PER_SECOND / 10);
    answer += text.decode(session.report(result));
  }
  return /\$([^#]*)#/.exec(answer)?.[1] ?? "";
}

/** Registers are numbers with the lowest byte first, as the guest has them. */
const register = (number: number): number =>
  Buffer.from(ask(`p${number.toString(16)}`), "hex").readUInt32LE();

const entry = kernelSymbols(kernel).get("power_off")!;
console.log(`breakpoint: ${ask(`Z0,${entry.toString(16)},4`)}`);
console.log(`continue: ${ask("c")}`);
console.log(`pc is ${register(37).toString(16)}, power_off is at ${entry.toString(16)}`);
console.log(
  fromHex(ask(`qRcmd,${toHex("exits")}`).replace(/^O/, ""))
    .split("\n")
    .slice(0, 3)
    .join("\n"),
);
console.log(`remove it: ${ask(`z0,${entry.toString(16)},4`)}; continue: ${ask("c")}`);
