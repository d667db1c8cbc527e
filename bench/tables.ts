/** `npm run bench:tables -- FILE.json`: the figures in docs/performance.md, made anew. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { toolArguments, usageError } from "../tools/tool-flags.ts";
import { type BenchRecord, withFigures } from "./markdown.ts";

const NAME = "bench:tables";
const [file, ...others] = toolArguments({
  name: NAME,
  summary: "the figures in docs/performance.md, made anew",
  help: ["FILE.json  what npm run bench -- --json left"],
});
if (file === undefined || file.startsWith("-") || others.length > 0) usageError(NAME, "give one file");

function recordIn(path: string): BenchRecord {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as BenchRecord;
  } catch (error) {
    return usageError(NAME, `${path}: ${(error as Error).message}`);
  }
}

const document = fileURLToPath(new URL("../docs/performance.md", import.meta.url));
const record = recordIn(file);
writeFileSync(document, withFigures(readFileSync(document, "utf8"), record));
