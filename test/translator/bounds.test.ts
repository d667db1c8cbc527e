import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const MEBIBYTE = 1 << 20;
const PROGRAM = fileURLToPath(new URL("changing-code.ts", import.meta.url));

test(
  "translations of code that changes for ever take no more and more memory",
  { timeout: 300_000 },
  async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM]);
    const [before, after] = JSON.parse(stdout) as [number, number];
    const shown = [before, after].map((bytes) => `${(bytes / MEBIBYTE).toFixed(0)} MiB`);
    console.log(`memory of the process, and after as many translations again: ${shown.join(", ")}`);
    // Node by itself, the machine's 16 MiB and the engine's tables are half of that; the translations the rest.
    expect(before).toBeLessThan(450 * MEBIBYTE);
    // 12,000 translations are 10 MB of WebAssembly, which takes several times as much when compiled.
    expect(after - before).toBeLessThan(64 * MEBIBYTE);
  },
);
