import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Buffers are freed by a thread of their own, and what a promise holds after the microtasks. */
const PATIENCE = 100;

/** Bytes that this thread cannot do without: objects, and array buffers wherever they are. */
export async function bytesInUse(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, PATIENCE));
  }
  collect();
  return getHeapStatistics().used_heap_size + process.memoryUsage().arrayBuffers;
}
