export { createInterpreter, createTranslator, ENGINES, InterpreterEngine } from "./interpreter-engine.ts";
