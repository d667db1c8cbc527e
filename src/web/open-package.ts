import type { PackageParts } from "./protocol.ts";

/**
 * What a Debian package holds of a guest: of one with a kernel for Malta the kernel, of one with a static busybox an
 * initrd that has it as its shell. Rejects with an error whose message says what else the file is. What unpacks is
 * loaded when it is first wanted, as few pages need it.
 */
export async function openPackage(file: Blob): Promise<PackageParts> {
  const packages = await import("./packages.ts");
  return packages.openPackage(file);
}
