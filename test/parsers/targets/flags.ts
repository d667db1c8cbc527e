/** Command lines of `kseg run`, in QEMU's spelling too. An argument is a line of the input. */
import { Command, CommanderError, type Option } from "commander";
import { CliError } from "../../../src/cli/errors.ts";
import { addRunFlags, checkRestore, RUN_FLAGS, type RunFlags } from "../../../src/cli/flags.ts";
import { fromQemu, QEMU_FLAGS } from "../../../src/cli/qemu-flags.ts";
import { checkRefusal, type Target } from "../../../tools/coverage-fuzzer/fuzz-target.ts";

const LINES = [
  "qemu-system-mipsel -M malta -m 64 -nographic -kernel vmlinux -append a=b",
  "-machine type=malta,accel=kvm -cpu 24Kf -s -S -no-reboot -serial mon:stdio -nic none",
  "-gdb tcp::1234 -smp 1 -rtc base=utc -name x -vga none -accel tcg",
  "--guest debian --memory 512M --timeout 1.5 --exit-on login: --stats s.json",
  "--kernel k --initrd i --append c --mode bare --host-cpu P5600 --engine jit --quiet",
  "--refill slow --gva-roots 3 --guest-tlb 64 --fast-exits off --guest-fpu on --dyntrans on",
  "--restore a --replay b --save c --record d --trace e.ftrace --gdb localhost:1 --gdb-no-wait",
  "--share folder --exec ./run.sh --clock=wall --host-page-size 16k -- -m",
];

const namesOf = (options: readonly Option[]): string[] =>
  options.flatMap(({ long, short }) => [long, short].filter((name) => typeof name === "string"));

export function openTarget(): Target {
  let parsed: RunFlags | null = null;
  const command = addRunFlags(new Command("run"))
    .exitOverride()
    .configureOutput({ outputError() {}, writeOut() {} })
    .action((flags: RunFlags) => {
      parsed = flags;
      checkRestore(command, flags);
    });
  const { options } = command;
  const own = {
    names: [...namesOf(options), "-h", "--help"],
    withValue: namesOf(options.filter((one) => one.required)),
  };
  const lines = [
    ...LINES,
    ...QEMU_FLAGS.map(({ names, value }) => `${names[0]} ${value ?? ""}`),
    ...RUN_FLAGS.map(({ name, choices }) => `${name} ${choices?.join(` ${name}=`) ?? "7"}`),
  ];
  return {
    seeds: lines.map((line) => new TextEncoder().encode(line.replaceAll(" ", "\n"))),
    longest: 250,
    take: (input) => {
      const text = new TextDecoder().decode(input);
      parsed = null;
      try {
        command.parse(fromQemu(text.split("\n"), own), { from: "user" });
        if (parsed === null) throw new Error("nothing was done, and nothing said");
      } catch (error) {
        // Commander's are put into a line by `kseg` itself.
        if (error instanceof CommanderError) return;
        // `kseg` puts what was typed on one line.
        if (error instanceof CliError) error.message = error.message.replaceAll(/\p{Cc}/gu, "?");
        checkRefusal(error, [CliError], text);
      }
    },
  };
}
