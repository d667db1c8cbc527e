/** Writes docs/api.md, the reference of the library, from the sources' declarations and docstrings. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { apiReference } from "./api-reference.ts";
import { toolArguments, usageError } from "./tool-flags.ts";

const rest = toolArguments({ name: "docs:api", summary: "writes docs/api.md from the docstrings", help: [] });
if (rest.length > 0) usageError("docs:api", "takes nothing");
const file = path.join(import.meta.dirname, "../docs/api.md");
writeFileSync(file, await apiReference());
