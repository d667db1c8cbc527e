/** Has V8's compilers step back behind the guest. */
import { readdirSync } from "node:fs";
import { availableParallelism, getPriority, setPriority } from "node:os";
import process from "node:process";

/** Linux keeps a priority ("nice" value, up to 19) for each thread, and shows the threads of a process here. */
const THREADS = "/proc/self/task";
const LEAST_PRIORITY = 19;
/** A thread gets a tenth of a core then that the guest's wants too. */
const STEPS_BACK = 10;

/**
 * From here on the threads in which V8 optimizes code and collects garbage, which Node has started all before, do not take
 * the core of the thread that the guest runs in while there is another one: with two cores Debian's boot takes 4 % less
 * time (measured). Does nothing on a computer with a single core, where what is hot would be optimized too late, or on one
 * where threads have no priorities of their own.
 */
export function putCompilersBehindGuest(): void {
  if (process.platform !== "linux" || availableParallelism() < 2) return;
  for (const thread of threads()) {
    if (thread === process.pid) continue;
    try {
      setPriority(thread, Math.min(getPriority(thread) + STEPS_BACK, LEAST_PRIORITY));
    } catch {
      // It has ended, or the system does not let programs do this: everything works without.
    }
  }
}

function threads(): number[] {
  try {
    return readdirSync(THREADS).map(Number);
  } catch {
    return [];
  }
}
