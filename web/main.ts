/** The page: one guest, its console, and what the hypervisor does for it. */
import { GuestClient, type Port, type Report, type Request } from "../src/web/index.ts";
import { GuestConsole } from "./components/guest-console.ts";
import { demoKernel } from "./demo-guest.ts";
import { el } from "./dom.ts";

const worker = new Worker(new URL("../src/web/worker.ts", import.meta.url), { type: "module" });
const client = new GuestClient(worker as Port<Report, Request>);
const screen = new GuestConsole(client);

document.body.append(el("header", {}, el("h1", {}, "kseg")), el("main", {}, screen.element));
screen.open();
client.listen({
  refused: ({ message }) => screen.note(message),
  state: ({ state }) => {
    if (state.kind === "failed") screen.note(state.report);
    if (state.kind === "off") screen.note(`the guest is off (${state.how})`);
  },
});
client.start({}, { kernel: await demoKernel({}) });
