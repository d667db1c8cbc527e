/** Takes what the guests need out of Debian packages and puts it into the cache. Used after fetch and by import. */
import { open } from "node:fs/promises";
import type { Artefact, ArtefactName, GuestCache } from "./cache.ts";
import { type DebPackage, openDeb, walkDeb } from "./deb.ts";
import { ELF_HEAD_BYTES, type ElfKind, elfKind } from "./elf-kind.ts";
import { GuestInputError } from "./errors.ts";

/** How one kind of package becomes an artefact. */
interface PackageRule {
  readonly artefact: ArtefactName;
  readonly name: RegExp;
  readonly architecture: string;
  /** Files to take: path in the package → name in the artefact. */
  readonly file: (path: string) => string | undefined;
  /** The file without which the package is of no use, and what it must be. */
  readonly main: string;
  readonly kind?: ElfKind["kind"];
}

/** Debian's name of the guests' architecture: 32-bit little-endian MIPS. */
export const GUEST_ARCHITECTURE = "mipsel";

/** Name of the tarball in Debian's source package. */
const SOURCE_FILE = "linux-source-5.10.tar.xz";

const RULES: readonly PackageRule[] = [
  {
    artefact: "debian-kernel",
    name: /^linux-image-\d.*-4kc-malta$/,
    architecture: GUEST_ARCHITECTURE,
    file: (path) => /^boot\/(vmlinuz|config)-[^/]+$/.exec(path)?.[1],
    main: "vmlinuz",
    kind: "kernel",
  },
  {
    artefact: "busybox",
    name: /^busybox-static$/,
    architecture: GUEST_ARCHITECTURE,
    file: (path) => (/^(usr\/)?bin\/busybox$/.test(path) ? "busybox" : undefined),
    main: "busybox",
    kind: "program",
  },
  {
    artefact: "linux-source",
    name: /^linux-source-5\.10$/,
    architecture: "all",
    file: (path) => (/^usr\/src\/linux-source-5\.10\.tar\.xz$/.test(path) ? SOURCE_FILE : undefined),
    main: SOURCE_FILE,
  },
];

/** Packages that {@link storeDeb} takes, for messages. */
export const WANTED_PACKAGES = "linux-image-*-4kc-malta and busybox-static for mipsel, and linux-source-5.10";

/** The artefact that the package `deb` would become. @throws {GuestInputError} when kseg has no use for it. */
function ruleFor(deb: DebPackage): PackageRule {
  const rule = RULES.find(({ name }) => name.test(deb.name));
  if (rule === undefined) {
    throw new GuestInputError(deb.path, `package ${deb.name} is of no use here; wanted: ${WANTED_PACKAGES}`);
  }
  if (rule.architecture !== deb.architecture) {
    const wanted = `the guests need ${rule.architecture}`;
    throw new GuestInputError(deb.path, `${deb.name} is for architecture ${deb.architecture}; ${wanted}`);
  }
  return rule;
}

/**
 * Stores the contents of the package file `path`, whichever of the wanted packages it is. `sha256` is that of
 * the package, where a signed list gave it.
 * @throws {GuestInputError} when the file is damaged, for another architecture or of no use.
 */
export async function storeDeb(cache: GuestCache, path: string, sha256?: string): Promise<Artefact> {
  const deb = await openDeb(path);
  const rule = ruleFor(deb);
  return cache.store(rule.artefact, async (put) => {
    const found = new Set<string>();
    await walkDeb(deb, (member) => {
      const name = member.type === "file" ? rule.file(member.name) : undefined;
      if (name === undefined || found.has(name)) return "skip";
      found.add(name);
      return async (body) => {
        await put(name, name === rule.main ? checkKind(path, rule.kind, member.size, body) : body);
      };
    });
    if (!found.has(rule.main)) throw new GuestInputError(path, `the package holds no ${rule.main}`);
    const source = { package: deb.name, version: deb.version, architecture: deb.architecture };
    return sha256 === undefined ? source : { ...source, packageSha256: sha256 };
  });
}

/** Passes `body` on, and fails when its first bytes are not an ELF file of kind `kind`. */
async function* checkKind(
  path: string,
  kind: ElfKind["kind"] | undefined,
  size: number,
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let head = new Uint8Array(0);
  let checked = kind === undefined;
  const check = (): void => {
    checked = true;
    const actual = elfKind(path, head, size).kind;
    if (actual !== kind) throw new GuestInputError(path, `holds a ${actual} where a ${kind} should be`);
  };
  for await (const piece of body) {
    if (!checked) {
      head = Buffer.concat([head, piece]);
      if (head.length >= ELF_HEAD_BYTES) check();
    }
    yield piece;
  }
  if (!checked) check();
}

/** The first `length` bytes of a file, or fewer when it is shorter. */
export async function readHead(path: string, length: number): Promise<Uint8Array> {
  const file = await open(path, "r");
  try {
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await file.read(buffer, 0, length, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
