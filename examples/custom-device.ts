/**
 * Adds a device to the guest's board: an adder, which takes a while and then raises an interrupt. The guest is a kernel
 * of a few instructions that gives it two numbers, waits for the interrupt, and reads the sum.
 *
 * Run it with `npx node examples/custom-device.ts`.
 * Outside of this checkout it needs Node 22.18 or newer, and to be copied out of node_modules: `node custom-device.ts`.
 */
import {
  Assembler,
  createGuest,
  FREE_IRQS,
  GPR,
  makeExecutable,
  TICKS_PER_SECOND,
  VECTOR_OFFSET,
  type DeviceSurroundings,
} from "kseg";

/** Where the guest finds physical memory, cached and uncached; and in it the devices. */
const KSEG0 = 0x4000_0000;
const KSEG1 = 0xa000_0000;
const ADDER = 0x1e00_0000;
const RESET = 0x1f00_0500;
const { t0, t1, v0, k0, zero } = GPR;

/** Registers: 0 and 4 take the numbers, 8 has the sum and takes back the interrupt. */
class Adder {
  private readonly numbers = [0, 0];
  private readonly board: DeviceSurroundings;

  constructor(board: DeviceSurroundings) {
    this.board = board;
  }
  read(offset: number): number {
    this.board.setInterrupt(false);
    return offset === 8 ? this.numbers[0]! + this.numbers[1]! : 0;
  }
  write(offset: number, _size: number, value: number): void {
    console.log(`the guest writes ${value} to register ${offset}`);
    this.numbers[offset / 4] = value;
    if (offset === 4) this.board.setTimer(this.board.now() + 1000); // 5 µs
  }
  onTimer(): void {
    console.log("the adder raises its interrupt");
    this.board.setInterrupt(true);
  }
}

const start = new Assembler({ level: "mips32r2", baseAddress: KSEG0 + 0x1000 });
start.loadConstant(t0, 0x0000_0401); // interrupt input 2, where the board's interrupts come, and IE
start.mtc0(t0, 12, 0);
start.loadConstant(t1, KSEG1 + ADDER);
for (const [register, number] of [40, 2].entries()) {
  start.addiu(t0, zero, number);
  start.sw(t0, 4 * register, t1);
}
start.wait();
start.loadConstant(t1, KSEG1 + RESET);
start.addiu(t0, zero, 0x42);
start.sw(t0, 0, t1);
const end = start.bind();
start.b(end);
start.nop();

const handler = new Assembler({ level: "mips32r2", baseAddress: KSEG0 + VECTOR_OFFSET.general });
handler.loadConstant(k0, KSEG1 + ADDER);
handler.lw(v0, 8, k0);
handler.eret();

const guest = createGuest({
  kernel: makeExecutable({
    entry: start.target.baseAddress,
    pieces: [start, handler].map((code) => ({ address: code.target.baseAddress, words: code.words() })),
  }),
  devices: [
    { name: "adder", base: ADDER, size: 12, irq: FREE_IRQS[0]!, create: (board) => new Adder(board) },
  ],
  onConsole() {},
});
const result = guest.run(TICKS_PER_SECOND);
console.log(`the sum is ${guest.debug.readRegister("v0")}; the guest is ${result.kind}`);
