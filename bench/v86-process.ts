/**
 * `node v86-process.ts BUILD KERNEL MIB`: runs a Multiboot kernel in v86, whose folder `build` is given, with the serial
 * console on stdout. Whoever started it ends it.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** What of the package is used. */
interface V86Module {
  readonly V86: new (options: object) => {
    add_listener(event: "serial0-output-byte", listener: (byte: number) => void): void;
  };
}

const [build, kernel, memory] = process.argv.slice(2);
const { V86 } = (await import(pathToFileURL(join(build!, "libv86.mjs")).href)) as V86Module;
const emulator = new V86({
  wasm_path: join(build!, "v86.wasm"),
  multiboot: { buffer: new Uint8Array(readFileSync(kernel!)).buffer },
  memory_size: Number(memory) << 20,
  disable_speaker: true,
  autostart: true,
});
emulator.add_listener("serial0-output-byte", (byte) => process.stdout.write(Uint8Array.of(byte)));
