/** Carries out one task in a worker of a browser, as `browsers.ts` asks. */
import { carryOut, type Answer, type Task } from "./tasks.ts";

/** What of a worker's global object is used: this side has no types of the browser's. */
interface WorkerScope {
  onmessage: (event: { readonly data: Task }) => void;
  postMessage(answer: Answer): void;
}
const scope = globalThis as unknown as WorkerScope;

async function load(image: string): Promise<Uint8Array> {
  const response = await fetch(image);
  return new Uint8Array(await response.arrayBuffer());
}

async function answer(task: Task): Promise<Answer> {
  const began = performance.now();
  try {
    const result = await carryOut(task, load);
    return { result, milliseconds: performance.now() - began };
  } catch (error) {
    return { error: String(error) };
  }
}

scope.onmessage = ({ data }) => void answer(data).then((done) => scope.postMessage(done));
