export { createInterpreter, createTranslator, InterpreterEngine } from "./interpreter-engine.ts";
