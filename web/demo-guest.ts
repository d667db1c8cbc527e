/** The guest that comes with the page: the image for each way to run it. */
import bare from "../guests/demo/demo-bare.elf?url";
import te16k from "../guests/demo/demo-te-16k.elf?url";
import te from "../guests/demo/demo-te.elf?url";
import type { Settings } from "../src/web/index.ts";

/** Its kernel for these settings. Rejects if the site does not have it. */
export async function demoKernel({ mode, hostPageSize }: Settings): Promise<Uint8Array> {
  const url = mode === "bare" ? bare : hostPageSize === 16384 ? te16k : te;
  const response = await fetch(url);
  if (!response.ok) throw new Error(`cannot load the demo guest: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}
