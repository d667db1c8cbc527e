/** `kseg guest`: obtains real guests into the cache and says what is there. */
import { availableParallelism, constants } from "node:os";
import { Argument, Command, InvalidArgumentError, Option } from "commander";
import { addHelp, type CommandHelp } from "./command-help.ts";
import { withChoices } from "./completion-values.ts";
import { CommandFailedError } from "../guests/errors.ts";
import {
  buildKvmLinux,
  fetchDebian,
  GuestCache,
  GuestError,
  guestName,
  guestPaths,
  GUESTS,
  GuestUsageError,
  importFiles,
  listArtefacts,
  parsePageSizes,
  styled,
  systemReason,
  terminalProgress,
} from "../guests/index.ts";

const FILES = [["~/.cache/kseg", "the cache; KSEG_CACHE or XDG_CACHE_HOME choose another"]] as const;
const SEE_ALSO = "kseg help environment; docs/guests.md";

const GUEST_HELP: CommandHelp = {
  notes: [
    "Everything may be interrupted and started again; it goes on where it was. Progress goes to stderr, results to stdout.",
  ],
  examples: [
    ["guest fetch debian", "Debian's kernel and busybox"],
    ["guest list", "what is in the cache, and how to get the rest"],
    ["run --guest debian", "runs it"],
  ],
  files: FILES,
  seeAlso: SEE_ALSO,
};

const HELPS = {
  fetch: {
    notes: [
      "Uses the machine's own apt sources, keys and proxies with private lists; 46 MB. What the cache has already is not " +
        "fetched again.",
    ],
    examples: [["guest fetch debian", "as the guest debian, for kseg run --guest debian"]],
    files: FILES,
    seeAlso: SEE_ALSO,
  },
  build: {
    notes: [
      "Takes some minutes per page size, 122 MB by apt and 1.8 GB of disk while it builds, and a cross compiler: it names " +
        "the packages that are missing.",
    ],
    examples: [
      ["guest build kvm-linux", "both page sizes"],
      ["guest build kvm-linux --page-size 4k --jobs 2", "one of them, with two compilers at a time"],
    ],
    files: FILES,
    seeAlso: SEE_ALSO,
  },
  import: {
    examples: [
      ["guest import linux-image-6.1.0-4kc-malta.deb busybox-static.deb", "packages fetched by hand"],
    ],
    files: FILES,
    seeAlso: SEE_ALSO,
  },
  list: {
    examples: [["guest list", "a line for each part, and for each guest"]],
    files: FILES,
    seeAlso: SEE_ALSO,
  },
  paths: {
    examples: [["guest paths debian", "kernel, initrd and command line, a line each"]],
    files: FILES,
    seeAlso: SEE_ALSO,
  },
} as const satisfies Readonly<Record<string, CommandHelp>>;

/**
 * The sub-command, to be added to the program. Its actions report failures themselves: one line on stderr,
 * and 1 (something failed) or 2 (bad request or input) as `process.exitCode`.
 */
