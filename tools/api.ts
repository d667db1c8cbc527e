/** The public API as its sources state it: every export, with its declaration and its docstring. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { parseSync, type ESTree } from "vite";

/** Folder of the checkout. */
const ROOT = path.resolve(import.meta.dirname, "..");

/** An export of one of the package's entries. */
export interface ApiExport {
  readonly name: string;
  readonly kind: "function" | "class" | "interface" | "type" | "constant";
  /** It is exported as a type only, whatever it is. */
  readonly asType: boolean;
  /** As a reader of types sees it: without bodies and private members. */
  readonly declaration: string;
  /** Text of the docstring; empty if there is none. */
  readonly doc: string;
  /** The group of exports that it is in: the comment above them. */
  readonly group: string;
  /** File that declares it, from the checkout. */
  readonly file: string;
}

/** The two lists of exports, by what imports them. */
export const ENTRIES = { kseg: "src/index.ts", "kseg/web": "src/web/index.ts" } as const;

interface Parsed {
  readonly file: string;
  readonly source: string;
  readonly body: readonly Statement[];
  readonly comments: readonly {
    readonly type: string;
    readonly value: string;
    readonly start: number;
    readonly end: number;
  }[];
}
type Statement = ESTree.Program["body"][number];
type ExportNamed = Extract<Statement, { type: "ExportNamedDeclaration" }>;
type Declaration = NonNullable<ExportNamed["declaration"]>;
type ClassMember = ESTree.Class["body"]["body"][number];

const parsed = new Map<string, Parsed>();

function parse(file: string): Parsed {
  const known = parsed.get(file);
  if (known !== undefined) return known;
  const source = readFileSync(path.join(ROOT, file), "utf8");
  const { program, comments } = parseSync(file, source, { lang: "ts" });
  const made: Parsed = { file, source, body: program.body, comments };
  parsed.set(file, made);
  return made;
}

/** All exports of an entry, in its order. Throws if one cannot be found. */
export function exportsOf(entry: string): ApiExport[] {
  const module = parse(entry);
  return module.body.flatMap((statement) => {
    if (statement.type !== "ExportNamedDeclaration" || statement.source === null) return [];
    const from = resolved(entry, statement.source.value);
    const group = groupBefore(module, statement.start);
    return statement.specifiers.map(({ local, exported, exportKind }) => {
      const asType = exportKind === "type" || statement.exportKind === "type";
      const name = nameOf(exported);
      const found = find(from, { local: nameOf(local), asType });
      const declaration = found.declaration.replace(new RegExp(`\\b${nameOf(local)}\\b`), name);
      return { ...found, name, group, asType, declaration };
    });
  });
}

/** The comment of one line that is next before `at`, if there is any: what is exported from there on has it in common. */
const groupBefore = ({ comments }: Parsed, at: number): string =>
  comments.findLast(({ end, type }) => end <= at && type === "Line")?.value.trim() ?? "";

/** What is looked for in a module. */
interface Wanted {
  readonly local: string;
  /** It is exported as a type only: nobody can construct it. */
  readonly asType: boolean;
}
type Found = Omit<ApiExport, "name" | "group" | "asType">;

const resolved = (from: string, specifier: string): string =>
  path.posix.join(path.posix.dirname(from), specifier);

/** Whether a module declares and exports `local` itself. */
const declares = (file: string, local: string): boolean =>
  new RegExp(`^export (?:declare |abstract )*\\w+ ${local}\\b`, "m").test(parse(file).source);

const nameOf = (node: ESTree.ModuleExportName): string => (node.type === "Literal" ? node.value : node.name);

