import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const folder = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** `npm run web` serves the page, `npm run web:build` makes a static site of it in dist/web. */
export default defineConfig({
  root: folder("."),
  // Relative addresses: the site works below any path of any host.
  base: "./",
  assetsInclude: ["**/*.elf"],
  server: { fs: { allow: [folder("..")] } },
  worker: { format: "es" },
  build: {
    outDir: folder("../dist/web"),
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
