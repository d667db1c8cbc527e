import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { goldenFiles } from "../test/golden/golden-files.ts";
import { toolFlags } from "./tool-flags.ts";

/** Rewrites the golden listings: `npm run bless`. Read the difference before committing it. */
toolFlags({
  name: "bless",
  summary: "rewrites the golden listings of the generated code",
  help: ["takes nothing"],
  options: {},
});
const root = new URL("../test/golden/", import.meta.url);
rmSync(new URL("entry", root), { recursive: true, force: true });
mkdirSync(new URL("entry", root), { recursive: true });
for (const [name, text] of goldenFiles()) {
  writeFileSync(new URL(name, root), text);
  console.log(`test/golden/${name}`);
}
