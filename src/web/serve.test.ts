import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { afterEach, expect, it } from "vitest";
import { createGuest, restoreGuest } from "../index.ts";
import { GuestClient } from "./client.ts";
import type { Port, Report, Request, Sample } from "./protocol.ts";
import { serve } from "./serve.ts";

const kernel = readFileSync(new URL("../../guests/demo/demo-te.elf", import.meta.url));
const bareKernel = readFileSync(new URL("../../guests/demo/demo-bare.elf", import.meta.url));

/** Both ends of a connection, over which messages are copied and come in a later turn, as those of workers do. */
function connection(): { readonly page: Port<Request>; readonly worker: Port<Report> } {
  const end = <Out>(other: () => Port<never>): Port<Out> => ({
    onmessage: null,
    postMessage: (message) => {
      const data = structuredClone(message);
      setImmediate(() => other().onmessage?.({ data } as never));
    },
  });
  const page: Port<Request> = end(() => worker as Port<never>);
  const worker: Port<Report> = end(() => page as Port<never>);
  return { page, worker };
}

const sum = (values: Readonly<Record<string, number>>): number =>
  Object.values(values).reduce((total, value) => total + value, 0);

const clients: GuestClient[] = [];
function newClient(): GuestClient {
  const { page, worker } = connection();
  serve(worker);
  const client = new GuestClient(page);
  clients.push(client);
  return client;
}
afterEach(() => {
  for (const client of clients.splice(0)) client.pause();
});

/** The next report of this kind for which `wanted` holds. */
function next<Kind extends Report["kind"]>(
  client: GuestClient,
  kind: Kind,
  wanted: (report: Extract<Report, { kind: Kind }>) => boolean = () => true,
): Promise<Extract<Report, { kind: Kind }>> {
  return new Promise((resolve) => {
    const stop = client.listen({
      [kind]: (report: Extract<Report, { kind: Kind }>) => {
        if (!wanted(report)) return;
        stop();
        resolve(report);
      },
    });
  });
}

/** Collects the console, and says that it was shown unless `slow`. */
function consoleOf(client: GuestClient, slow = false): { text: string; shows(text: string): Promise<void> } {
  const seen = {
    text: "",
    async shows(text: string) {
      while (!seen.text.includes(text)) await next(client, "console");
    },
  };
  client.listen({
    console: ({ bytes }) => {
      seen.text += new TextDecoder().decode(bytes);
      if (!slow) client.shown(bytes.length);
    },
  });
  return seen;
}

/** Does something and waits until the guest has halted after it. Returns the sample there, which comes before that. */
async function sampleAfter(client: GuestClient, action: () => void): Promise<Sample> {
  let last: Sample | null = null;
  const stop = client.listen({ sample: ({ sample }) => (last = sample) });
  const paused = next(client, "state", ({ state }) => state.kind === "paused");
  action();
  await paused;
  stop();
  return last!;
}

it("runs a guest that takes what is typed, up to its end", async () => {
  const client = newClient();
  const screen = consoleOf(client);
  client.start({}, { kernel });
  await screen.shows("kseg> ");
  client.send(new TextEncoder().encode("poweroff\n"));
  const { state } = await next(client, "state", (report) => report.state.kind === "off");
  expect(state).toEqual({ kind: "off", how: "power-off" });
  expect(screen.text).toContain("power off");
});

it("holds a guest where it has done exactly what it does without a page", async () => {
  const client = newClient();
  const screen = consoleOf(client);
  client.start({ refill: "slow" }, { kernel });
  await screen.shows("kseg> ");
  const sample = await sampleAfter(client, () => client.pause());
  const guest = createGuest({ kernel, refill: "slow", onConsole() {} });
  while (guest.time < sample.time) guest.run(sample.time - guest.time);
  expect(guest.time).toBe(sample.time);
  expect(sample.stats).toEqual(guest.stats());
});

it("a paused guest stands still, and goes on", async () => {
  const client = newClient();
  const screen = consoleOf(client);
  const samples: Sample[] = [];
  client.listen({ sample: ({ sample }) => samples.push(sample) });
  client.start({}, { kernel }, true);
  await next(client, "sample");
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(samples.map(({ time }) => time)).toEqual([0]);
  client.run();
  await screen.shows("kseg> ");
});

it("time of a guest that waits goes on, and no faster than on a real machine", async () => {
  const client = newClient();
  const screen = consoleOf(client);
  client.start({}, { kernel });
  await screen.shows("kseg> ");
  const { sample: first } = await next(client, "sample");
  const { sample: last } = await next(
    client,
    "sample",
    ({ sample }) => sample.milliseconds > first.milliseconds + 400,
  );
  const guestMilliseconds = (last.time - first.time) / 200_000;
  expect(guestMilliseconds / (last.milliseconds - first.milliseconds)).toBeLessThan(1.1);
  expect(guestMilliseconds).toBeGreaterThan(0);
});

it("a guest that prints faster than the page shows has to wait", async () => {
  const client = newClient();
  const screen = consoleOf(client, true);
  client.start({}, { kernel });
  await screen.shows("kseg> ");
  client.send(new TextEncoder().encode("help\n".repeat(200)));
  // What is more than 128 KiB on the way keeps it from its next part; what the last one printed has been sent.
  while (screen.text.length <= 1 << 17) await next(client, "console");
  for (let turn = 0; turn < 2; turn++) await new Promise(setImmediate);
  const before = screen.text.length;
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(screen.text.length).toBe(before);
  client.shown(before);
  await next(client, "console");
});

