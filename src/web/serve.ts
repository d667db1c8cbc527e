/** The worker's side: makes guests, runs them and tells the page what they do. */
import {
  createTimeTravel,
  GuestConfigError,
  restoreTimeTravel,
  snapshotConfig,
  SnapshotError,
  TICKS_PER_SECOND,
  type GuestConfig,
  type TimeTravel,
} from "../index.ts";
import { GuestRunner } from "./guest-runner.ts";
import type { Port, Report, Request, Settings, Watched } from "./protocol.ts";
import { packSnapshot, unpackSnapshot } from "./snapshot-file.ts";
import { viewsOf } from "./views.ts";

/** Guest time between two snapshots from which the guest can be brought back to an earlier moment, in ticks. */
const SNAPSHOT_EVERY = 4 * TICKS_PER_SECOND;
/** Milliseconds between two samples. */
const SAMPLE_EVERY = 100;
/** The guest runs at least so many times as long as it takes to look at it. */
const RUN_TO_LOOK = 8;

/** Runs guests as the page at the other end of `port` asks. */
export function serve(port: Port<Report>): void {
  new Server(port).listen();
}

class Server {
  private readonly port: Port<Report>;
  private runner: GuestRunner | null = null;
  /** Guests that were asked for: while a saved state is unpacked another may be. */
  private asked = 0;
  /** What guests are asked for is answered one after the other, in the order in which it comes. */
  private making: Promise<void> = Promise.resolve();
  private sampledAt = 0;
  private watched: Watched = {};
  private breakpoints: readonly number[] = [];
  /** When the next look is due, while the guest runs. */
  private lookAt = 0;

  constructor(port: Port<Report>) {
    this.port = port;
  }

  listen(): void {
    this.port.onmessage = ({ data }: { readonly data: Request }) => this.take(data);
  }

  private take(request: Request): void {
    switch (request.kind) {
      case "start":
      case "restore":
        this.ask(request);
        break;
      case "save":
        void this.save();
        break;
      case "input":
        this.runner?.send(request.bytes);
        break;
      case "shown":
        this.runner?.consoleShown(request.bytes);
        break;
      case "watch":
        this.watched = request.watched;
        this.look();
        break;
      case "step":
        this.runner?.step(request.to);
        break;
      case "follow":
        this.runner?.followMisses(request);
        break;
      case "breakpoints":
        this.breakpoints = request.addresses;
        this.runner?.setBreakpoints(request.addresses);
        break;
      case "run":
        this.runner?.run();
        break;
      case "pause":
        this.runner?.pause();
        break;
      default:
        request satisfies never;
    }
  }

  private ask(request: Extract<Request, { kind: "start" | "restore" }>): void {
    const asked = ++this.asked;
    this.making = this.making.then(() =>
      request.kind === "start" ? this.start(request) : this.restore(request, () => asked === this.asked),
    );
  }

  private start({ settings, files, paused }: Extract<Request, { kind: "start" }>): void {
    this.make(
      (onConsole) =>
        createTimeTravel({ ...settings, ...files, refillLog: true, onConsole }, { interval: SNAPSHOT_EVERY }),
      settings,
      paused,
    );
  }

  private async restore(
    { snapshot, paused }: Extract<Request, { kind: "restore" }>,
    isLast: () => boolean,
  ): Promise<void> {
    try {
      const state = await unpackSnapshot(snapshot);
      if (!isLast()) throw new SnapshotError("another guest was asked for meanwhile");
      this.make(
        (onConsole) => restoreTimeTravel(state, { refillLog: true, onConsole }, { interval: SNAPSHOT_EVERY }),
        settingsOf(state),
        paused,
      );
    } catch (error) {
      this.report({ kind: "refused", ...reasonOf(error) });
    }
  }

  private async save(): Promise<void> {
    if (this.runner === null) return;
    const snapshot = await packSnapshot(this.runner.guest.save());
    this.report({ kind: "saved", snapshot });
  }

  /** Makes a guest in place of the one there is, which stays if that cannot be done. */
  private make(
    create: (onConsole: GuestConfig["onConsole"]) => TimeTravel,
    settings: Settings,
    paused: boolean,
  ): void {
    let runner: GuestRunner;
    try {
      runner = new GuestRunner(create, settings, {
        now: () => performance.now(),
        later,
        onConsole: (bytes) => this.report({ kind: "console", bytes }),
        onState: (state) => {
          // Whoever learns that the guest has halted has seen what there is of it then.
          if (state.kind !== "running") {
            this.sample();
            this.look();
          }
          this.report({ kind: "state", state });
        },
        onListing: (parts) => this.report({ kind: "listing", parts }),
        onMiss: (miss) => this.report({ kind: "miss", miss }),
        onPart: () => {
          const now = performance.now();
          if (now - this.sampledAt >= SAMPLE_EVERY) this.sample();
          if (now >= this.lookAt) this.look();
        },
      });
    } catch (error) {
      this.report({ kind: "refused", ...reasonOf(error) });
      return;
    }
    this.runner?.destroy();
    this.runner = runner;
    runner.setBreakpoints(this.breakpoints);
    this.report({ kind: "started", hypervisor: runner.guest.hostDebug !== null, settings });
    this.sample();
    this.look();
    if (!paused) runner.run();
  }

  private sample(): void {
    if (this.runner === null) return;
    this.sampledAt = performance.now();
    this.report({ kind: "sample", sample: this.runner.sample() });
  }

  /** Sends what the page watches. */
  private look(): void {
    if (this.runner === null) return;
    const began = performance.now();
    this.report({ kind: "views", views: viewsOf(this.runner.guest, this.watched) });
    const now = performance.now();
    this.lookAt = now + Math.max(SAMPLE_EVERY, RUN_TO_LOOK * (now - began));
  }

  private report(report: Report): void {
    this.port.postMessage(report);
  }
}

/** The settings of the guest of a snapshot. Throws SnapshotError. */
function settingsOf(snapshot: Uint8Array): Settings {
  const { clock: _clock, hostCpus: _hostCpus, ...settings } = snapshotConfig(snapshot);
  return settings;
}

function reasonOf(error: unknown): Pick<Extract<Report, { kind: "refused" }>, "setting" | "message"> {
  if (error instanceof GuestConfigError) return { setting: error.setting, message: error.message };
  if (error instanceof SnapshotError) return { setting: null, message: error.message };
  // What WebAssembly throws when the browser does not give it the memory.
  if (error instanceof RangeError && /memory/i.test(error.message))
    return { setting: "memory", message: "the browser does not have that much memory for the machine" };
  return { setting: null, message: String(error) };
}

/** Browsers make nested timers wait 4 ms at least; a message to oneself comes at once, behind those from outside. */
const turns = new MessageChannel();
const waiting: (() => void)[] = [];
turns.port1.addEventListener("message", () => waiting.shift()?.());
turns.port1.start();

function later(action: () => void, milliseconds: number): () => void {
  if (milliseconds > 0) {
    const timer = setTimeout(action, milliseconds);
    return () => clearTimeout(timer);
  }
  let cancelled = false;
  waiting.push(() => {
    if (!cancelled) action();
  });
  turns.port2.postMessage(null);
  return () => {
    cancelled = true;
  };
}
