/** The scripts of `kseg completion`, in the shells that they are for. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CPU_MODELS } from "../../src/index.ts";
import { kseg } from "./kseg.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;
const folder = mkdtempSync(join(tmpdir(), "kseg-completion-"));
afterAll(() => rmSync(folder, { recursive: true }));
mkdirSync(join(folder, "tests"));
writeFileSync(join(folder, "tests of mine"), "");

const script = (shell: string): string => join(folder, `kseg.${shell}`);
beforeAll(async () => {
  for (const shell of SHELLS) {
    const { status, stdout, stderr } = await kseg(["completion", shell]);
    if (status !== 0) throw new Error(stderr);
    writeFileSync(script(shell), stdout);
  }
});

function missing(shell: (typeof SHELLS)[number]): boolean {
  const isMissing = spawnSync(shell, ["-c", "exit 0"]).status !== 0;
  if (isMissing) console.log(`completion in ${shell}: skipped: ${shell} is not installed`);
  return isMissing;
}

const OFFERS: readonly (readonly [line: string, offered: readonly string[]])[] = [
  ["kseg r", ["run"]],
  ["kseg guest ", ["build", "fetch", "import", "list", "paths"]],
  ["kseg guest fetch ", ["debian"]],
  ["kseg guest build --page-size ", ["16k", "4k", "both"]],
  ["kseg disasm ", ["entry", "exit", "fast-exit", "host", "refill"]],
  ["kseg run --mo", ["--mode"]],
  ["kseg run --mode ", ["bare", "te"]],
  ["kseg run --quiet --host-cpu ", Object.keys(CPU_MODELS).sort()],
  ["kseg stat --guest kvm-linux-1", ["kvm-linux-16k"]],
  ["kseg run --append ", []],
  ["kseg completion ", ["bash", "fish", "zsh"]],
  ["kseg run -ke", ["-kernel"]],
  ["kseg run -m 64 -cpu ", Object.keys(CPU_MODELS).sort()],
  ["kseg explain -M ", ["malta"]],
  ["kseg stat -accel ", ["kvm", "tcg"]],
  ["kseg run -serial m", ["mon:stdio"]],
  ["kseg run -append ", []],
  ["kseg guest list -ke", []],
];

/** What bash has in COMPREPLY for the end of this line. */
function bashOffers(...words: readonly string[]): string[] {
  const { stdout, stderr, status } = spawnSync(
    "bash",
    [
      "--norc",
      "-c",
      'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _kseg; printf "%s\\n" "${COMPREPLY[@]}"',
      "bash",
      script("bash"),
      ...words,
    ],
    { encoding: "utf8", cwd: folder },
  );
  expect(status, stderr).toBe(0);
  return stdout
    .split("\n")
    .filter((word) => word !== "")
    .sort();
}

describe.skipIf(missing("bash"))("bash", () => {
  it.each(OFFERS)("completes %s", (line, offered) => {
    expect(bashOffers(...line.split(" "))).toEqual(offered);
  });

  it("completes a value behind =, which is a word of its own", () => {
    expect(bashOffers("kseg", "run", "--mode", "=", "b")).toEqual(["bare"]);
    expect(bashOffers("kseg", "run", "--mode", "=")).toEqual(["bare", "te"]);
  });

  it("completes names of files and folders, with spaces too", () => {
    expect(bashOffers("kseg", "run", "--kernel", "te")).toEqual(["tests", "tests of mine"]);
    expect(bashOffers("kseg", "run", "-kernel", "te")).toEqual(["tests", "tests of mine"]);
    expect(bashOffers("kseg", "run", "--share", "te")).toEqual(["tests"]);
    expect(bashOffers("kseg", "guest", "import", "a.deb", "tests o")).toEqual(["tests of mine"]);
  });

  it("has been told of the function", () => {
    const command = `source '${script("bash")}'; complete -p kseg`;
    const { stdout } = spawnSync("bash", ["--norc", "-c", command], { encoding: "utf8" });
    expect(stdout).toBe("complete -F _kseg kseg\n");
  });
});

describe.skipIf(missing("fish"))("fish", () => {
  it.each(OFFERS)("completes %s", (line, offered) => {
    const command = `source '${script("fish")}'; complete -C '${line}'`;
    const { stdout, stderr } = spawnSync("fish", ["--no-config", "-c", command], {
      encoding: "utf8",
      cwd: folder,
    });
    expect(stderr).toBe("");
    const words = stdout.split("\n").filter((text) => text !== "");
    expect(new Set(words.map((text) => text.split("\t")[0]))).toEqual(new Set(offered));
  });
});

describe.skipIf(missing("zsh"))("zsh", () => {
  it("can read the script", () => {
    const { status, stderr } = spawnSync("zsh", ["-n", script("zsh")], { encoding: "utf8" });
    expect(status, stderr).toBe(0);
  });
});