it("says what is wrong with a configuration, and takes a better one", async () => {
  const client = newClient();
  const refusal = (start: () => void): Promise<Extract<Report, { kind: "refused" }>> => {
    const refused = next(client, "refused");
    start();
    return refused;
  };
  expect(await refusal(() => client.start({}, { kernel: new Uint8Array(100) }))).toMatchObject({
    setting: "kernel",
    message: expect.stringMatching(/ELF/) as string,
  });
  expect(await refusal(() => client.start({ hostCpu: "Z80" }, { kernel }))).toMatchObject({
    setting: "hostCpu",
    message: expect.stringContaining("24Kc") as string,
  });
  const screen = consoleOf(client);
  client.start({}, { kernel });
  await screen.shows("kseg> ");
});

it("comes back to the previous exit as it was there", async () => {
  const client = newClient();
  const screen = consoleOf(client);
  client.start({}, { kernel });
  await screen.shows("kseg> ");
  await sampleAfter(client, () => client.pause());
  const hashHere = async (): Promise<string> => {
    const saved = next(client, "saved");
    client.save();
    const { snapshot } = await saved;
    return restoreGuest(gunzipSync(snapshot), { onConsole() {} }).hash();
  };
  const first = await sampleAfter(client, () => client.step("exit"));
  const hash = await hashHere();
  const second = await sampleAfter(client, () => client.step("exit"));
  expect(sum(second.stats.exits)).toBe(sum(first.stats.exits) + 1);
  const back = await sampleAfter(client, () => client.step("previous-exit"));
  expect(back.time).toBe(first.time);
  expect(back.stats).toEqual(first.stats);
  expect(await hashHere()).toBe(hash);
  const before = await sampleAfter(client, () => client.step("previous-exit"));
  expect(sum(before.stats.exits)).toBeLessThan(sum(first.stats.exits));
  // And it does the same again.
  const again = await sampleAfter(client, () => client.step("exit"));
  expect(again.stats).toEqual(first.stats);
});

it("goes on from a saved state, and refuses a damaged one", async () => {
  const client = newClient();
  const screen = consoleOf(client);
  client.start({}, { kernel });
  await screen.shows("kseg> ");
  const there = await sampleAfter(client, () => client.pause());
  const saved = next(client, "saved");
  client.save();
  const { snapshot } = await saved;
  const other = newClient();
  const otherScreen = consoleOf(other);
  const sampled = next(other, "sample");
  other.restore(snapshot);
  expect((await sampled).sample.stats).toEqual(there.stats);
  other.send(new TextEncoder().encode("help\n"));
  await otherScreen.shows("poweroff");
  const refused = next(other, "refused");
  other.restore(snapshot.subarray(0, snapshot.length - 100));
  expect((await refused).message).toBe("the file is damaged or not complete");
});

it("has the guest that was asked for last, also while a saved state is unpacked", async () => {
  const client = newClient();
  client.start({ mode: "bare" }, { kernel: bareKernel }, true);
  await next(client, "started");
  const saved = next(client, "saved");
  client.save();
  const { snapshot } = await saved;
  const answers: string[] = [];
  client.listen({
    started: ({ hypervisor }) => answers.push(hypervisor ? "te" : "bare"),
    refused: () => answers.push("refused"),
  });
  // Answers come in the order of the questions, as the last test shows.
  const answered = async (...wanted: readonly string[]): Promise<void> => {
    await next(client, "started");
    expect(answers.splice(0)).toEqual(wanted);
  };
  client.restore(snapshot, true);
  client.start({}, { kernel }, true);
  await answered("refused", "te");
  client.restore(snapshot.subarray(0, snapshot.length - 100), true);
  client.restore(snapshot, true);
  await answered("refused", "bare");
});

it("keeps the guest that there is if another one is refused", async () => {
  const client = newClient();
  const screen = consoleOf(client);
  client.start({}, { kernel });
  await screen.shows("kseg> ");
  const saved = next(client, "saved");
  client.save();
  const damaged = (await saved).snapshot;
  damaged[damaged.length >> 1]! ^= 0xff;
  // A kernel that starts at 80000000 or above.
  const stock = new Uint8Array(kernel);
  stock[27]! += 0x40;
  for (const ask of [
    () => client.restore(damaged),
    () => client.start({}, { kernel: stock }),
    () => client.start({ hostCpu: "Z80" }, { kernel }),
  ]) {
    const refused = next(client, "refused");
    ask();
    await refused;
  }
  client.send(new TextEncoder().encode("help\n"));
  await screen.shows("poweroff");
});

it("answers in the order in which it was asked", async () => {
  const client = newClient();
  const answers: string[] = [];
  client.listen({ started: () => answers.push("started"), refused: () => answers.push("refused") });
  const started = next(client, "started");
  // Unpacking what is no packed state takes a turn or more.
  client.restore(Uint8Array.of(0x1f, 0x8b, 0));
  client.start({}, { kernel }, true);
  await started;
  expect(answers).toEqual(["refused", "started"]);
});
