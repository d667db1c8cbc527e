/**
 * Completes `package-lock.json` after `npm install`: `node tools/complete-lockfile.ts`.
 *
 * Tools with native parts depend on one optional package for each platform. npm leaves out of the lockfile
 * those that it could not fetch when it wrote the file, and `npm ci` of npm 11 and later then refuses to
 * install anything, on every platform. The tool adds them, with the platform read from their names.
 */
import { readFileSync, writeFileSync } from "node:fs";

interface LockedPackage {
  version: string;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
}

interface Lockfile {
  packages: Record<string, LockedPackage>;
}

const SYSTEMS = ["aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "win32"];
const PROCESSORS = ["arm", "arm64", "ia32", "loong64", "ppc64", "riscv64", "s390x", "wasm32", "x64"];
const LIBRARIES: Readonly<Record<string, string>> = { gnu: "glibc", musl: "musl" };

/** Platform that a package's name ends with, as in `@oxlint/binding-linux-x64-gnu`. */
function platformOf(name: string): Pick<LockedPackage, "os" | "cpu" | "libc"> {
  const words = name.split(/[-/]/);
  const os = words.filter((word) => SYSTEMS.includes(word));
  const cpu = words.filter((word) => PROCESSORS.includes(word));
  const libc = words.map((word) => LIBRARIES[word]).filter((word) => word !== undefined);
  if (os.length !== 1 || cpu.length !== 1) throw new Error(`${name}: cannot tell the platform from the name`);
  return { cpu, ...(libc.length > 0 ? { libc } : {}), os };
}

const path = new URL("../package-lock.json", import.meta.url);
const lock = JSON.parse(readFileSync(path, "utf8")) as Lockfile;
const added: string[] = [];
for (const parent of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`;
    if (lock.packages[key] !== undefined || !/^\d+\.\d+\.\d+$/.test(version)) continue;
    const { cpu, libc, os } = platformOf(name);
    lock.packages[key] = {
      version,
      cpu: cpu!,
      ...(parent.dev === true ? { dev: true } : {}),
      ...(libc !== undefined ? { libc } : {}),
      optional: true,
      os: os!,
    };
    added.push(name);
  }
}
const names = Object.keys(lock.packages).sort((a, b) => a.localeCompare(b, "en"));
lock.packages = Object.fromEntries(names.map((name) => [name, lock.packages[name]!]));
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`package-lock.json: ${added.length} packages added`);
