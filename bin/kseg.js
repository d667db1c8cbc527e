#!/usr/bin/env node
/**
 * The command line's entry. kseg's sources are TypeScript, which Node runs from version 24 on; an older Node
 * hands over to the one that `npm ci` puts beside kseg. This file itself has to run on any Node.
 */
import { existsSync } from "node:fs";
import module from "node:module";
import { constants } from "node:os";
import path from "node:path";
import process from "node:process";

const OLDEST_NODE = 24;
/** Says that this is the Node handed over to: it may not hand over again. */
const HANDED_OVER = "KSEG_HANDED_OVER";
/** Signals that end a program. The terminal sends some of them to both processes; kseg takes them once. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];

const handedOver = process.env[HANDED_OVER] !== undefined;
delete process.env[HANDED_OVER];

if (Number.parseInt(process.versions.node, 10) >= OLDEST_NODE) await runHere();
else await handOver();

async function runHere() {
  module.enableCompileCache();
  module.registerHooks({ resolve });
  const { main } = await import("../src/cli/main.ts");
  process.exitCode = await main(process.argv.slice(2));
}

/**
 * Where the sources' imports of each other lead is what they say, and what is there is TypeScript: Node need not look
 * for files and package.json around each of some 250, which is a sixth of the time to start.
 */
function resolve(specifier, context, next) {
  if (!/^\.\.?\/.*\.ts$/.test(specifier)) return next(specifier, context);
  const { href } = new URL(specifier, context.parentURL);
  return { url: href, format: "module-typescript", shortCircuit: true };
}

async function handOver() {
  const node = handedOver ? undefined : pinnedNode();
  if (node === undefined) {
    process.stderr.write(
      `kseg: needs Node ${OLDEST_NODE} or newer, this is ${process.versions.node}: run npm ci in kseg's folder\n`,
    );
    process.exitCode = 2;
    return;
  }
  const { spawn } = await import("node:child_process");
  // First of all: a signal that ended this process alone would leave the other one behind.
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
  const child = spawn(node, [...process.execArgv, ...process.argv.slice(1)], {
    stdio: "inherit",
    env: { ...process.env, [HANDED_OVER]: "1" },
  });
  child.on("error", (error) => {
    process.stderr.write(`kseg: cannot start ${node}: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on("exit", (status, signal) => {
    // As a shell reports it: this process need not die of the same signal (it might write a core dump).
    process.exitCode = signal === null ? status : 128 + constants.signals[signal];
  });
}

/** The program of the npm package `node`, if it is installed and complete. */
function pinnedNode() {
  try {
    const manifest = module.createRequire(import.meta.url).resolve("node/package.json");
    const program = path.join(
      path.dirname(manifest),
      "bin",
      process.platform === "win32" ? "node.exe" : "node",
    );
    return existsSync(program) ? program : undefined;
  } catch {
    return undefined;
  }
}
