import { expect, it } from "vitest";
import { unpackCpio } from "../archives/cpio.ts";
import { compress, makeAr, makeDeb } from "../guests/test-packages.ts";
import { openPackage } from "./packages.ts";

const KERNEL = Buffer.from("a kernel ".repeat(50_000));
const BUSYBOX = Buffer.from("a busybox ".repeat(50_000));
const blob = (bytes: Uint8Array): Blob => new Blob([new Uint8Array(bytes)]);

it.each(["none", "gzip", "xz"] as const)(
  "finds a kernel in a package with %s compression",
  async (compression) => {
    const files = { "boot/config-6.1": Buffer.from("x"), "boot/vmlinuz-6.1": KERNEL };
    const { part, bytes } = await openPackage(blob(await makeDeb({ files, compression })));
    expect(part).toBe("kernel");
    expect(Buffer.compare(bytes, KERNEL)).toBe(0);
  },
);

it.each(["bin/busybox", "usr/bin/busybox"])("makes an initrd of %s", async (path) => {
  const { part, bytes } = await openPackage(blob(await makeDeb({ files: { [path]: BUSYBOX } })));
  expect(part).toBe("initrd");
  const entries = unpackCpio(bytes);
  const busybox = entries.find(({ name }) => name === "bin/busybox");
  expect(busybox?.type === "file" && Buffer.compare(busybox.data, BUSYBOX)).toBe(0);
  expect(entries.some(({ name }) => name === "init")).toBe(true);
});

it("says what is wrong with others", async () => {
  const good = await makeDeb({ files: { "boot/vmlinuz-6.1": KERNEL } });
  const refused = async (bytes: Uint8Array): Promise<string> =>
    openPackage(blob(bytes)).then(
      () => "",
      (error: unknown) => String(error),
    );
  expect(await refused(await makeDeb({ files: { "bin/ls": KERNEL } }))).toMatch(/neither a kernel nor/);
  expect(await refused(makeAr([["a.o", KERNEL]]))).toMatch(/not a Debian package/);
  expect(await refused(good.subarray(0, 200_000))).toMatch(/truncated: \d+ bytes of member data\.tar\.xz/);
  const damaged = Buffer.from(good);
  damaged.writeUInt8((damaged[300_000] ?? 0) ^ 1, 300_000);
  expect(await refused(damaged)).toMatch(/cannot read its data\.tar\.xz: the xz data is damaged/);
  const packed = await makeDeb({ files: { "boot/vmlinuz-6.1": KERNEL }, compression: "gzip" });
  const at = packed.indexOf("data.tar.gz");
  const renamed = Buffer.from(packed);
  renamed.write("\n", at + "data.tar".length);
  for (const [bytes, name] of [
    [packed, "data.tar.gz"],
    [renamed, "data.tar?gz"],
  ] as const) {
    // The last byte of the data's checksum.
    bytes.writeUInt8(bytes[bytes.length - 5]! ^ 1, bytes.length - 5);
    expect(await refused(bytes)).toMatch(
      `ArchiveError: cannot read its ${name}: the data is damaged or cut off`,
    );
  }
  const marker = ["debian-binary", Buffer.from("2.0\n")] as const;
  const zstd = makeAr([marker, ["data.tar.zst", compress(KERNEL, "zstd")]]);
  expect(await refused(zstd)).toMatch(/compressed with zstd/);
});
