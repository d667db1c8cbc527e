/**
 * A guest in a web page: it runs in a worker, prints to the page, takes commands and is counted meanwhile.
 *
 * Serve it with `npx vite examples/web-page`.
 */
import demo from "kseg/guests/demo-te.elf?url";
import { GuestClient } from "kseg/web";

const screen = document.querySelector("#console")!;
const figures = document.querySelector("#figures")!;
const decoder = new TextDecoder();

const worker = new Worker(new URL("worker.ts", import.meta.url), { type: "module" });
const guest = new GuestClient(worker);
guest.listen({
  console: ({ bytes }) => {
    screen.append(decoder.decode(bytes, { stream: true }).replaceAll("\r", ""));
    guest.shown(bytes.length); // lets the guest print on
  },
  sample: ({ sample: { stats } }) => {
    const exits = Object.values(stats.exits).reduce((sum, count) => sum + count, 0);
    figures.textContent = `${stats.guestInstructions} instructions, ${exits} exits, ${stats.refills.fast} refills`;
  },
  state: ({ state }) => {
    if (state.kind === "off") screen.append("[the guest is off]");
    if (state.kind === "failed") screen.append(state.report);
  },
  refused: ({ message }) => screen.append(message),
});

document.querySelector("form")!.addEventListener("submit", (event) => {
  event.preventDefault();
  const input = document.querySelector("input")!;
  guest.send(new TextEncoder().encode(`${input.value}\n`));
  input.value = "";
});

const kernel = new Uint8Array(await (await fetch(demo)).arrayBuffer());
guest.start({ memory: 64 << 20, refill: "fast" }, { kernel });
