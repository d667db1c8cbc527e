import { describe, expect, it } from "vitest";
import { UsageError } from "./errors.ts";
import { fromQemu, type OwnFlags } from "./qemu-flags.ts";

const OWN: OwnFlags = {
  names: ["--kernel", "--append", "--memory", "--gdb", "--quiet", "-h"],
  withValue: ["--kernel", "--append", "--memory", "--gdb"],
};
const translated = (line: string): string => fromQemu(line.split(" "), OWN).join(" ");
const DEFAULTS = "--mode bare --host-cpu 24Kf --memory 128M";

describe("QEMU's flags", () => {
  it.each([
    ["-kernel a -initrd b -append c", "--kernel a --initrd b --append c"],
    ["-m 64", "--memory 64M"],
    ["-m size=64", "--memory 64M"],
    ["-m 1G", "--memory 1G"],
    ["-cpu 34Kf", "--host-cpu 34Kf"],
    ["-M malta", DEFAULTS],
    ["-machine type=malta,accel=kvm -m 32", `${DEFAULTS} --mode te --memory 32M`],
    ["-accel kvm,thread=single", "--mode te"],
    ["-enable-kvm", "--mode te"],
    ["-s", "--gdb-no-wait --gdb 1234"],
    ["-s -S", "--gdb 1234"],
    ["-S -gdb tcp::99", "--gdb 99"],
    ["-gdb tcp:0.0.0.0:99", "--gdb-no-wait --gdb 0.0.0.0:99"],
    ["-gdb tcp:[::1]:99,server=on", "--gdb-no-wait --gdb [::1]:99"],
    ["-S --gdb 99", "--gdb 99"],
    ["-S --gdb=99", "--gdb=99"],
    ["-nographic -serial mon:stdio -no-reboot -nic none -vga none -smp 1 -name x", ""],
    ["qemu-system-mipsel -kernel x", `${DEFAULTS} --kernel x`],
    ["/usr/bin/qemu-system-mips -m 8", `${DEFAULTS} --memory 8M`],
  ])("%s is %s", (line, own) => {
    expect(translated(line)).toBe(own);
  });

  it("are told from kseg's own, and from values", () => {
    expect(translated("--quiet --append -m -h --memory -5 - 5 -m 7")).toBe(
      "--quiet --append -m -h --memory -5 - 5 --memory 7M",
    );
    expect(translated("--kernel x -- -m 7")).toBe("--kernel x -- -m 7");
    expect(translated("--append=-m -m 7")).toBe("--append=-m --memory 7M");
    expect(translated("--kernel")).toBe("--kernel");
  });

  it.each([
    ["-kernal x", "unknown option '-kernal' (did you mean -kernel?)"],
    ["-quiet", "unknown option '-quiet' (did you mean --quiet?)"],
    ["-q", "unknown option '-q'; see"],
    ["-frobnicate", "unknown option '-frobnicate'; see"],
    ["-m", "-m: its value is missing"],
    ["-M boston", "the only machine is malta"],
    ["-M malta,usb=on", "usb=on is nothing that kseg can do"],
    ["-accel xen", "give kvm (the hypervisor) or tcg"],
    ["-smp 2", "give 1 or cpus=1"],
    ["-serial pty", "give mon:stdio or stdio"],
    ["-gdb unix:x", "give tcp::PORT or tcp:HOST:PORT"],
    ["-S", "nobody could let the guest run"],
    ["-hda disk", "no disks"],
    ["-dtb x", "no device tree"],
    ["qemu-system-mips64el -M malta", "32-bit MIPS"],
  ])("%s is refused", (line, message) => {
    expect(() => translated(line)).toThrow(UsageError);
    expect(() => translated(line)).toThrow(message);
  });
});