export function guestCommand(): Command {
  const cache = new GuestCache();
  const progress = terminalProgress(process.stderr);
  const reporting = reportingWith(progress);
  const guest = new Command("guest").description(`obtain real guests into the cache (${cache.root})`);
  const subcommand = (name: keyof typeof HELPS): Command => addHelp(guest.command(name), HELPS[name]);
  addHelp(guest, GUEST_HELP);

  subcommand("fetch")
    .description("fetch a guest with this machine's apt-get; needs no root")
    .addArgument(
      withChoices(new Argument("<guest>", "debian: the newest Malta kernel and busybox for mipsel"), [
        "debian",
      ]),
    )
    .action(
      reporting(async (name: string) => {
        if (name !== "debian") throw new GuestUsageError(`cannot fetch ${name}; there is: debian`);
        printPaths(await fetchDebian(cache, progress));
      }),
    );

  subcommand("build")
    .description("build a guest from source; says what it needs")
    .addArgument(
      withChoices(
        new Argument("<guest>", "kvm-linux: Linux 5.10 for trap-and-emulate (malta_kvm_guest_defconfig)"),
        ["kvm-linux"],
      ),
    )
    .addOption(
      withChoices(new Option("--page-size <size>", "4k, 16k or both").default("both"), ["4k", "16k", "both"]),
    )
    .option("--jobs <n>", "compilers at a time", positiveInteger, availableParallelism())
    .option("--force", "build even what is built already")
    .option("--keep-trees", "keep the source and build trees (1.5 GB)")
    .action(
      reporting(async (name: string, options: BuildFlags) => {
        if (name !== "kvm-linux") throw new GuestUsageError(`cannot build ${name}; there is: kvm-linux`);
        const built = await buildKvmLinux(
          cache,
          {
            pageSizes: parsePageSizes(options.pageSize),
            jobs: options.jobs,
            force: options.force === true,
            keepTrees: options.keepTrees === true,
          },
          progress,
        );
        for (const { guest: target, kernel } of built) process.stdout.write(`${target}\t${kernel}\n`);
      }),
    );

  subcommand("import")
    .description("take .deb files, a kernel tarball, kernels or busybox fetched by hand; on any system")
    .argument("<files...>", "told apart by what is in them")
    .action(
      reporting(async (files: string[]) => {
        const imported = await importFiles(cache, files, progress);
        for (const { manifest, folder } of imported)
          process.stdout.write(`${manifest.artefact}\t${folder}\n`);
      }),
    );

  subcommand("list")
    .description("what is in the cache, checked, and how to get what is not")
    .action(reporting(() => printList(cache)));

  subcommand("paths")
    .description("the files that start a guest, for scripts")
    .addArgument(withChoices(new Argument("<guest>", GUESTS.join(", ")), GUESTS))
    .action(
      reporting(async (name: string) => {
        printPaths(await guestPaths(guestName(name), cache));
      }),
    );

  return guest;
}

interface BuildFlags {
  readonly pageSize: string;
  readonly jobs: number;
  readonly force?: boolean;
  readonly keepTrees?: boolean;
}

function positiveInteger(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new InvalidArgumentError("give a number from 1 to 9999.");
  return Number(text);
}

function printPaths(paths: {
  readonly kernel: string;
  readonly initrd: string;
  readonly append: string;
}): void {
  process.stdout.write(`kernel\t${paths.kernel}\ninitrd\t${paths.initrd}\nappend\t${paths.append}\n`);
}

async function printList(cache: GuestCache): Promise<void> {
  const lines: string[] = [];
  for (const { name, state, problem, artefact } of await listArtefacts(cache)) {
    const version = artefact?.manifest.source["version"] ?? "";
    const size = artefact?.manifest.files.reduce((sum, file) => sum + file.size, 0) ?? 0;
    const detail = artefact === undefined ? problem : `${(size / 1e6).toFixed(1)} MB  ${version}`;
    lines.push(`${name.padEnd(14)} ${state.padEnd(8)} ${detail}`.trimEnd());
  }
  lines.push("");
  for (const name of GUESTS) {
    const state = await guestPaths(name, cache).then(
      (paths) => `ready: ${paths.kernel}`,
      (error: unknown) => {
        if (error instanceof GuestError) return error.message.replace(/^guest \S+: /, "");
        throw error;
      },
    );
    lines.push(`${name.padEnd(14)} ${state}`);
  }
  process.stdout.write(`${lines.join("\n")}\n`);
}

/** The exit status for a failure: that of a program that a signal ends, if that is why. */
const statusOf = (error: GuestError): number =>
  error instanceof CommandFailedError && error.stoppedBy !== null
    ? 128 + constants.signals[error.stoppedBy]
    : error.exitStatus;

/** Wraps actions so that failures are reported as {@link guestCommand} says, below what progress has shown. */
function reportingWith(
  progress: ReturnType<typeof terminalProgress>,
): <A extends unknown[]>(action: (...args: A) => Promise<void>) => (...args: A) => Promise<void> {
  const say = (message: string, status: number): void => {
    process.stderr.write(`${styled("red", "kseg:", process.stderr)} ${message}\n`);
    process.exitCode = status;
  };
  return (action) =>
    async (...args) => {
      try {
        await action(...args);
      } catch (error) {
        progress.clear();
        const reason = systemReason(error);
        if (error instanceof GuestError) say(error.message, statusOf(error));
        else if (reason !== undefined && error instanceof Error) {
          // A failed system call outside the places that name their file: still one line.
          const where = "path" in error && typeof error.path === "string" ? `${error.path}: ` : "";
          say(`${where}${reason}`, 1);
        } else throw error;
      }
    };
}
