export { createInterpreter, InterpreterEngine } from "./interpreter-engine.ts";
