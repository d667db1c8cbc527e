import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { filesBelow, ROOT, textOf } from "./tree.ts";

interface LockedPackage {
  version?: string;
  resolved?: string;
  os?: string[];
  cpu?: string[];
  optionalDependencies?: Record<string, string>;
}

const files = filesBelow();

describe("nothing of the machine it was written on", () => {
  /** Folders in which people keep checkouts, written so that this file does not match itself; `me` is nobody. */
  const ABSOLUTE = new RegExp(
    `(?<![\\w.$})*~-])/(?:${["home", "root", "work", "Users", "tmp"].join("|")})/(?!me\\b)\\w`,
  );
  const REGISTRY = new RegExp(["registry\\.npm", "registry\\.yarn", "/artifactory/", "nexus/repo"].join("|"));

  test("no file holds an absolute path of a person's machine", () => {
    const found = files.filter((path) => ABSOLUTE.test(readFileSync(join(ROOT, path), "latin1")));
    expect(found).toEqual([]);
    expect(files.length).toBeGreaterThan(200);
  });

  test("no file names a package registry", () => {
    const found = files.filter(
      (path) =>
        path !== "test/project/hygiene.test.ts" && REGISTRY.test(readFileSync(join(ROOT, path), "latin1")),
    );
    expect(found).toEqual([]);
  });

  test.each([`see ${"/home"}/someone/x`, `cd ${"/work"}/main`, `"${"/tmp"}/kseg"`])(
    "would find %s",
    (text) => {
      expect(ABSOLUTE.test(text)).toBe(true);
    },
  );
});

describe("lockfile", () => {
  const { packages } = JSON.parse(textOf("package-lock.json")) as {
    packages: Record<string, LockedPackage>;
  };

  test("holds no download addresses", () => {
    expect(Object.entries(packages).filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
    expect(Object.keys(packages).length).toBeGreaterThan(50);
  });

  // npm 11 and later refuse the whole lockfile otherwise; see tools/complete-lockfile.ts.
  test("has an entry for every platform of a tool with native parts", () => {
    const missing = Object.values(packages)
      .flatMap(({ optionalDependencies }) => Object.entries(optionalDependencies ?? {}))
      .filter(([name, version]) => /^\d/.test(version) && packages[`node_modules/${name}`] === undefined);
    expect(missing).toEqual([]);
  });

  test("agrees with package.json, where every version is exact", () => {
    const { dependencies, devDependencies } = JSON.parse(textOf("package.json")) as Record<
      "dependencies" | "devDependencies",
      Record<string, string>
    >;
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
      expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
      expect(packages[`node_modules/${name}`]?.version, name).toBe(version);
    }
  });
});

test("the pinned Node runs this test", () => {
  const { devDependencies } = JSON.parse(textOf("package.json")) as {
    devDependencies: Record<string, string>;
  };
  expect(process.versions.node).toBe(devDependencies["node"]);
});
