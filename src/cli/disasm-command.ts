/** `kseg disasm`: the code that the hypervisor generates, for reading. */
import { Argument, Command } from "commander";
import { CODE_PARTS, generatedCode, type CodePart, type GuestConfig } from "../index.ts";
import { addHelp, type CommandHelp } from "./command-help.ts";
import { withChoices } from "./completion-values.ts";
import { choiceOf, runFlag } from "./flags.ts";

type DisasmFlags = Required<Pick<GuestConfig, "hostCpu">> & Pick<GuestConfig, "hostPageSize" | "refill">;

const HELP: CommandHelp = {
  notes: [
    "refill: the TLB refill handler; exit: from the exception vectors to the hypervisor and back out; entry: into the " +
      "guest; fast-exit: traps settled inside the machine; host: the host kernel's own vectors and routines. A line is " +
      "an address, a word, the instruction, and what it is for. The addresses are those of a host that has nothing " +
      "else; in a run EBase says where the code is.",
  ],
  examples: [
    ["disasm refill", "the handler that refills the TLB"],
    ["disasm refill --host-cpu 24Kc-kscratch", "the same for a CPU with scratch registers"],
  ],
  seeAlso: "kseg help bench; ARCHITECTURE.md",
};

/** The sub-command, to be added to the program. */
export function disasmCommand(): Command {
  const command = addHelp(new Command("disasm"), HELP)
    .description("print the code that the hypervisor generates for a host")
    .addArgument(
      withChoices(
        new Argument("<part>", `what to print: ${CODE_PARTS.join(", ")}`).argParser((text) =>
          choiceOf(text, CODE_PARTS, "disasm", "part of the code"),
        ),
        CODE_PARTS,
      ),
    );
  for (const name of ["--host-cpu", "--host-page-size", "--refill"] as const)
    command.addOption(runFlag(name));
  return command.action((part: CodePart, { hostCpu, hostPageSize, refill }: DisasmFlags) => {
    process.stdout.write(
      generatedCode(part, {
        hostCpu,
        ...(hostPageSize === undefined ? {} : { hostPageSize }),
        ...(refill === undefined ? {} : { refill }),
      }),
    );
  });
}
