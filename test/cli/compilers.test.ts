import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { expect, test } from "vitest";
import { start } from "./kseg.ts";

/** Name and nice value of a thread (proc(5): fields 2 and 19). */
function threadAt(folder: string): { readonly name: string; readonly nice: number } {
  const [, name = "", rest = ""] = /\((.*)\) (.*)/.exec(readFileSync(`${folder}/stat`, "utf8")) ?? [];
  return { name, nice: Number(rest.split(" ")[16]) };
}

const hasPriorities = process.platform === "linux" && availableParallelism() > 1;

test.skipIf(!hasPriorities)(
  `V8's compilers stand back behind the guest${hasPriorities ? "" : " (skipped: needs Linux and two cores)"}`,
  async () => {
    const { child, shows, result } = start(["run", "--quiet"]);
    await shows("kseg> ");
    const tasks = `/proc/${child.pid}/task`;
    const main = threadAt(`${tasks}/${child.pid}`);
    const compilers = readdirSync(tasks)
      .map((thread) => threadAt(`${tasks}/${thread}`))
      .filter(({ name }) => name.startsWith("V8Worker"));
    child.stdin!.end("poweroff\n");
    expect((await result).status).toBe(0);
    expect(compilers.length).toBeGreaterThan(0);
    for (const { nice } of compilers) expect(nice).toBe(Math.min(main.nice + 10, 19));
  },
);
