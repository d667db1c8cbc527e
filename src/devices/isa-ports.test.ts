import { describe, expect, it } from "vitest";
import { IsaPorts, PortOverlapError, type PortDevice } from "./isa-ports.ts";

class Recorder implements PortDevice {
  readonly writes: [number, number][] = [];
  readPort(offset: number): number {
    return 0x10 + offset;
  }
  writePort(offset: number, value: number): void {
    this.writes.push([offset, value]);
  }
}

describe("IsaPorts", () => {
  it("reads all ones where nothing answers, and ignores writes there", () => {
    const ports = new IsaPorts("little");
    ports.write(0x80, 4, 1);
    expect([ports.read(0x80, 1), ports.read(0x80, 2), ports.read(0x80, 4)]).toEqual([
      0xff, 0xffff, 0xffffffff,
    ]);
    expect(ports.nameAt(0x80)).toBeNull();
  });

  it.each([
    ["little", 0x1110, 0xff131211],
    ["big", 0x1011, 0x111213ff],
  ] as const)("splits wide accesses of a %s-endian machine into bytes", (endian, two, four) => {
    const ports = new IsaPorts(endian);
    const device = new Recorder();
    ports.add("device", 0x100, 4, device);
    expect(ports.read(0x100, 1)).toBe(0x10);
    expect(ports.read(0x100, 2)).toBe(two);
    expect(ports.read(0x101, 4)).toBe(four);
    ports.write(0x102, 2, 0xaabb);
    expect(device.writes).toEqual(
      endian === "little"
        ? [
            [2, 0xbb],
            [3, 0xaa],
          ]
        : [
            [2, 0xaa],
            [3, 0xbb],
          ],
    );
  });

  it("moves a device, around those that are in its way", () => {
    const ports = new IsaPorts("little");
    ports.add("fixed", 0x102, 1, new Recorder());
    const device = new Recorder();
    ports.move("moving", 0x100, 4, device);
    expect([0x100, 0x102, 0x103].map((port) => ports.nameAt(port))).toEqual(["moving", "fixed", "moving"]);
    ports.move("moving", 0xfffe, 4, device);
    expect([0x100, 0xffff].map((port) => ports.read(port, 1))).toEqual([0xff, 0x11]);
    ports.move("moving", null, 4, device);
    expect(ports.nameAt(0xffff)).toBeNull();
    expect(ports.nameAt(0x102)).toBe("fixed");
  });

  it("refuses two devices at one port, and wraps around nowhere", () => {
    const ports = new IsaPorts("little");
    ports.add("one", 0xfffe, 2, new Recorder());
    expect(() => ports.add("two", 0xffff, 1, new Recorder())).toThrow(PortOverlapError);
    expect(ports.read(0xffff, 2)).toBe(0xff11);
  });
});
