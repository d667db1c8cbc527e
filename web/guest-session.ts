import {
  GuestClient,
  readSettings,
  settingsQuery,
  type RunState,
  type SettingError,
  type Settings,
} from "../src/web/index.ts";
import { demoKernel } from "./demo-guest.ts";
import { messageOf } from "./dom.ts";

/** A file of the user's. */
export interface NamedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** With which a guest of it is run, unless the user says otherwise. */
  readonly settings?: Settings;
}

/** Files of the user's that a guest is made of; without a kernel it is the demo guest. */
export interface ChosenFiles {
  readonly kernel?: NamedFile;
  readonly initrd?: NamedFile;
}

/** What a guest is made of: files, or a saved state in their place. */
interface Recipe {
  readonly settings: Settings;
  readonly files: ChosenFiles;
  readonly snapshot: NamedFile | null;
}

/**
 * A guest in a worker: what it is made of, how it is started again, and what it is doing. Events: "restart" when
 * another guest takes the place of the one there was, "refused" when it cannot, "change" when the guest does something
 * else, "closed" at the end.
 */
export class GuestSession extends EventTarget {
  readonly client: GuestClient;
  private readonly worker: Worker;
  private current: RunState | null = null;
  private made: Recipe = { settings: {}, files: {}, snapshot: null };
  /** What was asked for last. */
  private latest: Recipe = this.made;
  /** What the worker has not answered yet. */
  private readonly asked: Recipe[] = [];
  private refusal: string | null = null;
  private underHypervisor = true;

  constructor() {
    super();
    this.worker = new Worker(new URL("../src/web/worker.ts", import.meta.url), { type: "module" });
    this.worker.addEventListener("error", (event) =>
      this.fail(
        event instanceof ErrorEvent
          ? `defect in kseg: ${event.message}; load the page again`
          : "a part of the page cannot be loaded: load the page again",
      ),
    );
    this.client = new GuestClient(this.worker);
    this.client.listen({
      state: ({ state }) => {
        this.current = state;
        this.dispatchEvent(new Event("change"));
      },
      started: ({ hypervisor, settings }) => {
        this.made = { ...this.asked.shift()!, settings };
        this.current = { kind: "running" };
        this.refusal = null;
        this.underHypervisor = hypervisor;
        this.dispatchEvent(new Event("restart"));
      },
      refused: ({ setting, message }) => {
        const recipe = this.asked.shift()!;
        // Who has asked for something else does not wait for it any more.
        if (recipe !== this.latest) return;
        const { snapshot, files } = recipe;
        const file = snapshot ?? (setting === "kernel" || setting === "initrd" ? files[setting] : undefined);
        this.refuse(file === undefined ? message : `${file.name}: ${message}`);
      },
    });
  }

  /** What the guest is doing; null if there is none. */
  get state(): RunState | null {
    return this.current;
  }

  /** The settings that the guest has. */
  get settings(): Settings {
    return this.made.settings;
  }

  /** The user's files that it is made of. */
  get files(): ChosenFiles {
    return this.made.files;
  }

  /** The saved state that it comes from, in place of files. */
  get snapshot(): NamedFile | null {
    return this.made.snapshot;
  }

  /** It is under a hypervisor. */
  get hypervisor(): boolean {
    return this.underHypervisor;
  }

  /** Why what was asked for last cannot be; null if it can. */
  get problem(): string | null {
    return this.refusal;
  }

  /** Starts a guest in place of the one there is, which stays if that cannot be. */
  async start(settings: Settings, files: ChosenFiles): Promise<void> {
    const recipe = { settings, files, snapshot: null };
    this.latest = recipe;
    let kernel: Uint8Array;
    try {
      kernel = files.kernel?.bytes ?? (await demoKernel(settings));
    } catch (error) {
      if (this.latest === recipe) this.refuse(messageOf(error));
      return;
    }
    // Something else may have been asked for while the kernel was loaded.
    if (this.latest !== recipe) return;
    this.asked.push(recipe);
    const { initrd } = files;
    this.client.start(settings, { kernel, ...(initrd !== undefined && { initrd: initrd.bytes }) });
  }

  /** Goes on from a saved state, which brings its settings along, in place of the guest there is, or leaves that one. */
  restore(snapshot: NamedFile): void {
    this.latest = { settings: {}, files: {}, snapshot };
    this.asked.push(this.latest);
    this.client.restore(snapshot.bytes);
  }

  /** The same guest from its beginning. */
  restart(): void {
    const { settings, files, snapshot } = this.made;
    if (snapshot !== null) this.restore(snapshot);
    else void this.start(settings, files);
  }

  /** What was asked for cannot be. */
  refuse(message: string): void {
    this.refusal = message;
    this.dispatchEvent(new Event("refused"));
  }

  /** Ends the guest and its worker. */
  close(): void {
    this.worker.terminate();
    this.dispatchEvent(new Event("closed"));
  }

  /** There is no guest any more, for this reason. */
  private fail(message: string): void {
    this.current = null;
    this.refuse(message);
  }
}

/** The settings in the page's address; `onWrong` is called for those that cannot be. */
export function settingsOfAddress(onWrong: (error: SettingError) => void): Settings {
  const query = new URLSearchParams(location.search);
  return readSettings((name) => query.get(name), onWrong);
}

/** Puts settings into the page's address, without loading it again. */
export function showInAddress(settings: Settings): void {
  history.replaceState(null, "", `${location.pathname}${settingsQuery(settings)}${location.hash}`);
}
