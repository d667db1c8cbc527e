/** The reference of the library as a document. */
import { format, resolveConfig } from "prettier";
import { ENTRIES, exportsOf, type ApiExport } from "./api.ts";

const HEAD = `# The library

Made of the sources' declarations and comments by \`npm run docs:api\`; \`examples\` has programs that use it. What is listed here is kept stable between versions as [Semantic Versioning](https://semver.org/) says, and nothing else.
`;

/** What is said of each entry. */
const ABOUT: Readonly<Record<keyof typeof ENTRIES, string>> = {
  kseg: "Guests, their hosts, and all that can be seen and changed of them. It needs `WebAssembly` and nothing else of Node or a browser.",
  "kseg/web":
    'Guests in workers, for pages. The worker is `kseg/web/worker`: a file of the page that consists of `import "kseg/web/worker";` and is started with `new Worker(new URL("worker.js", import.meta.url), { type: "module" })`. `kseg/guests/demo-te.elf`, `kseg/guests/demo-te-16k.elf` and `kseg/guests/demo-bare.elf` are the demo guest\'s kernels.',
};

/** Links of docstrings, as code. */
const plain = (text: string): string => text.replaceAll(/\{@link ([^}]+)\}/g, "`$1`");

const section = ({ name, doc, declaration }: ApiExport): string =>
  `#### ${name}\n\n${plain(doc)}\n\n\`\`\`ts\n${plain(declaration)}\n\`\`\`\n`;

/** A contents list: each group with its names. */
const contents = (list: readonly ApiExport[]): string =>
  [...Map.groupBy(list, ({ group }) => group)]
    .map(
      ([group, all]) =>
        `- ${group}: ${all.map(({ name }) => `[${name}](#${name.toLowerCase()})`).join(", ")}`,
    )
    .join("\n");

/** The document, formatted as the checkout's are. */
export async function apiReference(): Promise<string> {
  let text = HEAD;
  for (const [entry, about] of Object.entries(ABOUT)) {
    const list = exportsOf(ENTRIES[entry as keyof typeof ENTRIES]);
    text += `\n## ${entry}\n\n${about}\n\n${contents(list)}\n`;
    for (const [group, all] of Map.groupBy(list, (one) => one.group))
      text += `\n### ${group}\n\n${all.map(section).join("\n")}`;
  }
  const config = await resolveConfig(import.meta.filename);
  return format(text, { ...config, parser: "markdown" });
}
