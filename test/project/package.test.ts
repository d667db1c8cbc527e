import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { afterAll, beforeAll, expect, it } from "vitest";

const root = path.resolve(import.meta.dirname, "../..");
const folder = mkdtempSync(path.join(tmpdir(), "kseg-package-"));
const installed = path.join(folder, "node_modules/kseg");

beforeAll(() => {
  mkdirSync(path.dirname(installed), { recursive: true });
  const made = spawnSync(process.execPath, [path.join(root, "tools/package.ts"), installed], {
    encoding: "utf8",
  });
  if (made.status !== 0) throw new Error(`tools/package.ts: ${made.stderr}${made.stdout}`);
  for (const name of ["commander", "modern-tar", "xz-decompress"])
    symlinkSync(path.join(root, "node_modules", name), path.join(folder, "node_modules", name));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("the package that others install runs a guest in a few lines", () => {
  writeFileSync(
    path.join(folder, "example.mjs"),
    `import { readFileSync } from "node:fs";
     import { createGuest, TICKS_PER_SECOND } from "kseg";
     const guest = createGuest({
       kernel: readFileSync(new URL("node_modules/kseg/guests/demo/demo-te.elf", import.meta.url)),
       onConsole: (bytes) => process.stdout.write(bytes),
     });
     guest.sendInput(new TextEncoder().encode("poweroff\\n"));
     let result;
     do result = guest.run(TICKS_PER_SECOND / 10); while (result.kind === "running");
     console.log(JSON.stringify(result), guest.stats().refills.fast > 0);`,
  );
  const run = spawnSync(process.execPath, ["example.mjs"], {
    cwd: folder,
    encoding: "utf8",
    timeout: 60_000,
  });
  expect(run.stderr).toBe("");
  expect(run.stdout).toContain("kseg demo guest");
  expect(run.stdout).toMatch(/\{"kind":"off","how":"power-off"\} true\n$/);
});

it("and brings its command line along", () => {
  const run = spawnSync(process.execPath, [path.join(installed, "lib/kseg.js"), "run", "--quiet"], {
    input: "poweroff\n",
    encoding: "utf8",
    timeout: 60_000,
  });
  expect(run.stderr).toBe("");
  expect(run.status).toBe(0);
});
