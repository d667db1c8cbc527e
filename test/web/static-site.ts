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

/** What `npm run web:build` makes. */
export async function buildSite(): Promise<void> {
  await build({ configFile: join(ROOT, "web/vite.config.ts"), logLevel: "warn" });
}

/** Serves the built site on a port of this computer's own. */
export async function serveSite(): Promise<Site> {
  const files = new Map(siteFiles().map((path) => [BELOW + path, readFileSync(join(FOLDER, path))]));
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    const name = path === BELOW ? `${BELOW}index.html` : path;
    const bytes = files.get(name);
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
  return siteFiles()
    .filter((path) => extname(path) !== ".elf")
    .reduce((sum, path) => sum + gzipSync(readFileSync(join(FOLDER, path)), { level: 9 }).length, 0);
}

function siteFiles(): string[] {
  return readdirSync(FOLDER, { recursive: true, encoding: "utf8" })
    .filter((path) => statSync(join(FOLDER, path)).isFile())
    .map((path) => path.replaceAll("\\", "/"));
}
