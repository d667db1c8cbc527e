import type { GuestFiles, MissWay, Port, Report, Request, Settings, Watched } from "./protocol.ts";

/** What is to be done when the worker tells something, by the kind of the report. */
export type Listeners = {
  readonly [Kind in Report["kind"]]?: (report: Extract<Report, { readonly kind: Kind }>) => void;
};

/** The page's side: a guest in a worker. */
export class GuestClient {
  private readonly port: Port<Request>;
  private readonly listeners = new Set<Listeners>();

  /** `port` is the worker. */
  constructor(port: Port<Request>) {
    this.port = port;
    port.onmessage = ({ data }: { readonly data: Report }) => {
      for (const listeners of this.listeners) (listeners[data.kind] as (report: Report) => void)?.(data);
    };
  }

  /** Has these called from now on. Returns what ends it. */
  listen(listeners: Listeners): () => void {
    this.listeners.add(listeners);
    return () => this.listeners.delete(listeners);
  }

  /** Starts a guest in place of the one there is. The answer is "started", or "refused": then that one goes on. */
  start(settings: Settings, files: GuestFiles, paused = false): void {
    this.port.postMessage({ kind: "start", settings, files, paused });
  }

  /** Goes on from a saved state, in place of the guest that there is. The answer is that of {@link start}. */
  restore(snapshot: Uint8Array, paused = false): void {
    this.port.postMessage({ kind: "restore", snapshot, paused });
  }

  /** Asks for the state of the guest: the answer is "saved". */
  save(): void {
    this.port.postMessage({ kind: "save" });
  }

  run(): void {
    this.port.postMessage({ kind: "run" });
  }

  pause(): void {
    this.port.postMessage({ kind: "pause" });
  }

  /** Lets a paused guest go on by one instruction, or up to the next exit, or brings it back to the exit before. */
  step(to: "instruction" | "exit" | "previous-exit"): void {
    this.port.postMessage({ kind: "step", to });
  }

  /**
   * Follows the next so many misses of the host TLB, of these or of any, each of which is reported, and then pauses the
   * guest unless `pause` is false. A paused guest goes on for that.
   */
  follow(misses: number, way: MissWay | "any" = "any", pause = true): void {
    this.port.postMessage({ kind: "follow", misses, way, pause });
  }

  /** Stops the guest in front of these addresses, and no others, from now on. */
  setBreakpoints(addresses: readonly number[]): void {
    this.port.postMessage({ kind: "breakpoints", addresses });
  }

  /** Looks at these parts of the guest from now on, and at no others. */
  watch(watched: Watched): void {
    this.port.postMessage({ kind: "watch", watched });
  }

  /** Types `bytes` on the guest's console. */
  send(bytes: Uint8Array): void {
    this.port.postMessage({ kind: "input", bytes });
  }

  /** So many bytes of the console have been shown: lets a guest that prints faster than the page can show go on. */
  shown(bytes: number): void {
    this.port.postMessage({ kind: "shown", bytes });
  }
}
