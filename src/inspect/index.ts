/** Read-only views of machine and hypervisor, for people. */
export { BareInspection } from "./inspect-bare.ts";
export { GuestInspection } from "./inspect-guest.ts";
export { explanationText, guestTlbText, hostTlbText, rootsText } from "./explanation-text.ts";
export type * from "./explanation.ts";
export type * from "./views.ts";
export { FtraceText } from "./ftrace.ts";
export { PerfettoTrace } from "./perfetto.ts";
export type { TraceWriter } from "./trace-event.ts";
