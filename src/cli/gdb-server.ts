/** `kseg run --gdb`: a debugger's connection to the guest, and its place in the run. */
import { createServer, type Server, type Socket } from "node:net";
import { GdbSession, type DebuggedGuest, type RunResult } from "../index.ts";
import { UsageError } from "./errors.ts";
import type { RunnableGuest } from "./run-loop.ts";

/** Where to wait for a debugger. */
export interface GdbAddress {
  readonly host: string;
  /** 0: one that is free. */
  readonly port: number;
}

const RUNNING: RunResult = { kind: "running" };

/** So many milliseconds a debugger has to take leave when the run is over. */
const LAST_WORDS = 1000;

/** What to say where the system refuses to listen. */
const REFUSALS: Readonly<Record<string, string>> = {
  EADDRINUSE: "the port is in use",
  EACCES: "the port may not be used",
  EADDRNOTAVAIL: "this computer has no such address",
  ENOTFOUND: "there is no such host",
};

const shown = ({ host, port }: GdbAddress): string => `${host.includes(":") ? `[${host}]` : host}:${port}`;

/** Waits at `address` for connections. Throws {@link UsageError}. */
export async function listenForGdb(address: GdbAddress): Promise<Server> {
  const server = createServer({ noDelay: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const why = REFUSALS[error.code ?? ""] ?? error.message;
      reject(new UsageError(`--gdb ${shown(address)}: ${why}`, { cause: error }));
    });
    server.listen(address, resolve);
  });
  return server;
}

/** Where a server listens, as a debugger wants to be told. */
export function addressOf(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server does not listen");
  return shown({ host: address.address, port: address.port });
}

/** What a debugger may do to the run. */
interface DebuggedRun {
  /** The guest waits for the first debugger. */
  readonly waits: boolean;
  /** Something happened that the run may wait for. */
  readonly wake: () => void;
  /** A debugger has come, or left. */
  readonly attended: (isThere: boolean) => void;
  /** The debugger has the guest stand still. */
  readonly stands: () => void;
  /** The debugger has killed the guest. */
  readonly kill: () => void;
}

/**
 * A guest that a debugger can stop. One debugger is served at a time; while none is connected the guest runs, or with
 * `waits` waits for the first. When the connection ends the guest runs on.
 */
export class GdbServer implements RunnableGuest {
  private readonly guest: DebuggedGuest;
  private readonly runnable: RunnableGuest;
  private readonly server: Server;
  private readonly hooks: DebuggedRun;
  private waits: boolean;
  private session: GdbSession | null = null;
  private socket: Socket | null = null;
  /** All connections that are not closed at both ends: that of a debugger that has detached, say. */
  private readonly open = new Set<Socket>();
  private changed: () => void = () => {};

  /** `guest` is looked at, and stepped; `runnable`, the same guest, is run. */
  constructor(guest: DebuggedGuest, runnable: RunnableGuest, server: Server, run: DebuggedRun) {
    this.guest = guest;
    this.runnable = runnable;
    this.server = server;
    this.waits = run.waits;
    this.hooks = run;
    server.on("connection", (socket) => this.connected(socket));
  }

  // --- the guest, as the run has it ---

  get time(): number {
    return this.runnable.time;
  }
  get inputPending(): number {
    return this.runnable.inputPending;
  }
  stop(): void {
    this.runnable.stop();
  }

  /** Runs the guest, or makes it do what the debugger wants. While it stands still this does nothing. */
  run(ticks: number): RunResult {
    const { session } = this;
    if (session === null) return this.waits ? RUNNING : this.runnable.run(ticks);
    const { wanted } = session;
    switch (wanted.kind) {
      case "run":
        return this.reported(session, this.runnable.run(ticks));
      case "step":
        return this.reported(session, wanted.view.step());
      case "reverse":
        this.send(session.report(wanted.run.run(ticks)));
        return RUNNING;
      default:
        return RUNNING;
    }
  }

  private reported(session: GdbSession, result: RunResult): RunResult {
    this.send(session.report(result));
    // A guest that stands still for the debugger has not ended.
    return session.wanted.kind === "stop" ? RUNNING : result;
  }

  /** What to wait for before the guest may run on; null if nothing keeps it. */
  get standstill(): Promise<void> | null {
    const stands = this.session === null ? this.waits : this.session.wanted.kind === "stop";
    if (stands) this.hooks.stands();
    return stands ? new Promise((resolve) => (this.changed = resolve)) : null;
  }

  // --- the connection ---

  private connected(socket: Socket): void {
    // What comes of an error is its end, which is told as well.
    socket.on("error", () => {});
    this.open.add(socket);
    socket.on("close", () => this.open.delete(socket));
    if (this.session !== null) {
      socket.destroy();
      return;
    }
    const session = new GdbSession(this.guest);
    this.session = session;
    this.socket = socket;
    this.hooks.attended(true);
    socket.on("data", (bytes) => {
      this.send(session.receive(bytes));
      this.obey(session);
    });
    socket.on("close", () => {
      session.closed();
      this.obey(session);
    });
    this.wake();
  }

  private obey(session: GdbSession): void {
    if (session !== this.session) return;
    const { kind } = session.wanted;
    if (kind === "killed") this.hooks.kill();
    if (kind === "detached" || kind === "killed") {
      this.socket?.end();
      this.session = null;
      this.socket = null;
      this.waits = false;
      this.hooks.attended(false);
    }
    this.wake();
  }

  private wake(): void {
    this.changed();
    this.hooks.wake();
  }

  /** A debugger that does not read its answers is not listened to meanwhile: they would pile up. */
  private send(bytes: Uint8Array): void {
    const { socket } = this;
    if (bytes.length === 0 || socket === null || socket.write(bytes)) return;
    socket.pause();
    socket.once("drain", () => socket.resume());
  }

  /** The run is over: the debugger, if there is still one, is told so. */
  async close(): Promise<void> {
    const { session, open } = this;
    if (session !== null) this.send(session.report({ kind: "off", how: "power-off" }));
    this.session = null;
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const socket of open) socket.end();
    // A debugger that has stopped listening, or never stops talking, is not waited for.
    const timer = setTimeout(() => {
      for (const socket of open) socket.destroy();
    }, LAST_WORDS);
    await closed;
    clearTimeout(timer);
  }
}
