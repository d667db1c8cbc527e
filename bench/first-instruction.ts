/**
 * `node --import first-instruction.ts bin/kseg.js run …`: ends kseg where the guest's first instruction would be
 * executed, and prints on stderr how long that took: milliseconds since the process began, and of processor time.
 */
type Run = (...parameters: unknown[]) => unknown;

function atFirstInstruction(): never {
  const { user, system } = process.cpuUsage();
  process.stderr.write(`${performance.now()} ${(user + system) / 1000}\n`);
  process.exit(0);
}

WebAssembly.Instance = new Proxy(WebAssembly.Instance, {
  construct(target, parameters) {
    const instance = Reflect.construct(target, parameters) as { readonly exports: Record<string, Run> };
    // The interpreter's module alone has this.
    return "run" in instance.exports
      ? { exports: { ...instance.exports, run: atFirstInstruction } }
      : instance;
  },
});
