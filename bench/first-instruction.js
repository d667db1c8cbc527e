/**
 * `node --import first-instruction.js bin/kseg.js run …`: ends kseg where the guest's first instruction would be
 * executed, and prints on stderr how long that took: milliseconds since the process began, and of processor time. It is
 * JavaScript because stripping types before kseg turns the compile cache on would count.
 */
import process from "node:process";

function atFirstInstruction() {
  const { user, system } = process.cpuUsage();
  process.stderr.write(`${performance.now()} ${(user + system) / 1000}\n`);
  process.exit(0);
}

WebAssembly.Instance = new Proxy(WebAssembly.Instance, {
  construct(target, parameters) {
    const instance = Reflect.construct(target, parameters);
    // The interpreter's module alone has this.
    return "run" in instance.exports
      ? { exports: { ...instance.exports, run: atFirstInstruction } }
      : instance;
  },
});
