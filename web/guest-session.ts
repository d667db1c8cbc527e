import {
  GuestClient,
  readSettings,
  settingsQuery,
  type GuestFiles,
  type RunState,
  type Settings,
} from "../src/web/index.ts";
import { demoKernel } from "./demo-guest.ts";

/** A file of the user's. */
export interface NamedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Files of the user's that a guest is made of; without a kernel it is the demo guest. */
export interface ChosenFiles {
  readonly kernel?: NamedFile;
  readonly initrd?: NamedFile;
}

/**
 * A guest in a worker: what it is made of, how it is started again, and what it is doing. Events: "restart" when
 * another guest takes the place of the one there was, "change" when it does something else, "closed" at the end.
 */
export class GuestSession extends EventTarget {
  readonly client: GuestClient;
  private readonly worker: Worker;
  private current: RunState = { kind: "paused" };
  /** What the guest is made of. */
  settings: Settings = {};
  files: ChosenFiles = {};
  /** A saved state that the guest comes from, in place of files. */
  snapshot: NamedFile | null = null;
  /** The guest is under a hypervisor. */
  hypervisor = true;
  /** Why there is no guest; null if there is one. */
  problem: string | null = null;

  constructor() {
    super();
    this.worker = new Worker(new URL("../src/web/worker.ts", import.meta.url), { type: "module" });
    this.client = new GuestClient(this.worker);
    this.client.listen({
      state: ({ state }) => {
        this.current = state;
        this.changed();
      },
      started: ({ hypervisor }) => {
        this.hypervisor = hypervisor;
        this.dispatchEvent(new Event("restart"));
      },
      refused: ({ message }) => this.fail(message),
    });
  }

  get state(): RunState {
    return this.current;
  }

  /** Starts a guest in place of the one there is. */
  async start(settings: Settings, files: ChosenFiles, paused = false): Promise<void> {
    this.settings = settings;
    this.files = files;
    this.snapshot = null;
    this.problem = null;
    let made: GuestFiles;
    try {
      made = {
        kernel: files.kernel?.bytes ?? (await demoKernel(settings)),
        ...(files.initrd === undefined ? {} : { initrd: files.initrd.bytes }),
      };
    } catch (error) {
      this.fail(error instanceof Error ? error.message : String(error));
      return;
    }
    this.client.start(settings, made, paused);
  }

  /** Goes on from a saved state, which brings its settings along. */
  restore(snapshot: NamedFile): void {
    this.settings = {};
    this.files = {};
    this.snapshot = snapshot;
    this.problem = null;
    this.client.restore(snapshot.bytes);
  }

  /** The same guest from its beginning. */
  restart(): void {
    if (this.snapshot !== null) this.restore(this.snapshot);
    else void this.start(this.settings, this.files);
  }

  /** Ends the guest and its worker. */
  close(): void {
    this.worker.terminate();
    this.dispatchEvent(new Event("closed"));
  }

  private fail(message: string): void {
    this.problem = message;
    this.current = { kind: "failed", report: message };
    this.changed();
  }

  private changed(): void {
    this.dispatchEvent(new Event("change"));
  }
}

/** The settings in the page's address. Throws `SettingError`. */
export function settingsOfAddress(): Settings {
  const query = new URLSearchParams(location.search);
  return readSettings((name) => query.get(name));
}

/** Puts settings into the page's address, without loading it again. */
export function showInAddress(settings: Settings): void {
  history.replaceState(null, "", `${location.pathname}${settingsQuery(settings)}${location.hash}`);
}
