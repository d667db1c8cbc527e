/** The remote protocol of gdb, for whoever has a connection to a debugger and a guest. */
export { GdbSession, type DebuggedGuest, type Wanted } from "./session.ts";
