/** Puts a counter at each branch of a source, so that a fuzzer can tell which way an input went. */
import { parseSync, Visitor, type ESTree } from "vite";

/** A source with counters. It means what it meant before. */
export interface Instrumented {
  readonly source: string;
  /** How many counters there are now, those of other sources included. */
  readonly counters: number;
  /** Texts and numbers that the source knows by heart: what it compares with is among them. */
  readonly literals: ReadonlySet<string | number>;
}

/** The global variable that holds the counters. */
export const COUNTERS = "__branchCounters";

/** Longer texts are messages. */
const LONGEST_LITERAL = 24;

/**
 * `source`, TypeScript or JavaScript, with a counter wherever code may be executed or not: bodies of functions and
 * loops, both sides of conditions, the right sides of `&&`, `||` and `??`, cases, handlers, defaults. The first counter
 * is number `first`. Throws SyntaxError.
 */
export function instrument(file: string, source: string, first: number): Instrumented {
  const { program, errors } = parseSync(file, source);
  if (errors.length > 0) throw new SyntaxError(`${file}: ${errors[0]!.message}`);
  const insertions: { readonly at: number; readonly text: string }[] = [];
  const literals = new Set<string | number>();
  let next = first;
  const insert = (at: number, text: string): void => void insertions.push({ at, text });
  const count = (): string => `${COUNTERS}[${next++}]++`;

  // What is inserted at one place stays in the order of these calls: outer before inner at the beginning of a node,
  // where the visitor comes from outside, and the other way round at its end.
  const beginStatement = (node: ESTree.Node | null): void => {
    if (node !== null) insert(node.start, `{${count()};`);
  };
  const endStatement = (node: ESTree.Node | null): void => {
    if (node !== null) insert(node.end, "}");
  };
  const beginExpression = ({ start }: ESTree.Node): void => insert(start, `(${count()},`);
  const endExpression = ({ end }: ESTree.Node): void => insert(end, ")");
  const inside = (body: ESTree.Node | null): void => {
    if (body?.type === "BlockStatement") insert(body.start + 1, `${count()};`);
  };
  const isShortCircuit = (operator: string): boolean => ["&&=", "||=", "??="].includes(operator);
  const loop = {
    begin: ({ body }: { readonly body: ESTree.Node }) => beginStatement(body),
    end: ({ body }: { readonly body: ESTree.Node }) => endStatement(body),
  };

  new Visitor({
    FunctionDeclaration: ({ body }) => inside(body),
    FunctionExpression: ({ body }) => inside(body),
    ArrowFunctionExpression: ({ body, expression }) => (expression ? beginExpression(body) : inside(body)),
    "ArrowFunctionExpression:exit": ({ body, expression }) => {
      if (expression) endExpression(body);
    },
    IfStatement: ({ consequent, alternate }) => {
      beginStatement(consequent);
      beginStatement(alternate);
    },
    "IfStatement:exit": ({ consequent, alternate }) => {
      endStatement(consequent);
      if (alternate === null) insert(consequent.end, `else{${count()}}`);
      else endStatement(alternate);
    },
    ForStatement: loop.begin,
    "ForStatement:exit": loop.end,
    ForInStatement: loop.begin,
    "ForInStatement:exit": loop.end,
    ForOfStatement: loop.begin,
    "ForOfStatement:exit": loop.end,
    WhileStatement: loop.begin,
    "WhileStatement:exit": loop.end,
    DoWhileStatement: loop.begin,
    "DoWhileStatement:exit": loop.end,
    SwitchCase: ({ consequent }) => {
      if (consequent[0] !== undefined) insert(consequent[0].start, `${count()};`);
    },
    CatchClause: ({ body }) => inside(body),
    ConditionalExpression: ({ consequent, alternate }) => {
      beginExpression(consequent);
      beginExpression(alternate);
    },
    "ConditionalExpression:exit": ({ consequent, alternate }) => {
      endExpression(consequent);
      endExpression(alternate);
    },
    LogicalExpression: ({ right }) => beginExpression(right),
    "LogicalExpression:exit": ({ right }) => endExpression(right),
    AssignmentExpression: ({ operator, right }) => {
      if (isShortCircuit(operator)) beginExpression(right);
    },
    "AssignmentExpression:exit": ({ operator, right }) => {
      if (isShortCircuit(operator)) endExpression(right);
    },
    AssignmentPattern: ({ right }) => beginExpression(right),
    "AssignmentPattern:exit": ({ right }) => endExpression(right),
    Literal: ({ value }) => {
      if (typeof value === "number" && Number.isInteger(value) && value > 0xff) literals.add(value);
      if (typeof value === "string" && value.length > 1 && value.length <= LONGEST_LITERAL)
        literals.add(value);
    },
  }).visit(program);

  const pieces: string[] = [];
  let at = 0;
  for (const { at: end, text } of insertions.toSorted((a, b) => a.at - b.at)) {
    pieces.push(source.slice(at, end), text);
    at = end;
  }
  pieces.push(source.slice(at));
  return { source: pieces.join(""), counters: next, literals };
}