/** The declaration of an export of a module, there or where that has it from. */
function find(file: string, wanted: Wanted): Found {
  const { local } = wanted;
  const module = parse(file);
  for (const statement of module.body) {
    if (statement.type === "ExportAllDeclaration") {
      const from = resolved(file, statement.source.value);
      if (declares(from, local)) return find(from, wanted);
    }
    if (statement.type !== "ExportNamedDeclaration") continue;
    if (statement.declaration !== null) {
      const found = describe(module, statement, statement.declaration, wanted);
      if (found !== null) return found;
    }
    if (statement.source === null) continue;
    const specifier = statement.specifiers.find(({ exported }) => nameOf(exported) === local);
    if (specifier === undefined) continue;
    const from = resolved(file, statement.source.value);
    return find(from, { ...wanted, local: nameOf(specifier.local) });
  }
  throw new Error(`${file} does not export ${local}`);
}

function describe(
  module: Parsed,
  statement: ExportNamed,
  node: Declaration,
  { local, asType }: Wanted,
): Found | null {
  const { file } = module;
  const doc = docBefore(module, statement.start);
  const made = (kind: ApiExport["kind"], declaration: string): Found => ({ kind, declaration, doc, file });
  const text = (from: number, to: number): string => module.source.slice(from, to).trim();
  switch (node.type) {
    case "FunctionDeclaration":
    case "TSDeclareFunction":
      if (node.id?.name !== local) return null;
      return made("function", `${text(node.start, node.body?.start ?? node.end).replace(/;$/, "")};`);
    case "ClassDeclaration":
      return node.id?.name === local ? made("class", classText(module, node, asType)) : null;
    case "TSInterfaceDeclaration":
      return node.id.name === local ? made("interface", text(node.start, node.end)) : null;
    case "TSTypeAliasDeclaration":
      return node.id.name === local ? made("type", text(node.start, node.end)) : null;
    case "VariableDeclaration": {
      const declarator = node.declarations.find(({ id }) => id.type === "Identifier" && id.name === local);
      if (declarator === undefined) return null;
      const { id, init } = declarator;
      const annotated = id.type === "Identifier" && Boolean(id.typeAnnotation);
      const value = init === null || annotated ? "" : ` = ${text(init.start, init.end)}`;
      return made("constant", `const ${text(id.start, id.end)}${value};`);
    }
    default:
      return null;
  }
}

/** A class without bodies, and without what is not public. */
function classText(module: Parsed, node: ESTree.Class, asType: boolean): string {
  const { source } = module;
  const head = source.slice(node.start, node.body.start).trim();
  const members = node.body.body
    .filter((one) => isPublic(one) && !(asType && isConstructor(one)))
    .map((member) => {
      const doc = docBefore(module, member.start);
      const comment = doc === "" ? "" : `  /** ${doc.replaceAll("\n", "\n   * ")} */\n`;
      return `${comment}  ${memberText(source, member)}`;
    });
  return `${head} {\n${members.join("\n")}\n}`;
}

const isConstructor = (member: ClassMember): boolean =>
  member.type === "MethodDefinition" && member.kind === "constructor";

function isPublic(member: ClassMember): boolean {
  if (member.type === "StaticBlock" || member.type === "TSIndexSignature") return false;
  return (
    member.accessibility !== "private" &&
    member.accessibility !== "protected" &&
    member.key.type !== "PrivateIdentifier"
  );
}

function memberText(source: string, member: ClassMember): string {
  const until = (end: number): string =>
    `${source.slice(member.start, end).trim().replace(/[;=]$/, "").trim()};`;
  if (member.type === "MethodDefinition" || member.type === "TSAbstractMethodDefinition")
    return until(member.value.body?.start ?? member.end);
  if (member.type === "PropertyDefinition" && member.typeAnnotation) return until(member.typeAnnotation.end);
  return until(member.end);
}

/** The docstring that ends right before `at`, as text. */
function docBefore({ source, comments }: Parsed, at: number): string {
  // Comments for tools may stand between.
  const comment = comments.findLast(({ end, type }) => end <= at && type === "Block");
  if (comment?.value.startsWith("*") !== true) return "";
  if (
    source
      .slice(comment.end, at)
      .replaceAll(/^\s*\/\/.*$/gm, "")
      .trim() !== ""
  )
    return "";
  return comment.value
    .slice(1)
    .split("\n")
    .map((line) => line.replace(/^\s*\* ?/, ""))
    .join("\n")
    .trim();
}
