/**
 * Debian packages through the machine's own `apt-get`, with private lists and downloads: no root, nothing of
 * the system's state touched, and no mirror named here; apt checks the repositories' signatures.
 */
import { access, mkdir, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { sha256OfFile } from "./cache.ts";
import { ChecksumError, CommandFailedError, GuestError, MissingToolsError } from "./errors.ts";
import { run, which } from "./process.ts";
import type { Progress } from "./progress.ts";

/** A package as apt would download it. */
export interface AptCandidate {
  readonly name: string;
  /** File name that apt gives the download. */
  readonly fileName: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256 from the signed package list, lower-case hexadecimal. */
  readonly sha256: string;
}

/** What to do where apt is missing or of no use. */
const IMPORT_HINT = "or fetch the .deb files on any machine and give them to: kseg guest import";

/** Keyrings of Debian's archive, where Debian's own packages put them. */
const KEYRINGS = [
  "/usr/share/keyrings/debian-archive-keyring.gpg",
  "/usr/share/keyrings/debian-archive-keyring.pgp",
];

/** The line of apt's output that tells most: the first error, else the first warning. */
function explainApt(lines: readonly string[]): string {
  const line = lines.find((text) => text.startsWith("E:")) ?? lines.find((text) => text.startsWith("W:"));
  return (line ?? lines.at(-1) ?? "").replace(/^[EW]:\s*/, "").replace(/\s+/g, " ");
}

/** A private apt for one architecture and one set of sources. */
export class PrivateApt {
  readonly #options: readonly string[];
  /** apt's complaint during the last update, which explains a package that is not found later. */
  #complaint = "";

  private constructor(options: readonly string[]) {
    this.#options = options;
  }

  /**
   * Makes one whose state is in `folder`. `architecture` undefined means the machine's own. `suite` replaces
   * the machine's sources by that suite of the Debian mirror that the machine uses.
   * @throws {MissingToolsError} without apt. @throws {GuestError} when the machine knows no Debian mirror.
   */
  static async open(
    folder: string,
    { architecture, suite }: { readonly architecture?: string; readonly suite?: string },
  ): Promise<PrivateApt> {
    if ((await which("apt-get")) === undefined || (await which("apt-cache")) === undefined) {
      throw new MissingToolsError(["apt-get"], ["apt"], IMPORT_HINT);
    }
    await mkdir(path.join(folder, "lists", "partial"), { recursive: true });
    await mkdir(path.join(folder, "archives", "partial"), { recursive: true });
    // An empty status file: what is installed here has no bearing on what is downloaded.
    await writeFile(path.join(folder, "status"), "");
    const options = [
      `-oDir::State::Lists=${path.join(folder, "lists")}`,
      `-oDir::State::status=${path.join(folder, "status")}`,
      `-oDir::Cache=${folder}`,
      "-oAPT::Get::AllowUnauthenticated=false",
      "-oAcquire::AllowInsecureRepositories=false",
    ];
    if (architecture !== undefined) {
      options.push(`-oAPT::Architecture=${architecture}`, `-oAPT::Architectures=${architecture}`);
    }
    if (suite !== undefined) {
      const list = path.join(folder, `${suite}.list`);
      await writeFile(list, await sourceLine(suite, options));
      options.push(`-oDir::Etc::SourceList=${list}`, "-oDir::Etc::SourceParts=/dev/null");
    }
    return new PrivateApt(options);
  }

  /** Brings the package lists up to date. A source that fails is no error yet: the lists may be there already. */
  async update(): Promise<void> {
    const lines: string[] = [];
    try {
      await run("apt-get", [...this.#options, "update"], { onLine: (line) => lines.push(line) });
    } catch (error) {
      if (!(error instanceof CommandFailedError) || typeof error.status === "string") throw error;
    }
    this.#complaint = lines.some((line) => /^[EW]:/.test(line)) ? explainApt(lines) : "";
  }

  /** Names of the packages that match `pattern`, an extended regular expression. */
  async search(pattern: string): Promise<string[]> {
    const output = await run("apt-cache", [...this.#options, "search", "--names-only", pattern]);
    return output
      .split("\n")
      .flatMap((line) => (/ - /.exec(line) === null ? [] : [line.split(" - ")[0] ?? ""]));
  }

  /** What apt would download for `name`, or undefined when no source has it. */
  async candidate(name: string): Promise<AptCandidate | undefined> {
    const output = await run("apt-get", [...this.#options, "--print-uris", "download", name]).catch(
      (error: unknown) => {
        if (error instanceof CommandFailedError && typeof error.status === "number") return "";
        throw error;
      },
    );
    const match = /^'[^']+' (\S+) (\d+) SHA256:([0-9a-f]{64})\s*$/m.exec(output);
    if (match === null) return undefined;
    const [, fileName = "", size = "", sha256 = ""] = match;
    return { name, fileName, size: Number(size), sha256 };
  }

  /** The error for a package that no source has, with apt's own reason where there is one. */
  notFound(what: string): GuestError {
    const reason =
      this.#complaint === "" ? "the apt sources of this machine do not have it" : this.#complaint;
    return new GuestError(`cannot get ${what}: ${reason}; try again later, ${IMPORT_HINT}`, 1);
  }

  /**
   * Downloads a package into `folder` and returns its path; one that is there already, complete, is kept.
   * `progress` counts the bytes.
   * @throws {CommandFailedError} when apt fails. @throws {ChecksumError} when the file is not what the list says.
   */
  async download(candidate: AptCandidate, folder: string, progress: Progress): Promise<string> {
    const file = path.join(folder, candidate.fileName);
    const complete = async (): Promise<boolean> => {
      const size = await stat(file).then(
        (info) => info.size,
        () => -1,
      );
      return size === candidate.size && (await sha256OfFile(file)) === candidate.sha256;
    };
    if (await complete()) return file;
    await run("apt-get", [...this.#options, "-oAPT::Status-Fd=2", "download", candidate.name], {
      cwd: folder,
      explain: explainApt,
      onLine: (line) => {
        const percent = /^dlstatus:\d+:([\d.]+):/.exec(line)?.[1];
        if (percent === undefined) return;
        const done = (Number(percent) / 100) * candidate.size;
        progress.bar(done, candidate.size, `${megabytes(done)} of ${megabytes(candidate.size)} MB`);
      },
      hint: `try again, ${IMPORT_HINT}`,
    });
    if (await complete()) return file;
    throw new ChecksumError(file, candidate.sha256, await sha256OfFile(file).catch(() => "(no such file)"));
  }
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

/** A one-line source for `suite` of the Debian mirror in the machine's apt configuration. */
async function sourceLine(suite: string, privateOptions: readonly string[]): Promise<string> {
  const mirrors = async (options: readonly string[]): Promise<string[]> => {
    const format = "$(ORIGIN)|$(LABEL)|$(REPO_URI)";
    const targets = await run("apt-get", [
      ...options,
      "indextargets",
      "--format",
      format,
      "Created-By: Packages",
    ]);
    return targets.split("\n").flatMap((line) => {
      const [origin, label, uri] = line.split("|");
      return origin === "Debian" && label === "Debian" && uri !== undefined && uri !== "" ? [uri] : [];
    });
  };
  let [uri] = await mirrors([]);
  if (uri === undefined) {
    // apt knows a source's origin from its lists, and fresh systems and containers have none: make private ones.
    const lines: string[] = [];
    await run("apt-get", [...privateOptions, "update"], { onLine: (line) => lines.push(line) }).catch(
      () => "",
    );
    [uri] = await mirrors(privateOptions);
    if (uri === undefined) {
      const complaint = lines.some((line) => /^[EW]:/.test(line)) ? ` (${explainApt(lines)})` : "";
      throw new GuestError(
        `the apt sources of this machine give no Debian mirror${complaint}; ${IMPORT_HINT}`,
        1,
      );
    }
  }
  let options = "";
  for (const keyring of KEYRINGS) {
    const present = await access(keyring).then(
      () => true,
      () => false,
    );
    if (present && options === "") options = `[signed-by=${keyring}] `;
  }
  return `deb ${options}${uri} ${suite} main\n`;
}
