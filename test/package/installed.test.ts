import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { ROOT } from "../project/tree.ts";
import { install, pack, runIn } from "./install.ts";

const { tarball, changed } = pack();
const folder = install(tarball);

/** Folder of the program of each Node; null where it cannot be had. */
const nodes = [20, 22, 24, 26].map((version) => {
  if (process.versions.node.startsWith(`${version}.`))
    return { version, node: dirname(process.execPath), made: null };
  const made = install(`node@${version}`);
  return { version, node: made === null ? null : join(made, "node_modules/node/bin"), made };
});

afterAll(() => {
  for (const made of [dirname(tarball), folder, ...nodes.map((one) => one.made)])
    if (made !== null) rmSync(made, { recursive: true, force: true });
});

it("npm pack leaves the checkout as it was", () => {
  expect(changed).toEqual([]);
});

describe.skipIf(folder === null)("installed in an empty folder", () => {
  describe.each(nodes)("under Node $version", ({ version, node }) => {
    const run = (command: readonly [string, ...string[]], input = "") =>
      runIn(folder!, command, { input, node: node! });

    it.skipIf(node === null)("runs the demo guest with npx kseg", () => {
      expect(run(["node", "--version"]).stdout).toMatch(new RegExp(`^v${version}\\.`));
      const { status, stdout, stderr } = run(["npx", "kseg", "run", "--quiet"], "ps\npoweroff\n");
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      expect(stdout).toMatch(/kseg demo guest[^]*monitor[^]*power off/);
    });

    it.skipIf(node === null)("is imported, with the page's part and the guests", () => {
      writeFileSync(
        join(folder!, "program.mjs"),
        `import { readFileSync } from "node:fs";
         import { createGuest, TICKS_PER_SECOND } from "kseg";
         import { readSettings } from "kseg/web";
         const kernel = readFileSync(new URL(import.meta.resolve("kseg/guests/demo-te.elf")));
         const settings = readSettings((name) => (name === "refill" ? "slow" : null));
         const guest = createGuest({ ...settings, kernel, onConsole() {} });
         guest.sendInput(new TextEncoder().encode("poweroff\\n"));
         const result = guest.run(10 * TICKS_PER_SECOND);
         const { fast, slow } = guest.stats().refills;
         console.log(JSON.stringify(result), fast, slow > 0);`,
      );
      expect(run(["node", "program.mjs"])).toEqual({
        status: 0,
        stdout: '{"kind":"off","how":"power-off"} 0 true\n',
        stderr: "",
      });
    });
  });

  // Those before run no TypeScript.
  it.each(nodes.filter(({ version, node }) => version >= 22 && node !== null))(
    "runs an example that is copied out of it, under Node $version",
    ({ node }) => {
      copyFileSync(join(folder!, "node_modules/kseg/examples/custom-cpu.ts"), join(folder!, "custom-cpu.ts"));
      const { status, stdout, stderr } = runIn(folder!, ["node", "custom-cpu.ts"], { node: node! });
      expect(status, stderr).toBe(0);
      expect(stdout).toMatch(/^8 entries: \d+ refills/);
    },
  );

  it.each([
    ["nodenext", { module: "nodenext" }],
    ["a bundler's", { module: "esnext", moduleResolution: "bundler" }],
  ])("has types that strict programs compile with, by %s resolution", (_, options) => {
    const files = { "types.ts": PROGRAM, "tsconfig.json": JSON.stringify(configuration(options)) };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder!, name), text);
    const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
    expect(runIn(folder!, ["node", tsc, "-p", "."])).toEqual({ status: 0, stdout: "", stderr: "" });
  });

  it("has only files that others need, and its manifest names them", () => {
    const { exports, bin } = JSON.parse(
      readFileSync(join(folder!, "node_modules/kseg/package.json"), "utf8"),
    ) as { exports: Record<string, unknown>; bin: Record<string, string> };
    expect(Object.keys(exports)).toEqual([".", "./web", "./web/worker", "./guests/*"]);
    expect(bin).toEqual({ kseg: "lib/kseg.js" });
    const sources = runIn(folder!, [
      "find",
      "node_modules/kseg/lib",
      "-name",
      "*.ts",
      "-not",
      "-name",
      "*.d.ts",
    ]);
    expect(sources.stdout).toBe("");
  });
});

const configuration = (options: object): object => ({
  // Types of the library are checked as well, and without Node's.
  compilerOptions: {
    noEmit: true,
    strict: true,
    target: "es2022",
    lib: ["es2022", "dom"],
    types: [],
    ...options,
  },
  files: ["types.ts"],
});

const PROGRAM = `
import { createGuest, GuestConfigError, type Guest, type RunResult } from "kseg";
import { GuestClient } from "kseg/web";
const guest: Guest = createGuest({ kernel: new Uint8Array(), onConsole: (bytes) => console.log(bytes.length) });
const result: RunResult = guest.run(1000);
// @ts-expect-error there is no such setting
createGuest({ kernel: new Uint8Array(), onConsole() {}, colour: "green" });
export const client = new GuestClient(new Worker("worker.js"));
export const failed = result.kind === "failed" ? new GuestConfigError("kernel", result.report).setting : null;
`;
