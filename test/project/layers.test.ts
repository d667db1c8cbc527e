import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { filesBelow, importsIn, isTestOnly, resolveImport, ROOT, textOf } from "./tree.ts";

/**
 * The layer rule: what the modules of each folder of `src` may import besides their own folder. An entry is
 * a folder or a single module. ARCHITECTURE.md explains the rule.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  isa: [],
  uasm: ["isa"],
  // How state is kept: whoever has state uses it.
  state: [],
  machine: ["isa", "state"],
  engine: ["isa", "machine"],
  kvm: ["isa", "uasm", "machine", "state"],
  inspect: ["isa", "machine", "kvm"],
  devices: ["machine/bus.ts", "machine/timeline.ts", "machine/memory.ts", "state"],
  // mmu.ts for the type of a RAM region: where RAM appears is the board's business.
  boards: [
    "devices",
    "state",
    "loader",
    "machine/bus.ts",
    "machine/timeline.ts",
    "machine/memory.ts",
    "machine/mmu.ts",
  ],
  loader: [],
  // Joins the layers: a machine or a VM with a board, behind the interface in guest.ts.
  vmm: [
    "isa",
    "uasm",
    "state",
    "machine",
    "engine",
    "kvm",
    "inspect",
    "devices",
    "boards",
    "loader",
    "debug.ts",
    "device.ts",
    "guest.ts",
    "nearest.ts",
    "stats.ts",
  ],
  gdb: ["isa", "inspect", "machine/memory.ts", "debug.ts", "guest.ts"],
  archives: [],
  guests: ["archives"],
  cli: ["guests", "index.ts", "nearest.ts"],
  web: ["index.ts", "archives"],
};

/** Folders whose modules run in Node only; all others are core and run anywhere. */
const NODE_SIDE = new Set(["cli", "guests"]);

/** Folders that are no part of the core: users of the library, and what two of them share. */
const OUTSIDE = new Set([...NODE_SIDE, "web", "archives"]);

/** Core folders: what modules in `src` itself may import, and what the core's tsconfig lists. */
const CORE = Object.keys(MAY_IMPORT).filter((layer) => !OUTSIDE.has(layer));

/** Packages that Node-side code and `archives` may use; all others may use none. */
const PACKAGES = new Set(["commander", "modern-tar", "xz-decompress"]);

interface Import {
  readonly from: string;
  readonly to: string;
}

/** The layer of a path below `src`: its folder, or "" for modules in `src` itself. */
function layerOf(path: string): string {
  return path.includes("/") ? path.slice(0, path.indexOf("/")) : "";
}

/** Why an import between paths below `src` (or of a package) breaks the rule; undefined if it does not. */
function violation({ from, to }: Import): string | undefined {
  const layer = layerOf(from);
  const nodeSide = NODE_SIDE.has(layer);
  if (!to.startsWith("src/")) {
    if (nodeSide && to.startsWith("node:")) return undefined;
    if ((nodeSide || layer === "archives") && PACKAGES.has(to)) return undefined;
    return `${from} imports ${to}, which ${nodeSide ? "is not a dependency" : "only Node-side code may"}`;
  }
  const target = to.slice("src/".length);
  if (layerOf(target) === layer) return undefined;
  const allowed = layer === "" ? [...CORE, ""] : (MAY_IMPORT[layer] ?? []);
  const fine = allowed.some((entry) => target === entry || layerOf(target) === entry);
  return fine ? undefined : `${from} imports ${target}`;
}

const modules = filesBelow("src")
  .filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts") && !isTestOnly(path))
  .map((path) => path.slice("src/".length));

const imports: Import[] = modules.flatMap((from) =>
  importsIn(textOf(`src/${from}`)).map((to) => ({ from, to: resolveImport(`src/${from}`, to) })),
);

describe("layer rule", () => {
  test("no module imports what its layer may not", () => {
    expect(imports.map(violation).filter((problem) => problem !== undefined)).toEqual([]);
  });

  test("it looked at the real tree", () => {
    expect(modules.length).toBeGreaterThan(120);
    expect(imports.length).toBeGreaterThan(2 * modules.length);
    const folders = new Set(modules.map(layerOf));
    folders.delete("");
    expect([...folders].sort()).toEqual(Object.keys(MAY_IMPORT).sort());
  });

  test("every relative import names a file that exists", () => {
    const missing = imports.filter(({ to }) => to.startsWith("src/") && !existsSync(join(ROOT, to)));
    expect(missing).toEqual([]);
  });

  test.each([
    { from: "isa/decode.ts", to: "src/machine/cpu.ts" },
    { from: "kvm/vcpu.ts", to: "src/engine/index.ts" },
    { from: "kvm/vcpu.ts", to: "src/devices/i8259.ts" },
    { from: "devices/i8259.ts", to: "src/machine/cpu.ts" },
    { from: "machine/cpu.ts", to: "node:fs" },
    { from: "machine/cpu.ts", to: "commander" },
    { from: "guests/tar.ts", to: "src/isa/decode.ts" },
    { from: "guests/tar.ts", to: "vitest" },
    { from: "cli/main.ts", to: "src/kvm/vm.ts" },
    { from: "cli/main.ts", to: "src/vmm/create-guest.ts" },
    { from: "kvm/vcpu.ts", to: "src/vmm/console.ts" },
    { from: "vmm/bare.ts", to: "src/cli/main.ts" },
    { from: "index.ts", to: "src/guests/index.ts" },
    { from: "web/serve.ts", to: "src/vmm/create-guest.ts" },
    { from: "web/serve.ts", to: "node:worker_threads" },
    { from: "index.ts", to: "node:fs" },
  ])("would find $from → $to", (planted) => {
    expect(violation(planted)).toBeDefined();
  });
});

test("core code has no import cycles between folders", () => {
  const order = [
    "isa",
    "uasm",
    "state",
    "machine",
    "engine",
    "kvm",
    "inspect",
    "devices",
    "loader",
    "boards",
    "vmm",
    "gdb",
  ];
  const edges = new Map(order.map((layer) => [layer, new Set<string>()]));
  for (const { from, to } of imports) {
    const [source, target] = [layerOf(from), layerOf(to.slice("src/".length))];
    if (edges.has(source) && edges.has(target) && source !== target) edges.get(source)!.add(target);
  }
  for (const [index, layer] of order.entries())
    for (const target of edges.get(layer)!) expect(order.indexOf(target)).toBeLessThan(index);
});

test("the core's tsconfig lists every core folder, without Node's types", () => {
  const config = JSON.parse(textOf("src/tsconfig.core.json")) as {
    compilerOptions: { types: string[]; lib: string[] };
    include: string[];
    exclude: string[];
  };
  expect(config.include.toSorted()).toEqual([...CORE, "*.ts"].sort());
  expect(config.compilerOptions.types).toEqual([]);
  expect(config.compilerOptions.lib).toEqual(["es2024"]);
  expect(config.exclude).toContain("**/*.test.ts");
});
