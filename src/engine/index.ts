export { createInterpreter } from "./interpreter-engine.ts";
