import { explanationText, guestTlbText, hostTlbText, rootsText, type Cp0View } from "../inspect/index.ts";
import type { DebuggedGuest } from "./session.ts";

interface MonitorCommand {
  readonly help: string;
  readonly run: (guest: DebuggedGuest, argument: string) => string;
}

const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");

/** `name value` lines of what is not 0, the largest first. */
function counts(values: Readonly<Record<string, number>>): string {
  const lines = Object.entries(values)
    .filter(([, count]) => count !== 0)
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${String(count).padStart(12)}  ${name}`);
  return lines.length === 0 ? "none\n" : `${lines.join("\n")}\n`;
}

function stats(guest: DebuggedGuest): string {
  const { instructions, guestInstructions, refills, hostTlbWrites, gvaPtesFilled, asidChanges } =
    guest.stats();
  return counts({
    "ticks of guest time": guest.time,
    instructions,
    "guest instructions": guestInstructions,
    "refills by the generated handler": refills.fast,
    "refills by an exit": refills.slow,
    "host TLB writes": hostTlbWrites,
    "PTEs filled": gvaPtesFilled,
    "ASID changes": asidChanges,
  });
}

function exits(guest: DebuggedGuest): string {
  const { exits: slow, fastExits } = guest.stats();
  return `exits:\n${counts(slow)}settled by generated code:\n${counts(fastExits)}`;
}

/** The TLB that the guest sees, and the machine's if that is another. */
function tlbs(guest: DebuggedGuest): string {
  const text = (lines: string): string => (lines === "" ? "no entry is in use\n" : `${lines}\n`);
  const views = guest.inspect();
  if (guest.hostDebug === null) return text(hostTlbText(views.hostTlb()));
  return `guest TLB:\n${text(guestTlbText(views.guestTlb()))}host TLB:\n${text(hostTlbText(views.hostTlb()))}`;
}

/** The machine under a guest: whose code its CPU executes, in which address space, and its CP0 registers. */
function host(guest: DebuggedGuest): string {
  const { debug, hostDebug } = guest;
  const views = guest.inspect();
  const cp0 = views.hostCp0();
  const registers = cp0.map(({ name, value, fields }) => {
    const set = Object.entries(fields).filter(([, field]) => field !== 0);
    const text = set.map(([field, bits]) => `${field}=${bits.toString(16)}`).join(" ");
    return `  ${name.padEnd(12)} ${hex(value)}  ${text}`.trimEnd();
  });
  const pc = hex((hostDebug ?? debug).readRegister("pc")!);
  const lines = [`CPU at ${pc}, ${whose(cp0, hostDebug !== null)}`, ...registers];
  const roots = rootsText(views.roots());
  if (roots !== "") lines.push("roots of GVA tables:", roots.replace(/^/gm, "  "));
  return `${lines.join("\n")}\n`;
}

/** Whose code the machine executes, by its mode: under the hypervisor all user mode is the guest's. */
function whose(cp0: readonly Cp0View[], hasHost: boolean): string {
  const status = cp0.find(({ name }) => name === "Status")!.fields;
  const isUser = status["KSU"] === 2 && status["EXL"] === 0 && status["ERL"] === 0;
  if (!hasHost) return `in ${isUser ? "user" : "kernel"} mode`;
  return isUser ? "in the guest's code" : "in the host's code";
}

function explain(guest: DebuggedGuest, address: string): string {
  // gdb hands on what follows `monitor` as it was typed.
  const isPc = address === "pc" || address === "$pc";
  if (!isPc && !/^(0x)?[0-9a-f]{1,8}$/i.test(address))
    return "monitor gva takes an address in hexadecimal digits, or $pc\n";
  const gva = isPc ? guest.debug.readRegister("pc") : Number.parseInt(address, 16);
  if (gva === null) return "where the guest is is not known in the middle of its host's code\n";
  return `${explanationText(guest.inspect().explain(gva))}\n`;
}

const COMMANDS: Readonly<Record<string, MonitorCommand>> = {
  help: {
    help: "this list",
    run: () =>
      Object.entries(COMMANDS)
        .map(([name, { help }]) => `${name.padEnd(8)} ${help}\n`)
        .join(""),
  },
  exits: { help: "what the guest has left the machine for", run: exits },
  gva: { help: "gva ADDRESS: what an access there would do", run: explain },
  tlb: { help: "the guest's TLB, and the machine's under it", run: tlbs },
  host: {
    help: "the machine under the guest: where its CPU is, its CP0 registers, the GVA tables' roots",
    run: host,
  },
  stats: { help: "instructions, refills and what else was counted", run: stats },
  threads: {
    help: "what each thread is, and where it stands",
    run: ({ debug, hostDebug }) =>
      [debug, hostDebug]
        .map((view, n) =>
          view === null ? "" : `${n + 1}  ${view.name}  pc ${hex(view.readRegister("pc")!)}\n`,
        )
        .join(""),
  },
};

/** Carries out a command of the debugger's `monitor`; returns the text to be shown. */
export function monitor(guest: DebuggedGuest, line: string): string {
  const [name = "", ...rest] = line.trim().split(/\s+/);
  const command = Object.hasOwn(COMMANDS, name === "" ? "help" : name)
    ? COMMANDS[name === "" ? "help" : name]
    : undefined;
  if (command === undefined) return `kseg has no command ${name}: monitor help lists them\n`;
  return command.run(guest, rest.join(" "));
}
