/** The built page, served as any static host would: files, types by extension, no special headers. */
import { readFileSync, readdirSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "vite";
import { ROOT } from "../project/tree.ts";

const FOLDER = join(ROOT, "dist/web");
/** The site lies below this path: it must not count on being at the top of its host. */
const BELOW = "/some/where/";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};

export interface Site {
  readonly url: string;
  close(): void;
}

/** Builds the page in `folder`, which may be of others, as bundlers do by default, into `out`. */
export async function buildPage(folder: string, out: string): Promise<void> {
  await build({
    ...{ configFile: false, root: folder, base: "./", logLevel: "warn" },
    worker: { format: "es" },
    build: { outDir: out, emptyOutDir: true, target: "es2022" },
  });
}

/** What `npm run web:build` makes. */
export async function buildSite(): Promise<void> {
  await build({ configFile: join(ROOT, "web/vite.config.ts"), logLevel: "warn" });
}

/** Serves a built site. */
export function serveSite(folder = FOLDER): Promise<Site> {
  return serveFiles(new Map(siteFiles(folder).map((path) => [path, readFileSync(join(folder, path))])));
}

/** Serves files by their paths, on a port of this computer's own. */
export async function serveFiles(files: ReadonlyMap<string, Uint8Array>): Promise<Site> {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    const name = path === BELOW ? "index.html" : path.slice(BELOW.length);
    const bytes = path.startsWith(BELOW) ? files.get(name) : undefined;
    if (bytes === undefined) return void response.writeHead(404).end();
    response.writeHead(200, { "content-type": TYPES[extname(name)] ?? "application/octet-stream" });
    response.end(bytes);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${BELOW}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Bytes that a visitor gets over a compressing host, without guest images. */
export function compressedSize(): number {
  return siteFiles(FOLDER)
    .filter((path) => extname(path) !== ".elf")
    .reduce((sum, path) => sum + gzipSync(readFileSync(join(FOLDER, path)), { level: 9 }).length, 0);
}

function siteFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => statSync(join(folder, path)).isFile())
    .map((path) => path.replaceAll("\\", "/"));
}
