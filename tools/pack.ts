/**
 * What `npm pack` does before and after it packs this checkout. Before (`prepack`), the JavaScript is made and the
 * published manifest takes the place of the checkout's; afterwards (`postpack`) all is as it was. Where it was ended in
 * between, the next time or `git checkout package.json` mends it.
 */
import { existsSync, mkdirSync, renameSync, copyFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { compileTo, publishedManifest, ROOT } from "./package-parts.ts";

const MANIFEST = path.join(ROOT, "package.json");
/** The checkout's, meanwhile. */
const KEPT = path.join(ROOT, "dist/package.json");

function before(): void {
  after();
  compileTo(ROOT);
  mkdirSync(path.dirname(KEPT), { recursive: true });
  const manifest = publishedManifest();
  copyFileSync(MANIFEST, KEPT);
  writeFileSync(MANIFEST, manifest);
}

function after(): void {
  rmSync(path.join(ROOT, "lib"), { recursive: true, force: true });
  if (existsSync(KEPT)) renameSync(KEPT, MANIFEST);
}

if (process.argv[2] === "before") before();
else after();
