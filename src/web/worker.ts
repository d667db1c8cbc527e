/** The worker: its global object is its end of the connection. */
import type { Port, Report } from "./protocol.ts";
import { serve } from "./serve.ts";

serve(globalThis as unknown as Port<Report>);
