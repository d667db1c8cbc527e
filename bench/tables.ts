/** `npm run bench:tables -- FILE.json …`: the figures of docs/performance.md, with what was measured anew. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { toolArguments, usageError } from "../tools/tool-flags.ts";
import { type BenchRecord, type Figures, withRecord } from "./figures.ts";
import { withFigures } from "./markdown.ts";

const NAME = "bench:tables";
const files = toolArguments({
  name: NAME,
  summary: "the figures of docs/performance.md, with what was measured anew",
  help: [
    "FILE.json …  what npm run bench -- --json left; its tables take the places of those with their titles",
  ],
});
const flag = files.find((file) => file.startsWith("-"));
if (flag !== undefined) usageError(NAME, `${flag} is no file`);
if (files.length === 0) usageError(NAME, "give a file");

function recordIn(path: string): BenchRecord {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as BenchRecord;
  } catch (error) {
    return usageError(NAME, `${path}: ${(error as Error).message}`);
  }
}

const inDocs = (name: string): string => fileURLToPath(new URL(`../docs/${name}`, import.meta.url));
const [kept, document] = [inDocs("figures.json"), inDocs("performance.md")];
const figures = files
  .map(recordIn)
  .reduce(withRecord, JSON.parse(readFileSync(kept, "utf8")) as readonly Figures[]);
writeFileSync(kept, `${JSON.stringify(figures, null, 2)}\n`);
writeFileSync(document, withFigures(readFileSync(document, "utf8"), figures));
