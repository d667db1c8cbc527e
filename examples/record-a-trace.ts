/**
 * Records what the hypervisor does while a guest boots, as a trace for ui.perfetto.dev, and counts the exits by
 * exception code besides.
 *
 * Run it with `npx node examples/record-a-trace.ts [FILE]`; without a file the trace is not kept.
 * Outside of this checkout it needs Node 22.18 or newer, and to be copied out of node_modules: `node record-a-trace.ts`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { createGuest, PerfettoTrace, TICKS_PER_SECOND, type Guest, type Tracer } from "kseg";

const pieces: Uint8Array[] = [];
const trace = new PerfettoTrace(
  (bytes) => pieces.push(bytes),
  () => guest.time,
);
const exits = new Map<number, number>();

/** All of the trace's callbacks, one of them with something more to do. */
const tracer: Tracer = {
  ...trace.tracer,
  kvm_exit(pc, reason) {
    trace.tracer.kvm_exit?.(pc, reason);
    exits.set(reason, (exits.get(reason) ?? 0) + 1);
  },
};

const guest: Guest = createGuest({
  kernel: readFileSync(new URL(import.meta.resolve("kseg/guests/demo-te.elf"))),
  tracer,
  onConsole() {},
});
guest.sendInput(new TextEncoder().encode("ps\npoweroff\n"));
const result = guest.run(10 * TICKS_PER_SECOND);
trace.sample({ refills: guest.stats().refills.fast });
trace.finish();

const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
console.log(`the guest is ${result.kind}; the trace has ${bytes} bytes`);
for (const [reason, count] of [...exits].sort(([a], [b]) => a - b))
  console.log(`exits for reason ${reason}: ${count}`);
const [, , file] = process.argv;
if (file !== undefined) writeFileSync(file, Buffer.concat(pieces));
